"""The choice of a version."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from policies.model.access import Application
from policies.serving import Canary, ContractLines, MajorLine
from policies.traffic import Caller, Problem


@dataclass
class Served:
    number: str


def caller(id_: str = "app", **more: object) -> Caller:
    application = Application(id=id_, name=id_, consumer="c", audience="partner", **more)
    return Caller(application, "key", frozenset(), 0)


def served(number: str) -> Served:
    return Served(number)


def line(major: int, head: str | None, **more: object) -> MajorLine[Served]:
    return MajorLine(
        "orders", major, None if head is None else served(head), numbers=frozenset({head} if head else ()),
        live=head is not None, **more,
    )  # fmt: skip


def lines(*majors: MajorLine[Served], default: int | None = None) -> ContractLines[Served]:
    return ContractLines("orders", list(majors), default)


def slug(outcome: object) -> str:
    assert isinstance(outcome, Problem)
    return outcome.slug


def test_a_caller_that_names_no_version_gets_its_pin_then_the_default_then_the_newest_live() -> None:
    one, two, three = line(1, "1.2.0"), line(2, "2.0.0"), line(3, None)
    assert lines(one, two, three).assigned(None) is two
    assert lines(one, two, three, default=1).assigned(caller()) is one
    assert lines(one, two, three, default=1).assigned(caller(pins={"orders": 2})) is two
    assert lines(one, two, three).assigned(caller(pins={"shipment": 1})) is two
    assert slug(lines(one).assigned(caller(pins={"orders": 9}))) == "version-unknown"
    assert slug(lines().assigned(None)) == "version-unknown"


@pytest.mark.parametrize(
    ("text", "major", "number"),
    [("2", 2, None), (" v2 ", 2, None), ("2.0.0", 2, "2.0.0"), ("1.1.0", 1, "1.1.0"), ("2.1.0-rc.1", 2, "2.1.0-rc.1")],
)
def test_a_version_asked_for_by_header(text: str, major: int, number: str | None) -> None:
    one, two = line(1, "1.2.0"), line(2, "2.0.0")
    assert lines(one, two).requested(text, None) == ({1: one, 2: two}[major], number)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7", "version-unknown"),
        ("newest", "bad-request"),
        ("2.0", "bad-request"),
        ("", "bad-request"),
        ("02", "bad-request"),
    ],
)
def test_a_version_that_cannot_be_had(text: str, expected: str) -> None:
    assert slug(lines(line(1, "1.0.0")).requested(text, None)) == expected


def test_path_and_header_must_agree() -> None:
    one, two = line(1, "1.0.0"), line(2, "2.0.0")
    assert slug(lines(one, two).requested("2", one)) == "bad-request"
    assert lines(one, two).requested("1.0.0", one) == (one, "1.0.0")


def test_an_exact_number_is_served_by_the_head_that_stands_for_it() -> None:
    major = line(1, "1.2.0")
    major.numbers = frozenset({"1.0.0", "1.2.0"})
    assert major.served("1.0.0", None) is major.head
    assert slug(major.served("1.3.0", None)) == "version-unknown"


def test_a_preview_is_for_named_applications_only() -> None:
    preview = served("1.3.0")
    major = line(1, "1.2.0", previews={"1.3.0": (preview, frozenset({"app"}))})
    assert major.served("1.3.0", caller("app")) is preview
    assert slug(major.served("1.3.0", caller("other"))) == "version-unknown"
    assert slug(major.served("1.3.0", None)) == "version-unknown"
    assert major.served(None, caller("app")) is major.head


def test_a_rollout_reaches_its_applications_and_its_share() -> None:
    canary = Canary(served("1.3.0"), frozenset({"named"}), 30, 12345)
    major = line(1, "1.2.0", canaries=(canary,))
    assert major.served(None, caller("named")) is canary.served
    assert major.served("1.3.0", caller("named")) is canary.served
    assert major.served("1.2.0", caller("named")) is canary.served
    assert major.served(None, None) is major.head
    reached = [n for n in range(2_000) if major.served(None, caller(f"app-{n}")) is canary.served]
    assert 500 < len(reached) < 700
    assert reached == [n for n in range(2_000) if major.served(None, caller(f"app-{n}")) is canary.served]
    left_out = caller(next(f"app-{n}" for n in range(2_000) if n not in reached))
    assert slug(major.served("1.3.0", left_out)) == "version-unknown"
