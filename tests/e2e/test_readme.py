"""Walks the README in a shell, as a newcomer would: every ``sh`` block that makes files, every ``console`` block.

In a console block a line ``$ command`` is typed; the lines up to the next command are what it must print, where ``...``
stands for anything. Addresses are those of the running demo, everything else is typed as it stands.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT, Running, free_ports

BLOCK = re.compile(r"```(sh|console)\n(.*?)```", re.S)


class Shell:
    """One bash that keeps its variables and its folder between commands."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def type(self, command: str) -> str:
        """Run a command and return what it printed."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        mark = f"mark-{uuid.uuid4().hex}"
        self.process.stdin.write(f"{command}\necho; echo {mark}\n")
        self.process.stdin.flush()
        lines: list[str] = []
        for line in self.process.stdout:
            if line.strip() == mark:
                break
            lines.append(line)
        return "".join(lines)

    def close(self) -> None:
        self.process.communicate("kill $(jobs -p) 2>/dev/null; exit\n", timeout=10)


@pytest.fixture
def shell(up: Running, tmp_path: Path) -> Iterator[Shell]:
    """A terminal in a folder that looks like the checkout."""
    (tmp_path / "specs").symlink_to(ROOT / "specs")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "activate").write_text("")
    terminal = Shell(tmp_path, up.environment)
    try:
        yield terminal
    finally:
        terminal.close()
        shutil.rmtree(tmp_path / "dock-notes", ignore_errors=True)


def steps(text: str) -> Iterator[tuple[str, str | None]]:
    """(command, expected output or ``None``) of every block after the two make commands."""
    for kind, block in BLOCK.findall(text):
        if "make demo" in block:
            continue
        if kind == "sh":
            yield block, None
            continue
        command, expected = "", []
        for line in block.splitlines():
            if line.startswith("$ "):
                if command:
                    yield command, "\n".join(expected)
                command, expected = line[2:], []
            else:
                expected.append(line)
        yield command, "\n".join(expected)


def matches(expected: str, printed: str) -> bool:
    """``...`` alone on a line is any lines, ``...`` inside a line is any characters; how many blanks does not count."""
    lines = [re.sub(" +", " ", line.rstrip()) for line in printed.replace("\r", "").strip("\n").splitlines()]
    pattern = ""
    for line in re.sub(" +", " ", expected.strip("\n")).splitlines():
        if line.strip() == "...":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*".join(re.escape(part) for part in line.rstrip().split("...")) + r"\n"
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in lines)) is not None


def test_the_readme_is_true(up: Running, shell: Shell) -> None:
    (notes_port,) = free_ports(1)
    places = {
        "127.0.0.1:8000": up.gateway.removeprefix("http://"),
        "127.0.0.1:8080": up.registry.removeprefix("http://"),
        "9300": str(notes_port),
    }
    walked = 0
    for command, expected in steps((ROOT / "README.md").read_text()):
        for written, real in places.items():
            command = command.replace(written, real)
        printed = shell.type(command)
        deadline = time.monotonic() + 5
        # what was just changed, or just started, takes a moment to arrive
        while (
            expected is not None
            and not matches(expected, printed)
            and time.monotonic() < deadline
            and "curl" in command
        ):
            time.sleep(0.3)
            printed = shell.type(command)
        if expected is not None:
            assert matches(expected, printed), f"$ {command}\nexpected:\n{expected}\n\nprinted:\n{printed}"
        walked += 1
    assert walked > 20


def test_the_matcher_can_fail() -> None:
    assert matches("a\n...\nb...d", "a\nx\ny\nbcd")
    assert matches("a\n...\nb", "a\nb")
    assert not matches("a\n...\nb", "a\nx")
    assert not matches("a", "a\nb")
