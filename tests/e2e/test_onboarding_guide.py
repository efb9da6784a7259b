"""Walks docs/guides/partner-onboarding.md in a shell, as the four people in it would."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT, Running
from tests.e2e.test_readme import Shell, matches, steps

GUIDE = ROOT / "docs" / "guides" / "partner-onboarding.md"
ARRIVES = ("curl", "weighbridge usage")
"""What gateways are told, and what they report, takes a moment to arrive."""


@pytest.fixture
def shell(up: Running, tmp_path: Path) -> Iterator[Shell]:
    terminal = Shell(tmp_path, up.environment)
    try:
        yield terminal
    finally:
        terminal.close()


def test_the_guide_to_onboarding_is_true(up: Running, shell: Shell) -> None:
    places = {
        "127.0.0.1:8000": up.gateway.removeprefix("http://"),
        "127.0.0.1:8080": up.registry.removeprefix("http://"),
    }
    walked = 0
    for command, expected in steps(GUIDE.read_text()):
        for written, real in places.items():
            command = command.replace(written, real)
        printed = shell.type(command)
        deadline = time.monotonic() + 5
        while not matches(expected or "", printed) and time.monotonic() < deadline:
            if not any(word in command for word in ARRIVES):
                break
            time.sleep(0.2)
            printed = shell.type(command)
        assert matches(expected or "", printed), f"$ {command}\nexpected:\n{expected}\n\nprinted:\n{printed}"
        walked += 1
    assert walked == 31
