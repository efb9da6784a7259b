"""`weighbridge top` as it is used: once for scripts, without a terminal, and on one with keys."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from tests.unit.weighbridge.watching.made import GET, READY, Door, buckets, door
from weighbridge.cli import main
from weighbridge.errors import Exit
from weighbridge.settings import write_private

COMMAND = [sys.executable, "-m", "weighbridge", "top"]


def _called(gateway: Door, times: int) -> None:
    gateway.samples = [("requests", [*GET, "200"], times), ("request_seconds", [*GET], buckets(ms5=times))]


def test_once_in_text_and_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    with door() as gateway:
        _called(gateway, 3)
        assert main(["top", "--once", "--interval", "0.2", gateway.url]) == Exit.OK
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].startswith(f"{gateway.url}  ready  0.0 req/s  2 workers")
        assert "1 route without calls" in lines
        for option in (["--json"], ["--format", "json"]):
            assert main(["top", "--once", "--interval", "0.2", *option, gateway.url]) == Exit.OK
            told = json.loads(capsys.readouterr().out)
            assert sorted(told) == ["consumers", "gateways", "limits", "routes", "upstreams"]
            assert told["gateways"][0]["state"] == "ready"


def test_nobody_who_answers_is_an_answer_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["top", "--once", "--interval", "0.2", "http://127.0.0.1:1"]) == Exit.UNREACHABLE
    assert "down" in capsys.readouterr().out
    assert main(["top", "--once", "nonsense"]) == Exit.UNREADABLE
    assert "'nonsense' is no address" in capsys.readouterr().err


def test_without_an_address_it_is_the_gateway_of_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WEIGHBRIDGE_HOME", str(tmp_path))
    with door() as gateway:
        write_private(tmp_path / "client.json", {"url": "http://127.0.0.1:1", "key": "k", "admin": gateway.url})
        assert main(["top", "--once", "--interval", "0.2", "--json"]) == Exit.OK
        assert json.loads(capsys.readouterr().out)["gateways"][0]["url"] == gateway.url


def test_without_a_terminal_it_is_a_line_for_every_look_also_while_the_gateway_is_away() -> None:
    with door() as gateway:
        _called(gateway, 100)
        process = subprocess.Popen(
            [*COMMAND, "--json", "--interval", "0.2", gateway.url], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdout is not None
        states = []
        for step in range(12):
            line = json.loads(process.stdout.readline())["gateways"][0]
            states.append((line["state"], line["per_second"]))
            if step == 2:
                gateway.readiness = None
            if step == 5:
                gateway.readiness = READY
                _called(gateway, 7)  # started afresh
        process.stdout.close()  # like `| head`
        assert process.wait(20) == 128 + 13
        assert process.stderr is not None
        assert process.stderr.read() == b""
        process.stderr.close()
    assert states[0] == ("ready", None)
    assert ("ready", 0.0) in states[1:4]
    assert ("down", None) in states
    assert states[-1] == ("ready", 0.0)
    assert all(rate in (None, 0.0) for _, rate in states)


def test_on_a_terminal_keys_sort_and_quit_and_leave_it_as_it_was() -> None:
    with door() as gateway:
        _called(gateway, 3)
        ours, theirs = pty.openpty()
        before = termios.tcgetattr(theirs)
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120", "LINES": "30"}
        process = subprocess.Popen(
            [*COMMAND, "--interval", "60", gateway.url], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
        )
        try:
            seen = _until(ours, b"sorted by rate")
            assert gateway.url.encode() in seen
            os.write(ours, b"e")  # at once, not at the next look
            _until(ours, b"sorted by errors")
            os.write(ours, b"xnq")
            _until(ours, b"\x1b[?1049l")  # the other screen is left
            assert process.wait(20) == 0
            assert termios.tcgetattr(theirs) == before
        finally:
            process.kill()
            process.wait()
            os.close(ours)
            os.close(theirs)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_the_terminal_as_it_was(number: signal.Signals) -> None:
    with door() as gateway:
        ours, theirs = pty.openpty()
        before = termios.tcgetattr(theirs)
        process = subprocess.Popen(
            [*COMMAND, gateway.url], stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "xterm"}
        )
        try:
            _until(ours, b"sorted by rate")
            process.send_signal(number)
            _until(ours, b"\x1b[?1049l")
            assert process.wait(20) == 0
            assert termios.tcgetattr(theirs) == before
        finally:
            process.kill()
            process.wait()
            os.close(ours)
            os.close(theirs)


def _until(descriptor: int, expected: bytes) -> bytes:
    seen = b""
    deadline = time.monotonic() + 20
    while expected not in seen:
        assert select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0], seen
        seen += os.read(descriptor, 65_536)
    return seen
