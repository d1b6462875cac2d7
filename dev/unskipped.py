"""A pytest plugin: a skipped test is a failure, for it proves nothing."""

from __future__ import annotations

import pytest


class Unskipped:
    """Counts what was skipped and fails the session for it."""

    def __init__(self) -> None:
        self.skipped: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a test that was skipped, or is expected to fail."""
        if report.skipped:
            self.skipped.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a whole file that was skipped."""
        if report.skipped:
            self.skipped.append(report.nodeid)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Turn a success into a failure if anything was skipped."""
        if self.skipped and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter
    ) -> None:
        """Name the skipped ones."""
        for name in self.skipped:
            terminalreporter.write_line(f"SKIPPED, which counts as failed: {name}")


def pytest_configure(config: pytest.Config) -> None:
    """Register with pytest."""
    config.pluginmanager.register(Unskipped())
