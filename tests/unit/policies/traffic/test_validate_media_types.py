"""Media types."""

from __future__ import annotations

import pytest

from policies.traffic.validate_media_types import chosen, essence, is_json, is_utf8


@pytest.mark.parametrize(
    ("media_type", "json"),
    [
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("application/problem+json", True),
        ("application/jsonlines", False),
        ("text/json", False),
        ("application/xml", False),
        ("", False),
    ],
)
def test_what_is_json(media_type: str, json: bool) -> None:
    assert is_json(media_type) is json


@pytest.mark.parametrize(
    ("content_type", "utf8"),
    [
        ("application/json", True),
        ('application/json; charset="utf-8"', True),
        ("application/json; q=1; CHARSET=UTF8", True),
        ("application/json; charset=utf-16", False),
        ("application/json; charset=latin1", False),
    ],
)
def test_what_is_utf8(content_type: str, utf8: bool) -> None:
    assert is_utf8(content_type) is utf8


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [("text/csv", "exact"), ("text/plain; q=1", "range"), ("image/png", "any"), ("TEXT/CSV", "exact")],
)
def test_the_most_specific_is_chosen(content_type: str, expected: str) -> None:
    assert chosen({"*/*": "any", "text/*": "range", "text/csv": "exact"}, content_type) == expected


def test_nothing_fits() -> None:
    assert chosen({"text/csv": 1}, "text/plain") is None
    assert essence(" A/B ;x=y") == "a/b"
