"""Requests read out of bytes: what is remembered of the last head changes nothing but the work."""

import re
from typing import Any

import httptools
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway import heads
from gateway.reading import Requests
from gateway.settings import Settings
from gateway.target import canonical
from policies.traffic import Exchange, Problem

LIMITS = Settings(max_head_bytes=1024, max_target_bytes=100, max_headers=8)
SPAN = re.compile(rb"(traceparent: 00-[0-9a-f]{32}-)[0-9a-f]{16}")


def read(pieces: list[bytes], *, forgetful: bool = False) -> list[Any]:
    """Everything there is to know of what was read, in order; the last entry is a refusal, or what was left over. Who
    is forgetful reads every head as if it were the first of its kind."""
    requests = Requests(LIMITS)
    seen: list[Any] = []
    waiting = b""
    in_body = False
    for piece in pieces:
        waiting += piece
        while waiting:
            if in_body:
                found = requests.body(waiting)
                if found is None:
                    return [*seen, "malformed body"]
                seen.append(found[1])
                waiting = waiting[found[0] :]
            else:
                if forgetful:
                    requests._known = b""
                size = requests.head(waiting)
                if isinstance(size, Problem):
                    return [*seen, size, requests.method]
                if not size:
                    break
                waiting = waiting[size:]
                seen += told(requests)
                if b"close" in requests.frame.named or requests.version == b"1.0":
                    return seen
            in_body = requests.unread != 0
    return [*seen, waiting]


def told(requests: Requests) -> list[Any]:
    frame = requests.frame
    exchange = Exchange(requests.method, requests.path, requests.query, requests.fields, "10.0.0.9", 1e9)
    exchange.request_id = "a" * 32
    upstream = heads.request_head(exchange, frame, requests.path.encode(), b"up:80", b"", frame.length)
    return [
        (requests.method, requests.path, requests.query, requests.version, list(requests.fields), requests.unread),
        (frame.length, frame.expects, frame.host, frame.named),
        SPAN.sub(rb"\1", upstream),
    ]


LINES = st.sampled_from(
    [
        b"GET /a HTTP/1.1", b"GET /a?b=1 HTTP/1.1", b"GET /b/c?q=%20&r=[] HTTP/1.1", b"HEAD / HTTP/1.1",
        b"POST /a HTTP/1.1", b"PUT /~x/-.y;v HTTP/1.1", b"GET /%41?x=%zz HTTP/1.1", b"GET /a%2Fb HTTP/1.1",
        b"GET /../a HTTP/1.1", b"GET //a HTTP/1.1", b"GET http://h/a HTTP/1.1", b"GET http://other/a HTTP/1.1",
        b"GET /a HTTP/1.0", b"GET /a HTTP/2.0", b"GET /a  HTTP/1.1", b"get /a HTTP/1.1", b"PURGE /a HTTP/1.1",
        b"CONNECT h:80 HTTP/1.1", b"GET /a?" + b"q" * 120 + b" HTTP/1.1", b"GET /a\tHTTP/1.1", b"GET * HTTP/1.1",
    ]
)  # fmt: skip
FIELDS = st.sampled_from(
    [
        b"Host: h", b"Host: h", b"Host: h", b"host: other:8080", b"Accept: */*", b"Authorization: Bearer x.y.z",
        b"Connection: keep-alive, X-One", b"Connection: close", b"X-One: 1", b"X-Padded: a \t", b"Via: 1.0 x",
        b"traceparent: 00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01", b"tracestate: a=b", b"X-Request-Id: mine",
        b"Expect: 100-continue", b"Upgrade: h2c", b"Upgrade: websocket", b"Content-Length: 3", b"Content-Length: 3",
        b"Content-Length: 0", b"Content-Length: +3", b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip",
        b"Weighbridge_Application: me", b"Bad Name: x", b" folded: x", b"Control: \x01", b"Latin: caf\xe9", b"Empty:",
    ]
)  # fmt: skip
BLOCKS = st.lists(FIELDS, max_size=5).map(lambda fields: b"\r\n".join([b"", b"Host: h", *fields]))
BODIES = st.sampled_from(
    [b"", b"", b"abc", b"abc", b"3\r\nabc\r\n0\r\n\r\n", b"0\r\nX-T: 1\r\n\r\n", b"GET / HTTP/1.1\r\n"]
)


@st.composite
def conversations(draw: st.DrawFn) -> list[bytes]:
    """What a client sends: some requests that share a few header blocks, now and then a byte astray, in pieces."""
    blocks = draw(st.lists(st.tuples(BLOCKS, BODIES), min_size=1, max_size=3))
    data = bytearray()
    for _ in range(draw(st.integers(1, 6))):
        block, body = draw(st.sampled_from(blocks))
        data += draw(LINES) + block + b"\r\n\r\n" + body
    if draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(data) - 1))
        data[at : at + draw(st.integers(0, 1))] = draw(st.binary(max_size=2))
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=6)))
    return [bytes(data[a:b]) for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"


@settings(max_examples=600, deadline=None)
@given(conversations())
@example([GET * 3])
@example([POST * 3 + GET])
@example([POST, POST[:-1], b"c", POST.replace(b"POST", b"GET"), POST[:-3], b"abc" + GET])
def test_a_head_that_repeats_is_read_as_if_it_were_new(pieces: list[bytes]) -> None:
    assert read(pieces) == read(pieces, forgetful=True)


def test_a_head_that_repeats_is_not_parsed_again() -> None:
    requests = Requests(LIMITS)
    assert requests.head(GET) == len(GET)
    fields = requests.fields
    again = GET.replace(b"/a", b"/b?c=d")
    assert requests.head(again + GET) == len(again)
    assert (requests.path, requests.query) == ("/b", "c=d")
    assert requests.fields is fields


def test_limits_are_asked_again() -> None:
    requests = Requests(LIMITS)
    assert requests.head(GET) == len(GET)
    problem = requests.head(GET.replace(b"/a", b"/" + b"a" * 100))
    assert isinstance(problem, Problem)
    assert problem.status == 414


@pytest.mark.parametrize("where", [b"/%b", b"/a/%b?", b"/a?%b"])
def test_the_parser_accepts_every_plain_target(where: bytes) -> None:
    """It looks at a target byte by byte, so every byte in every part of one is every case."""
    for byte in range(256):
        aim = where % bytes((byte,))
        if isinstance(canonical(aim, b"h"), Problem):
            continue
        parser = httptools.HttpRequestParser(object())
        parser.feed_data(b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n" % aim)
        assert parser.should_keep_alive()
