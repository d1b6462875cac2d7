"""Who is on a demo or test host."""

from __future__ import annotations

from dev.host.client import Login

# For hosts on loopback that live for minutes; open to nobody else.
ADMIN = Login("Admin", "admin@example.org", "admin")
USER = Login("User", "user@example.org", "user")
SECOND_USER = Login("Second User", "second@example.org", "second")
