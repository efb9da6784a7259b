"""Tables keep what is copied whole, however narrow the terminal."""

from __future__ import annotations

import pytest

from weighbridge import printing


def test_a_narrow_terminal_cuts_nothing(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printing.out, "_width", 20)
    rows = [("supplier-acknowledgement", "1.10.0", "a word and another one and yet another one")]
    printing.table(("contract", "version", "text"), rows, empty="none")
    shown = capsys.readouterr().out
    assert "supplier-acknowledgement  1.10.0" in shown
    assert "a word and another one" in shown


def test_no_rows_say_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    printing.table(("a",), (), empty="none yet: do [this]")
    assert capsys.readouterr().out == "none yet: do [this]\n"
