"""A real Open WebUI with the plugin on it, and a stand-in for Google beside it.

One host serves the whole session: it starts in ten seconds.
"""

from dev.host.fixtures import (
    admin,
    browser,
    google,
    google_process,
    host,
    host_url,
    models,
    probe,
    pytest_runtest_makereport,
    second_user,
    user,
    user_page,
    user_valves,
    valves,
)
