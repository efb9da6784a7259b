"""Depth and length are exact, and strings count for nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.traffic.validate_json_bounds import JsonBounds

BOUNDS = JsonBounds(depth=4, number=20)


def code(body: bytes, bounds: JsonBounds = BOUNDS) -> str | None:
    fault = bounds.fault(body)
    return None if fault is None else fault.code


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"[[[[1]]]]", None),
        (b"[[[[[1]]]]]", "DEPTH"),
        (b'{"a":[{"b":[{}]}]}', "DEPTH"),
        (b'{"a":[{"b":[1]}]}', None),
        (b"[" + b"[[]]," * 500 + b"[[[]]]]", None),
        (b"[" + b"[[]]," * 500 + b"[[[[]]]]]", "DEPTH"),
        (b'["[[[[[[", "{{{{{{{{"]', None),
        (b'["\\"[[[[[[", "\\\\", [[]]]', None),
        (b'["\\\\", [[[[[]]]]]]', "DEPTH"),
        (b"[" * 100_000, "DEPTH"),
        (b"]" * 100_000, None),  # no JSON: for the parser to say
        (b"[" * 100_000 + b"]" * 100_000, "DEPTH"),
        (b"1" * 20, None),
        (b"1" * 21, "NUMBER_LENGTH"),
        (b"[-1." + b"0" * 16 + b"e" + b"1]", "NUMBER_LENGTH"),
        (b'["' + b"1" * 200 + b'"]', None),
        (b'["\\"' + b"1" * 200 + b'"]', None),
        (b"[" + b"12345," * 1000 + b"1]", None),
        (b"[123456.123456e+123456]", "NUMBER_LENGTH"),
        (b"[" + b"[[[[" * 12 + b"1" + b"]]]]" * 12 + b"]", "DEPTH"),
    ],
)
def test_bodies(body: bytes, expected: str | None) -> None:
    assert code(body) == expected


documents = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**25), 10**25) | st.text('[]{}"\\19', max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('[{"\\1', max_size=5), inner, max_size=4),
    max_leaves=30,
)


@given(documents)
def test_as_a_reader_would_count(value: Any) -> None:
    deep = _depth(value) > BOUNDS.depth
    long = _longest(value) > BOUNDS.number
    assert code(json.dumps(value).encode()) == ("DEPTH" if deep else "NUMBER_LENGTH" if long else None)


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(_depth, inner), default=0)


def _longest(value: Any) -> int:
    if isinstance(value, dict | list):
        return max(map(_longest, value.values() if isinstance(value, dict) else value), default=0)
    return len(str(value)) if isinstance(value, int) and not isinstance(value, bool) else 0


@pytest.mark.parametrize("depth", [1, 7, 8, 9, 100])
def test_depth_is_exact_however_it_is_counted(depth: int) -> None:
    for inner in (b"[", b'{"a":', b'[0,{"]":'):
        levels = inner.count(b"[") + inner.count(b"{")
        if depth % levels:
            continue
        body = inner * (depth // levels)
        assert code(body, JsonBounds(depth=depth)) is None
        assert code(b"[" + body, JsonBounds(depth=depth)) == "DEPTH"
        closed = b"[" * depth + b"]" * depth
        assert code(b"[" + closed + b"," + closed[1:-1] + b"]", JsonBounds(depth=depth)) == "DEPTH"


@pytest.mark.parametrize("most", [16, 20, 33, 100, 1000])
@pytest.mark.parametrize("at", range(40))
def test_a_long_number_is_found_wherever_it_stands(most: int, at: int) -> None:
    third = (most + 1 - 4) // 3
    number = b"-" + b"1" * third + b"." + b"1" * third + b"e+"
    number += b"1" * (most + 1 - len(number))
    body = b"[" + b" " * at + number + b"]"
    assert code(body, JsonBounds(number=most)) == "NUMBER_LENGTH"
    assert code(body, JsonBounds(number=most + 1)) is None
