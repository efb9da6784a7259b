"""Secrets that tell a typing mistake by themselves."""

from __future__ import annotations

import re

import pytest

from policies.model.generated import compose, id_of, is_mistyped

ID, SECRET = "0123456789ab", "5" * 64
KEY = compose("wbk", ID, SECRET)


def test_a_key_has_one_shape_and_a_known_checksum() -> None:
    assert f"wbk_{ID}_{SECRET}9a3c1b14" == KEY
    assert not is_mistyped(KEY)
    assert re.fullmatch(r"wb[ks]_[0-9a-f]{12}_[0-9a-f]{72}", KEY), "the pattern of the guide"


@pytest.mark.parametrize("place", [0, 5, 17, 40, 80, len(KEY) - 1])
def test_every_single_mistake_is_seen(place: int) -> None:
    for other in "0123456789abcdef":
        text = KEY[:place] + other + KEY[place + 1 :]
        if text != KEY and place > 3 and KEY[place] != "_":
            assert is_mistyped(text), text
    assert not is_mistyped("x" + KEY[1:]), "that is no mistake of ours"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (KEY, ID),
        (KEY[:-8], ID),  # made before there were checksums
        (KEY[:-1] + "0", None),
        (compose("wbs", ID, SECRET), None),
        (KEY.upper(), None),
        (KEY + "\n", None),
        (KEY.replace("5", "\u0665"), None),
        ("", None),
    ],
)
def test_the_id_of_what_has_our_shape(text: str, found: str | None) -> None:
    assert id_of(text, "wbk") == found
