"""A real Open WebUI as tests/host have it, for those who mean no good."""

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
