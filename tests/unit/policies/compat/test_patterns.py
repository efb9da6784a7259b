"""The automata against an engine: what is proved holds for texts at hand, and what is lost really is."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policies.compat.patterns import length, lost

atoms = st.sampled_from(["a", "b", "[ab]", "[^a]", "[a-c]", r"\d", r"\w", r"\S", ".", "0", r"\.", "-"])
patterns = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda both: f"({both[0]}|{both[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{2,}"])).map(lambda r: f"({r[0]}){r[1]}"),
        inner.map(lambda part: f"^{part}"),
        inner.map(lambda part: f"{part}$"),
        inner.map(lambda part: f"^{part}$"),
    ),
    max_leaves=6,
)
texts = st.lists(st.text(alphabet="abc0.-A \né", max_size=6), min_size=20, max_size=30)


def fits(pattern: str) -> Any:
    return jsonschema_rs.Draft202012Validator({"pattern": pattern})


@settings(max_examples=600, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
@given(inner=patterns, outer=patterns, tried=texts)
def test_what_is_proved_holds_and_what_is_lost_is_lost(inner: str, outer: str, tried: list[str]) -> None:
    found = lost((inner,), (outer,))
    assert found is not None
    mine, theirs = fits(inner), fits(outer)
    if isinstance(found, str):
        assert mine.is_valid(found)
        assert not theirs.is_valid(found)
    else:
        assert [text for text in tried if mine.is_valid(text) and not theirs.is_valid(text)] == []


@pytest.mark.parametrize(
    ("inner", "outer", "expected"),
    [
        ((r"^[0-9]{4}$",), (r"^\d{4}$",), True),
        (("^[A-Z]{2}$",), ("^[A-Z]+$", length(2, 2)), True),
        (("^[A-Z]+$", length(0, 3)), ("^[A-Z]{1,3}$",), True),
        (("^(SUP|CUS|CAR)-[0-9]{5}$",), ("^(SUP|CUS)-[0-9]{5}$",), "CAR-00000"),
        (("A",), ("^A",), "0A"),
        ((), ("^a?$",), "A"),
        (("^(?=a)",), ("a",), None),
        ((r"(a)\1",), ("a",), None),
        (("(?i:a)",), ("a",), None),
        (("a{,3}",), ("a",), None),
        (("[",), ("a",), None),
    ],
)
def test_known_pairs(inner: tuple[str, ...], outer: tuple[str, ...], expected: Any) -> None:
    assert lost(inner, outer) == expected


def test_too_much_work_is_no_answer() -> None:
    assert lost(("(a|b)*a(a|b){40}",), ("(a|b)*b(a|b){40}",)) is None
    assert lost(("((a{1,99}){1,99}){1,99}",), ("b",)) is None
