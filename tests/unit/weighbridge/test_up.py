"""What `weighbridge up` refuses before it starts anything, and the page it ends with."""

from __future__ import annotations

import fcntl
import socket
import sys
from pathlib import Path

import pytest

from weighbridge.cli import main
from weighbridge.demo import staging
from weighbridge.errors import CommandError, Exit
from weighbridge.up import Addresses, run

DEMO = {"keys": {name: f"wbk_{name}" for name in (staging.SUPPLIER, staging.CUSTOMER, staging.INTERNAL)}}


def addresses(gateway: int = 19_800, admin: int = 19_801) -> Addresses:
    return Addresses("127.0.0.1", gateway, admin, 19_802, 19_803)


def page(home: Path) -> str:
    return staging.summary("http://g", "http://r", "http://a", DEMO, home)


def test_a_second_run_on_one_home_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(CommandError, match=r"another `weighbridge up` is running on .*--home"):
            run(addresses(), tmp_path)


def test_a_home_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CommandError, match=r"file/home cannot hold the data \(Not a directory\).*--home"):
        run(addresses(), tmp_path / "file" / "home")


def test_one_port_for_two_things_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"wanted for both the gateway and the gateway admin.*--admin-port"):
        run(addresses(gateway=19_801), tmp_path)


def test_a_port_held_by_what_a_killed_run_left_says_how_to_end_that(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"registry": 41, "gateway": 42}')
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(CommandError, match="an earlier run was killed, `kill 41 42` ends what it left"):
            run(addresses(gateway=taken.getsockname()[1]), tmp_path)


@pytest.mark.parametrize("arguments", [("--gateway-port", "65536"), ("--backends-port", "65531"), ("--host", "x y")])
def test_an_address_that_cannot_be_is_a_usage_error(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: tuple[str, str]
) -> None:
    assert main(["up", "--home", str(tmp_path), *arguments]) == Exit.UNREADABLE
    assert "Traceback" not in capsys.readouterr().err


def test_the_page_needs_no_setting_for_the_default_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(tmp_path / ".venv/bin/python"))
    shown = page(tmp_path / ".weighbridge")
    assert "(key in .weighbridge/client.json)" in shown
    assert "\n  a bearer token instead:  .venv/bin/weighbridge token oakhurst-procurement\n" in shown


def test_the_page_names_another_home_wherever_a_command_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", "/opt/weigh bridge/bin/python")
    shown = page(tmp_path / "data")
    assert "(key in data/client.json)" in shown
    assert "  WEIGHBRIDGE_HOME=data '/opt/weigh bridge/bin/weighbridge' token" in shown
    assert "  WEIGHBRIDGE_HOME=data '/opt/weigh bridge/bin/weighbridge' publish /" in shown
