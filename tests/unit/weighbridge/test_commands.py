"""What commands read from their arguments."""

from __future__ import annotations

import io

import pytest

from weighbridge.cli import main
from weighbridge.commands.credentials import span
from weighbridge.errors import CommandError, Exit


@pytest.mark.parametrize(
    ("text", "seconds"), [("0", 0), ("30s", 30), ("90min", 5_400), ("12h", 43_200), ("7d", 604_800)]
)
def test_a_span_of_time(text: str, seconds: int) -> None:
    assert span(text) == seconds


@pytest.mark.parametrize("text", ["", "7", "-1d", "1 d", "1w", "d", "\u0667d", "1" * 10 + "d"])
def test_what_is_no_span_of_time(text: str) -> None:
    with pytest.raises(CommandError, match="no span of time"):
        span(text)


def test_a_plan_may_come_from_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("{limits: []}"))
    assert main(["plans", "put", "-"]) == Exit.UNREADABLE
    assert "- is not a plan: it needs at least a `name`" in capsys.readouterr().err
