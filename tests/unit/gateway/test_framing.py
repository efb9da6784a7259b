"""The second gate against request smuggling, vector by vector. What llhttp refuses by itself stands in
`test_connection`, over a real socket."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import framing
from gateway.fields import Fields
from gateway.framing import CHUNKED, UNTIL_CLOSE, ChunkedEnd, Frame
from policies.traffic import Problem

HOST = (b"host", b"api.example")


def judged(*fields: tuple[bytes, bytes], version: bytes = b"1.1") -> Frame | Problem:
    return framing.judge(version, [HOST, *fields])


def status(outcome: object) -> int | None:
    return outcome.status if isinstance(outcome, Problem) else None


@pytest.mark.parametrize(
    ("fields", "length"),
    [
        ([], 0),
        ([(b"content-length", b"0")], 0),
        ([(b"content-length", b"17")], 17),
        ([(b"content-length", b"007")], 7),
        ([(b"transfer-encoding", b"chunked")], CHUNKED),
        ([(b"transfer-encoding", b"Chunked")], CHUNKED),
    ],
)
def test_a_request_has_one_length(fields: Fields, length: int) -> None:
    frame = judged(*fields)
    assert isinstance(frame, Frame)
    assert frame.length == length
    assert frame.host == b"api.example"


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param([(b"content-length", b"3"), (b"transfer-encoding", b"chunked")], id="CL.TE"),
        pytest.param([(b"transfer-encoding", b"chunked"), (b"content-length", b"3")], id="TE.CL"),
        pytest.param([(b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"chunked")], id="TE.TE"),
        pytest.param([(b"transfer-encoding", b",chunked")], id="TE with an empty member"),
        pytest.param([(b"transfer-encoding", b"chunked,")], id="TE with a trailing comma"),
        pytest.param([(b"transfer-encoding", b"gzip, chunked")], id="TE list"),
        pytest.param([(b"transfer-encoding", b"identity")], id="TE identity"),
        pytest.param([(b"transfer-encoding", b"xchunked")], id="TE xchunked"),
        pytest.param([(b"transfer-encoding", b"\x0bchunked")], id="TE behind a vertical tab"),
        pytest.param([(b"transfer-encoding", b"")], id="TE empty"),
        pytest.param([(b"content-length", b"3"), (b"content-length", b"3")], id="CL repeated"),
        pytest.param([(b"content-length", b"3, 3")], id="CL list"),
        pytest.param([(b"content-length", b"+3")], id="CL plus"),
        pytest.param([(b"content-length", b"-3")], id="CL minus"),
        pytest.param([(b"content-length", b"0x3")], id="CL hexadecimal"),
        pytest.param([(b"content-length", b"3_0")], id="CL with a digit separator"),
        pytest.param([(b"content-length", b"")], id="CL empty"),
        pytest.param([(b"content-length", "３".encode())], id="CL in other digits"),
        pytest.param([(b"content-length", b"9" * 19)], id="CL beyond 64 bits"),
        pytest.param([HOST], id="Host repeated"),
        pytest.param([(b"content_length", b"3")], id="CL with an underscore"),
        pytest.param([(b"transfer_encoding", b"chunked")], id="TE with an underscore"),
        pytest.param([(b"weighbridge_application", b"x")], id="identity with an underscore"),
        pytest.param([(b"x_forwarded_for", b"x")], id="forwarded with an underscore"),
        pytest.param([(b"weighbridge.application", b"x")], id="identity with a dot"),
        pytest.param([(b"weighbridge-scopes_", b"x")], id="identity with both separators"),
        pytest.param([(b"x!real~ip", b"x")], id="an address with other separators"),
        pytest.param([(b"remote_user", b"x")], id="a user with an underscore"),
    ],
)
def test_an_ambiguous_request_is_refused(fields: Fields) -> None:
    assert status(judged(*fields)) == 400


def test_only_framing_like_names_may_not_have_underscores() -> None:
    for name in (b"my_field", b"my.field", b"x-real", b"remote-users_of"):
        assert isinstance(judged((name, b"x")), Frame)


@pytest.mark.parametrize("host", [b"a", b"api.example:8443", b"10.0.0.1", b"[::1]:80", b"under_score.example"])
def test_a_host_is_a_name_or_an_address(host: bytes) -> None:
    assert isinstance(framing.judge(b"1.1", [(b"host", host)]), Frame)


@pytest.mark.parametrize("host", [b"", b"a b", b"a/b", b"a@b", b"a,b", b"a:b", b"a:123456", b"[::1", b"a?b", b"a\\b"])
def test_a_host_is_nothing_else(host: bytes) -> None:
    assert status(framing.judge(b"1.1", [(b"host", host)])) == 400


def test_host_is_required_of_http_1_1_alone() -> None:
    assert status(framing.judge(b"1.1", [])) == 400
    assert isinstance(framing.judge(b"1.0", []), Frame)


def test_http_1_0_knows_no_chunks_and_waits_for_no_interim_reply() -> None:
    assert status(judged((b"transfer-encoding", b"chunked"), version=b"1.0")) == 400
    frame = judged((b"expect", b"100-continue"), version=b"1.0")
    assert isinstance(frame, Frame)
    assert frame.expects is False


def test_what_is_expected_is_100_continue() -> None:
    frame = judged((b"expect", b"100-Continue"))
    assert isinstance(frame, Frame)
    assert frame.expects is True
    assert status(judged((b"expect", b"the-unexpected"))) == 417


def test_connection_names_fields_over_all_its_lines() -> None:
    frame = judged((b"connection", b"close, X-One"), (b"connection", b" x-two ,"))
    assert isinstance(frame, Frame)
    assert frame.named == {b"close", b"x-one", b"x-two"}


@pytest.mark.parametrize(
    ("head", "groups"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", (b"GET", b"/", b"1.1")),
        (b"POST /a?b HTTP/1.0\r\n\r\n", (b"POST", b"/a?b", b"1.0")),
        (b"GET / HTTP/1.1\r\nX: \xe9\r\n\r\n", (b"GET", b"/", b"1.1")),
        (b"GET / HTTP/1.1\r\nX:\ttab\r\n\r\n", (b"GET", b"/", b"1.1")),
    ],
)
def test_a_head_passes_the_gate(head: bytes, groups: tuple[bytes, ...]) -> None:
    match = framing.gate(head, 100, 10)
    assert not isinstance(match, Problem)
    assert match.groups() == groups


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        pytest.param(b"GET / HTTP/1.1\nHost: a\r\n\r\n", 400, id="bare LF"),
        pytest.param(b"GET / HTTP/1.1\r\nX: a\rb\r\n\r\n", 400, id="bare CR"),
        pytest.param(b"GET / HTTP/1.1\r\nX: a\n b\r\n\r\n", 400, id="LF in a value"),
        pytest.param(b"GET / HTTP/1.1\r\nX: a\r\n b\r\n\r\n", 400, id="folded with a space"),
        pytest.param(b"GET / HTTP/1.1\r\nX: a\r\n\tb\r\n\r\n", 400, id="folded with a tab"),
        pytest.param(b"GET / HTTP/1.1\r\nX: a\x00b\r\n\r\n", 400, id="NUL"),
        pytest.param(b"GET / HTTP/1.1\r\nX: a\x0bb\r\n\r\n", 400, id="vertical tab"),
        pytest.param(b"GET / HTTP/1.1\r\nX: a\x7fb\r\n\r\n", 400, id="DEL"),
        pytest.param(b"GET  / HTTP/1.1\r\n\r\n", 400, id="two spaces before the target"),
        pytest.param(b"GET /  HTTP/1.1\r\n\r\n", 400, id="two spaces behind the target"),
        pytest.param(b"GET\t/ HTTP/1.1\r\n\r\n", 400, id="tab in the request line"),
        pytest.param(b"get / HTTP/1.1\r\n\r\n", 400, id="method in lower case"),
        pytest.param(b"GET / HTTP/1.1 \r\n\r\n", 400, id="space behind the version"),
        pytest.param(b"GET / HTTP/2.0\r\n\r\n", 400, id="HTTP/2.0"),
        pytest.param(b"GET / HTTP/1.2\r\n\r\n", 400, id="HTTP/1.2"),
        pytest.param(b"GET / HTTP/0.9\r\n\r\n", 400, id="HTTP/0.9"),
        pytest.param(b"GET /\r\n\r\n", 400, id="no version"),
        pytest.param(b"GET /\xc3\xa9 HTTP/1.1\r\n\r\n", 400, id="non-ASCII target"),
        pytest.param(b" GET / HTTP/1.1\r\n\r\n", 400, id="leading space"),
        pytest.param(b"GET /" + b"a" * 100 + b" HTTP/1.1\r\n\r\n", 414, id="long target"),
        pytest.param(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 11 + b"\r\n", 431, id="many fields"),
    ],
)
def test_a_head_is_stopped_at_the_gate(head: bytes, expected: int) -> None:
    assert status(framing.gate(head, 100, 10)) == expected


def test_an_unfinished_head_is_hopeless_once_a_line_ended_wrongly() -> None:
    assert not framing.is_hopeless(b"GET / HTTP/1.1\r\nHost: a\r\n")
    assert not framing.is_hopeless(b"GET / HTTP/1.1\r")
    assert framing.is_hopeless(b"GET / HTTP/1.1\n")


@pytest.mark.parametrize(
    ("code", "fields", "length"),
    [
        (200, [], UNTIL_CLOSE),
        (200, [(b"content-length", b"5")], 5),
        (200, [(b"content-length", b"5 ")], 5),
        (200, [(b"transfer-encoding", b"chunked")], CHUNKED),
        (204, [(b"content-length", b"5")], 0),
        (304, [(b"content-length", b"5")], 0),
        (200, [(b"content-length", b"5"), (b"content-length", b"5")], None),
        (200, [(b"content-length", b"5"), (b"transfer-encoding", b"chunked")], None),
        (200, [(b"transfer-encoding", b"gzip")], None),
        (200, [(b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"chunked")], None),
        (200, [(b"content-length", b"x")], None),
    ],
)
def test_a_reply_has_one_length_or_is_not_used(code: int, fields: Fields, length: int | None) -> None:
    assert framing.reply_length(code, fields) == length


def test_trailers_may_not_change_what_the_head_said() -> None:
    assert framing.trailers([(b"x-checksum", b"1")]) is None
    for name in (
        b"content-length",
        b"transfer-encoding",
        b"host",
        b"authorization",
        b"weighbridge-party",
        b"x_real_ip",
    ):
        assert status(framing.trailers([(name, b"1")])) == 400


CHUNKS = b"3\r\nabc\r\n1f;name=value\r\n" + b"d" * 31 + b"\r\n0\r\nX-Sum: 1\r\n\r\n"


def test_the_end_of_chunks_is_found_wherever_reads_cut_them() -> None:
    for cut in range(len(CHUNKS)):
        end = ChunkedEnd()
        if cut:
            assert end.find(CHUNKS[:cut]) == -1
        assert end.find(CHUNKS[cut:] + b"GET /next") == len(CHUNKS) - cut


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"3\nabc\n0\n\n", id="bare LF"),
        pytest.param(b"0x3\r\nabc\r\n", id="0x"),
        pytest.param(b"+3\r\nabc\r\n", id="sign"),
        pytest.param(b" 3\r\nabc\r\n", id="leading space"),
        pytest.param(b"3 \r\nabc\r\n", id="trailing space"),
        pytest.param(b"\r\n3\r\nabc\r\n", id="empty size"),
        pytest.param(b"1" * 16 + b"\r\n", id="size beyond 60 bits"),
        pytest.param(b"3;a\rb\r\nabc\r\n", id="CR in an extension"),
        pytest.param(b"3;a\x00b\r\nabc\r\n", id="NUL in an extension"),
        pytest.param(b"3;" + b"a" * 300, id="endless extension"),
        pytest.param(b"0\r\n" + b"a: b\r\n" * 2000, id="endless trailers"),
        pytest.param(b"0\r\nA: " + b"b" * 9000, id="endless trailer line"),
    ],
)
def test_malformed_chunks_are_refused(data: bytes) -> None:
    assert ChunkedEnd().find(data) is None


def test_a_body_in_crumbs_is_malformed() -> None:
    """Each chunk costs a step: a megabyte in single bytes would hold up everybody else."""
    end = ChunkedEnd()
    crumbs = b"1\r\nx\r\n" * 4_096
    outcomes = [end.find(crumbs) for _ in range(6)]
    assert outcomes[:4] == [-1] * 4
    assert outcomes[-1] is None
    slices = ChunkedEnd()
    assert {slices.find(b"8\r\n12345678\r\n" * 4_096) for _ in range(20)} == {-1}


GOOD = b"GET /a?b HTTP/1.1\r\nHost: h\r\nX-One: \xe9 \t\r\n\r\n"


@settings(max_examples=500, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(GOOD)), st.integers(0, 1), st.binary(max_size=2)), max_size=3))
def test_a_head_that_looks_plain_holds_nothing_odd(edits: list[tuple[int, int, bytes]]) -> None:
    head = bytearray(GOOD)
    for at, cut, put in edits:
        head[at : at + cut] = put
    if framing._PLAIN_HEAD.fullmatch(head):
        assert framing.odd(bytes(head), head.count(b"\r\n")) is None
        assert framing._REQUEST_LINE.match(head)


def test_every_byte_that_is_odd_is_seen_everywhere() -> None:
    for byte in range(256):
        for at in range(len(GOOD)):
            head = GOOD[:at] + bytes((byte,)) + GOOD[at:]
            assert framing._PLAIN_HEAD.fullmatch(head) is None or framing.odd(head, head.count(b"\r\n")) is None
