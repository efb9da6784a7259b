"""One canonical path or a refusal."""

import pytest

from gateway.target import canonical
from policies.traffic import Problem


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/", "/", ""),
        (b"/a/b-c/d_e~f.g", "/a/b-c/d_e~f.g", ""),
        (b"/a/", "/a/", ""),
        (b"/a?b=c&d=e/f?g", "/a", "b=c&d=e/f?g"),
        (b"/a?", "/a", ""),
        (b"/a?q=%20%2F%00", "/a", "q=%20%2F%00"),
        (b'/a?filter[x]={"y"}|z', "/a", 'filter[x]={"y"}|z'),
        (b"/sku/A%20B", "/sku/A%20B", ""),
        (b"/%41%62%63", "/Abc", ""),
        (b"/%7euser/%2d", "/~user/-", ""),
        (b"/%e2%82%ac", "/%E2%82%AC", ""),
        (b"/50%25", "/50%25", ""),
        (b"/a%3Fb%23c", "/a%3Fb%23c", ""),
        (b"/a,b:c@d!$&'()*+=e", "/a,b:c@d!$&'()*+=e", ""),
        (b"/.well-known/a", "/.well-known/a", ""),
        (b"/a..b/...", "/a..b/...", ""),
        (b"/a/;v=1;w=%31", "/a/;v=1;w=1", ""),
        (b"http://api.example/a?b", "/a", "b"),
        (b"HTTPS://API.EXAMPLE", "/", ""),
        (b"http://api.example?b", "/", "b"),
    ],
)
def test_the_canonical_spelling(target: bytes, path: str, query: str) -> None:
    assert canonical(target, b"api.example") == (path, query)


@pytest.mark.parametrize(
    "target",
    [
        b"/..", b"/.", b"/a/../b", b"/a/./b", b"/a/..", b"/../a",
        b"/%2e%2e/a", b"/%2E/a", b"/.%2e", b"/a/%2e",
        b"//a", b"/a//b", b"/a//",
        b"/a%2Fb", b"/a%2fb", b"/a%5Cb", b"/a\\b",
        b"/a;b", b"/a/..;/b", b"/a%3Bb", b"/a/;b%3Bc", b"/a/.;b",
        b"/a%00", b"/a%0A", b"/a%7F", b"/a%1f",
        b"/a#b", b"/a?b#c",
        b"/a%", b"/a%2", b"/a%zz", b"/a?b=%", b"/a?b=%g0",
        b"/%c0%af", b"/%c0%ae%c0%ae", b"/%ff", b"/%ed%a0%80",
        b"/\xc3\xa9", b"/a b", b"/a?b c", b"/a?b\xff",
        b"/<a>", b"/a|b", b"/a^b", b"/a`b", b"/{a}", b'/"a"',
        b"", b"*", b"a", b"a/b", b"api.example:443",
        b"http://other.example/a", b"ftp://api.example/a", b"http://user@api.example/a", b"http:///a",
        b"http://api.example//a",
    ],
)  # fmt: skip
def test_anything_else_is_refused(target: bytes) -> None:
    refusal = canonical(target, b"api.example")
    assert isinstance(refusal, Problem)
    assert (refusal.status, refusal.slug) == (400, "bad-request")


def test_canonical_is_a_fixed_point() -> None:
    for target in (b"/%41/%e2%82%ac%20?x=%41", b"/a", b"/50%25/"):
        once = canonical(target, b"h")
        assert isinstance(once, tuple)
        again = canonical(f"{once[0]}?{once[1]}".encode(), b"h")
        assert again == once


def test_a_long_hostile_target_is_judged_in_linear_time() -> None:
    assert isinstance(canonical(b"/" + b"a=" * 4000 + b"\\", b"h"), Problem)
    assert isinstance(canonical(b"/a?" + b"b%41" * 2000 + b" ", b"h"), Problem)
