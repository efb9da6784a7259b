from __future__ import annotations

import pytest

from policies.lint.subjects import Path, is_json, types_of


@pytest.mark.parametrize(
    ("media_type", "json"),
    [
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("application/problem+json", True),
        ("application/jsonl", False),
        ("text/plain", False),
        ("", False),
    ],
)
def test_what_is_json(media_type: str, json: bool) -> None:
    assert is_json(media_type) is json


@pytest.mark.parametrize(
    ("schema", "types"),
    [
        ({}, set()),
        ({"type": "string"}, {"string"}),
        ({"type": ["string", "null"]}, {"string", "null"}),
        ({"type": "string", "nullable": True}, {"string", "null"}),
        ({"nullable": True}, set()),
    ],
)
def test_the_types_of_both_versions_read_alike(schema: dict[str, object], types: set[str]) -> None:
    assert types_of(schema) == types


def test_a_path_is_taken_apart_without_its_empty_segments() -> None:
    assert Path("/items/{itemId}/lots/", "/paths/x").segments == ("items", "{itemId}", "lots")
