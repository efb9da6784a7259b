"""Walks docs/guides/tokens.md: what stands in it is typed, and what is revoked is refused by the gateway."""

from __future__ import annotations

import time
from pathlib import Path

from tests.e2e.conftest import CUSTOMER, ROOT, Running
from tests.e2e.test_readme import Shell, matches, steps

CALL = "/inventory-availability/v2/sites/DAL-2/availability/CBL-THHN-12-BK"


def test_the_guide_to_tokens_is_true(up: Running, tmp_path: Path) -> None:
    terminal = Shell(tmp_path, up.environment)
    walked, token = 0, ""
    try:
        for command, expected in steps((ROOT / "docs" / "guides" / "tokens.md").read_text()):
            printed = terminal.type(command)
            assert matches(expected or "", printed), f"$ {command}\nexpected:\n{expected}\n\nprinted:\n{printed}"
            if command.startswith("TOKEN="):
                token = terminal.type("echo $TOKEN").strip()
                assert _status(up, token) == 200
            if "tokens revoke" in command:
                deadline = time.monotonic() + 2
                while _status(up, token) != 401:
                    assert time.monotonic() < deadline, "revoked two seconds ago, and still let in"
            walked += 1
    finally:
        terminal.close()
    assert walked == 8


def _status(up: Running, token: str) -> int:
    return up.call(CALL, application=None, headers={"Authorization": f"Bearer {token}"}).status_code


def test_an_application_of_the_demo_still_gets_what_it_was_granted(up: Running) -> None:
    done = up.run("token", CUSTOMER, "--format", "json")
    assert done.returncode == 0, done.stderr
    assert '"inventory:read orders:read' in done.stdout
