"""A real Open WebUI for what is measured; nothing else may run on the machine then."""

from dev.host.fixtures import (
    admin,
    google,
    google_process,
    host,
    host_url,
    pytest_runtest_makereport,
    user,
)
