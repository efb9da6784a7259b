from __future__ import annotations

import pytest

from policies.lifecycle.numbers import RANK, binding, major_of, precedence, raised, step


@pytest.mark.parametrize(
    ("old", "new", "claimed"),
    [
        ("1.0.0", "1.0.0", "none"),
        ("1.0.0", "1.0.1", "patch"),
        ("1.0.0", "1.1.0", "minor"),
        ("1.9.3", "2.0.0", "major"),
        ("1.0.0-rc.1", "1.0.0", "major"),
        ("1.0.0-rc.1", "1.0.0-rc.2", "major"),
        ("1.0.0-rc.1", "1.1.0", "minor"),
        ("1.0.0", "1.1.0-rc.1", "minor"),
    ],
)
def test_a_step_is_what_the_newer_number_claims(old: str, new: str, claimed: str) -> None:
    assert step(old, new) == claimed


def test_precedence_is_that_of_semver_and_not_of_text() -> None:
    numbers = ["1.10.0", "1.9.0", "1.9.0-rc.10", "1.9.0-rc.9", "0.1.0"]
    assert sorted(numbers, key=precedence) == ["0.1.0", "1.9.0-rc.9", "1.9.0-rc.10", "1.9.0", "1.10.0"]


@pytest.mark.parametrize("bump", ["patch", "minor", "major"])
def test_the_raised_number_claims_the_bump(bump: str) -> None:
    assert step("1.4.2", raised("1.4.2", bump)) == bump
    assert RANK[bump] > RANK["none"]


def test_the_major_of_a_prerelease() -> None:
    assert major_of("12.0.0-rc.1") == 12


def test_what_is_no_semver_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="v1"):
        precedence("v1")


@pytest.mark.parametrize(
    ("live", "binds"),
    [
        ((), []),
        (("2.0.0", "1.10.0", "1.9.0"), ["1.9.0", "1.10.0", "2.0.0"]),
        (("2.0.0-rc.1", "2.0.0-rc.2", "1.0.0"), ["1.0.0", "2.0.0-rc.1", "2.0.0-rc.2"]),
        (("2.0.0-rc.1", "2.0.0-rc.2", "2.0.0", "2.1.0-rc.1"), ["2.0.0", "2.1.0-rc.1"]),
    ],
)
def test_a_prerelease_binds_until_a_release_stands_before_it(live: tuple[str, ...], binds: list[str]) -> None:
    assert binding(live) == binds
