"""Templates against a naive matcher, and the choice of a version."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.router import (
    AmbiguousTemplates,
    Canary,
    ContractLines,
    MajorLine,
    PathItem,
    Served,
    Templates,
    accepted_version,
    is_major_segment,
    method_not_allowed,
)
from policies.model.access import Application
from policies.traffic import Caller, Problem


def matched(templates: Templates[str], path: str, method: str = "GET") -> tuple[str, tuple[str, ...]] | None:
    found = templates.match(path.split("/"), 1)
    return None if found is None else (found[0].methods[method], found[1])


def of(*paths: str) -> Templates[str]:
    templates: Templates[str] = Templates()
    for path in paths:
        templates.add(path, "GET", path)
    return templates


# -- the naive matcher ------------------------------------------------------------------------------------------------


def naive(paths: list[str], path: str) -> str | None:
    """Try every template, most specific first: segment by segment literal, then pattern, then parameter."""

    def rank(template: str) -> list[tuple[int, int, int, str]]:
        ranks = []
        for segment in template.split("/")[1:]:
            shape = re.sub(r"\{[^}]*\}", "{}", segment)
            kind = 0 if "{" not in segment else 2 if shape == "{}" else 1
            ranks.append((kind, -len(shape.replace("{}", "")), shape.count("{}"), shape))
        return ranks

    for template in sorted(paths, key=rank):
        expression = "/".join(
            "".join(
                f"(?:{'[^/]+' if part.startswith('{') else re.escape(part)})" for part in re.split(r"(\{[^}]*\})", s)
            )
            for s in template.split("/")
        )
        if re.fullmatch(expression, path):
            return template
    return None


segments = st.sampled_from(["a", "b", "ab", "{x}", "{y}.json", "a{z}", "a.json", "{u}-{v}"])
templates_of = st.lists(
    st.lists(segments, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts)),
    min_size=1,
    max_size=8,
    unique_by=lambda template: re.sub(r"\{[^}]*\}", "{}", template),
)
paths_of = st.lists(st.sampled_from(["a", "b", "ab", "c", "c.json", "a.json", "a-b", ""]), min_size=1, max_size=4).map(
    lambda parts: "/" + "/".join(parts)
)


@settings(max_examples=600, deadline=None)
@given(paths=templates_of, path=paths_of, backwards=st.booleans())
def test_templates_match_as_the_naive_matcher_does(paths: list[str], path: str, backwards: bool) -> None:
    templates = of(*(reversed(paths) if backwards else paths))
    found = matched(templates, path)
    assert (None if found is None else found[0]) == naive(paths, path)


# -- templates --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "template", "parameters"),
    [
        ("/sites", "/sites", ()),
        ("/sites/DAL-2/availability", "/sites/{siteId}/availability", ("DAL-2",)),
        ("/sites/summary/availability", "/sites/{siteId}/availability", ("summary",)),
        ("/sites/summary", "/sites/summary", ()),
        ("/sites/a%2Fb", "/sites/{siteId}", ("a%2Fb",)),
        ("/prices/7.json", "/prices/{id}.json", ("7",)),
        ("/prices/7", "/prices/{id}", ("7",)),
        ("/", "/", ()),
    ],
)
def test_a_path_finds_its_template(path: str, template: str, parameters: tuple[str, ...]) -> None:
    templates = of(
        "/", "/sites", "/sites/summary", "/sites/{siteId}", "/sites/{siteId}/availability", "/prices/{id}.json",
        "/prices/{id}",
    )  # fmt: skip
    assert matched(templates, path) == (template, parameters)


@pytest.mark.parametrize("path", ["/sites/", "/sites//availability", "/SITES", "/sites/DAL-2/availability/", "/x"])
def test_what_matches_nothing(path: str) -> None:
    assert matched(of("/sites", "/sites/{siteId}", "/sites/{siteId}/availability"), path) is None


def test_no_path_at_all_matches_nothing() -> None:
    assert of("/").match(["", "contract", "v1"], 3) is None


def test_literals_are_spelled_as_canonical_paths() -> None:
    assert matched(of("/größe und mehr"), "/gr%C3%B6%C3%9Fe%20und%20mehr") is not None


def test_a_method_said_twice_for_the_same_paths_is_ambiguous() -> None:
    templates = of("/sites/{a}")
    with pytest.raises(AmbiguousTemplates):
        templates.add("/sites/{b}", "GET", "again")


def test_what_answers_get_answers_head() -> None:
    item: PathItem[str] = PathItem()
    item.add("GET", "get")
    item.add("POST", "post")
    assert item.methods["HEAD"] == "get"
    assert method_not_allowed(item).headers == (("Allow", "GET, HEAD, POST"),)
    item.add("HEAD", "head")
    assert item.methods["HEAD"] == "head"


# -- versions ---------------------------------------------------------------------------------------------------------


def caller(id_: str = "app", **more: object) -> Caller:
    application = Application(id=id_, name=id_, consumer="c", audience="partner", **more)
    return Caller(application, "key", frozenset(), 0)


def served(number: str) -> Served[str]:
    return Served(number, Templates())


def line(major: int, head: str | None, **more: object) -> MajorLine[str]:
    return MajorLine(
        "orders", major, None if head is None else served(head), numbers=frozenset({head} if head else ()),
        live=head is not None, **more,
    )  # fmt: skip


def lines(*majors: MajorLine[str], default: int | None = None) -> ContractLines[str]:
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
