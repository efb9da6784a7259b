"""Templates against a naive matcher."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.router import method_not_allowed
from gateway.templates import AmbiguousTemplates, PathItem, Templates


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
