"""What commands read from their arguments."""

from __future__ import annotations

import pytest

from weighbridge.commands.credentials import span
from weighbridge.errors import CommandError


@pytest.mark.parametrize(
    ("text", "seconds"), [("0", 0), ("30s", 30), ("90min", 5_400), ("12h", 43_200), ("7d", 604_800)]
)
def test_a_span_of_time(text: str, seconds: int) -> None:
    assert span(text) == seconds


@pytest.mark.parametrize("text", ["", "7", "-1d", "1 d", "1w", "d", "\u0667d", "1" * 10 + "d"])
def test_what_is_no_span_of_time(text: str) -> None:
    with pytest.raises(CommandError, match="no span of time"):
        span(text)
