"""What of an address and its headers chooses a version."""

from __future__ import annotations

import pytest

from gateway.router import accepted_version, is_major_segment


@pytest.mark.parametrize(
    ("accept", "version"),
    [
        ("application/json", None),
        ("application/json; version=2", "2"),
        ('text/html, application/json;q=0.9;Version="2.1.0"', "2.1.0"),
        ("application/vnd.version+json", None),
    ],
)
def test_the_version_parameter_of_accept(accept: str, version: str | None) -> None:
    assert accepted_version(accept) == version


@pytest.mark.parametrize(
    ("segment", "is_major"), [("v1", True), ("v10", True), ("v01", False), ("v", False), ("x1", False)]
)
def test_major_segments(segment: str, is_major: bool) -> None:
    assert is_major_segment(segment) is is_major
