from __future__ import annotations

import pytest

from registry.errors import Invalid
from registry.names import precedence, require_slug, require_text, require_token, semver


@pytest.mark.parametrize("good", ["a", "stock-2", "0142", "a-b-c", "x" * 64])
def test_slugs(good: str) -> None:
    require_slug(good, "/name", "a name")


@pytest.mark.parametrize("bad", ["", "A", "a_b", "-a", "a-", "a--b", "a b", "é", "a\n", "x" * 65])
def test_what_is_no_slug(bad: str) -> None:
    with pytest.raises(Invalid) as caught:
        require_slug(bad, "/name", "a name")
    assert caught.value.pointer == "/name"


@pytest.mark.parametrize("bad", ["", "  ", "x" * 11, "a\0"])
def test_what_is_no_text(bad: str) -> None:
    with pytest.raises(Invalid):
        require_text(bad, "/title", "the title", longest=10)


def test_text_may_be_empty_where_it_is_said() -> None:
    require_text("", "/title", "the title", empty=True)


@pytest.mark.parametrize("bad", ["", "a b", "a,b", "é", "a\r", "x" * 256])
def test_what_is_no_token(bad: str) -> None:
    with pytest.raises(Invalid):
        require_token(bad, "/scope", "a scope")


@pytest.mark.parametrize("good", ["1.0.0", "0.1.0", "10.20.30", "1.0.0-rc.1"])
def test_numbers(good: str) -> None:
    assert str(semver(good)) == good


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("1.0", "semver"),
        ("v1.0.0", "semver"),
        ("01.0.0", "semver"),
        ("", "semver"),
        ("1.0.0\n", "semver"),
        ("1" * 70, "semver"),
        ("1.0.0+build", "build metadata"),
        ("1000000.0.0", "at most 999999"),
    ],
)
def test_what_is_no_number(bad: str, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        semver(bad)


def test_precedence_is_that_of_semver() -> None:
    numbers = ["1.10.0", "1.2.0", "1.10.0-rc.1", "1.10.0-rc.10", "1.10.0-rc.2"]
    assert sorted(numbers, key=precedence) == ["1.2.0", "1.10.0-rc.1", "1.10.0-rc.2", "1.10.0-rc.10", "1.10.0"]
