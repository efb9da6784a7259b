"""W3C Trace Context, rule by rule: what is continued, what is begun anew, what goes on of the state."""

import pytest

from gateway.tracecontext import MAX_MEMBERS, Context, read, state_of

TRACE, SPAN = b"4bf92f3577b34da6a3ce929d0e0e4736", b"00f067aa0ba902b7"
PARENT = b"00-%b-%b-01" % (TRACE, SPAN)


def context(*parents: bytes) -> Context | None:
    return read([(b"host", b"h"), *((b"traceparent", parent) for parent in parents)])


@pytest.mark.parametrize(
    ("parent", "flags"),
    [
        (PARENT, 1),
        (PARENT[:-2] + b"00", 0),
        (PARENT[:-2] + b"02", 2),
        (PARENT[:-2] + b"03", 3),
        (PARENT[:-2] + b"ff", 3),  # flags that nobody knows yet are not sent on
        (PARENT[:-2] + b"fc", 0),
        (b"01" + PARENT[2:], 1),
        (b"cc" + PARENT[2:], 1),
        (b"fe" + PARENT[2:], 1),
        (b"cc" + PARENT[2:] + b"-", 1),
        (b"cc" + PARENT[2:] + b"-what-comes-then", 1),
        (b"cc" + PARENT[2:] + b"-\xff\x80 ,;", 1),
    ],
)
def test_a_valid_parent_is_continued(parent: bytes, flags: int) -> None:
    assert context(parent) == Context(TRACE, SPAN, flags, b"")


@pytest.mark.parametrize(
    "parent",
    [
        b"", b"-", b"00", b"00-", PARENT[:-1], PARENT[:-2], PARENT[:-3], PARENT[:36],
        b"00-%b-%b-01" % (b"0" * 32, SPAN), b"00-%b-%b-01" % (TRACE, b"0" * 16),
        b"cc-%b-%b-01" % (b"0" * 32, SPAN), b"cc-%b-%b-01-x" % (TRACE, b"0" * 16),
        PARENT.upper(), b"0A" + PARENT[2:], b"00-%b-%b-01" % (TRACE, SPAN.upper()), PARENT[:-2] + b"0A",
        b"ff" + PARENT[2:], b"ff" + PARENT[2:] + b"-x", b"FF" + PARENT[2:],
        b"0" + PARENT[2:], b"000" + PARENT[2:], b"0000" + PARENT[2:], b".0" + PARENT[2:], b"0." + PARENT[2:],
        b"00-%b-%b-01" % (TRACE[1:], SPAN), b"00-%b0-%b-01" % (TRACE, SPAN), b"00-.%b-%b-01" % (TRACE[1:], SPAN),
        b"00-%b.-%b-01" % (TRACE[1:], SPAN), b"00-%b-%b-01" % (TRACE, SPAN[1:]), b"00-%b-%b0-01" % (TRACE, SPAN),
        b"00-%b-.%b-01" % (TRACE, SPAN[1:]), b"00-%b-%b.-01" % (TRACE, SPAN[1:]),
        PARENT[:-2] + b"1", PARENT[:-2] + b"001", PARENT[:-2] + b".1", PARENT[:-2] + b"0.", PARENT[:-2] + b"0x",
        PARENT + b"-", PARENT + b"-more", PARENT + b".", PARENT + b" ", PARENT + b"\n",
        b" " + PARENT, PARENT + b"," + PARENT,
        b"cc" + PARENT[2:] + b".more", b"cc" + PARENT[2:] + b"0", b"cc" + PARENT[2:] + b" -", b"cc" + PARENT[2:-1],
        b"00_%b_%b_01" % (TRACE, SPAN), PARENT.replace(b"-", b""), "0০".encode() + PARENT[2:],
    ],
)  # fmt: skip
def test_an_invalid_parent_begins_a_new_trace_without_state(parent: bytes) -> None:
    assert read([(b"traceparent", parent), (b"tracestate", b"a=1")]) is None


def test_several_parents_are_none() -> None:
    assert context(PARENT, PARENT) is None
    assert context(PARENT, PARENT.replace(b"4", b"5")) is None
    assert context(PARENT, b"") is None
    assert context(b"", PARENT) is None
    assert context() is None


def test_names_that_only_look_alike_are_not_it() -> None:
    assert read([(b"trace-parent", PARENT), (b"trace.parent", PARENT), (b"trace_parent", PARENT)]) is None
    assert read([(b"traceparent", PARENT), (b"trace-state", b"a=1")]) == Context(TRACE, SPAN, 1, b"")


def test_state_without_a_parent_is_dropped() -> None:
    assert read([(b"tracestate", b"a=1")]) is None


VALUE = bytes(byte for byte in range(0x20, 0x7F) if byte not in b",=")
KEY = b"abcdefghijklmnopqrstuvwxyz0123456789_-*/"


@pytest.mark.parametrize(
    ("values", "state"),
    [
        ([b"a=1"], b"a=1"),
        ([b"a=1,b=2"], b"a=1,b=2"),
        ([b"b=2", b"a=1,d=4", b"c=3"], b"b=2,a=1,d=4,c=3"),
        ([b"a=1 \t , \t b=2,\t \tc=3\t"], b"a=1,b=2,c=3"),
        ([b""], b""),
        ([b" \t"], b""),
        ([b"a=1", b"", b"b=2"], b"a=1,b=2"),
        ([b",,a=1, ,b=2,"], b"a=1,b=2"),
        ([b"a=  1"], b"a=  1"),  # spaces before a value are its own, those behind it are not
        ([b"a=1 2"], b"a=1 2"),
        ([b"1a=1"], b"1a=1"),
        ([b"a=1,a=1"], b"a=1"),
        ([b"a=1,b=2", b"a=3"], b"a=1,b=2"),
        ([KEY + b"=" + VALUE], KEY + b"=" + VALUE),
        ([KEY + b"@a-z0-9_-*/=" + VALUE], KEY + b"@a-z0-9_-*/=" + VALUE),
        ([b"a=1", b"z" * 256 + b"=1"], b"a=1," + b"z" * 256 + b"=1"),
        ([b"t" * 241 + b"@" + b"v" * 14 + b"=1"], b"t" * 241 + b"@" + b"v" * 14 + b"=1"),
        ([b"0@v=1"], b"0@v=1"),
        ([b"a=" + b"v" * 256], b"a=" + b"v" * 256),
    ],
)
def test_a_valid_state_goes_on_as_one_list(values: list[bytes], state: bytes) -> None:
    assert state_of(values) == state


@pytest.mark.parametrize(
    "member",
    [
        b"b", b"=", b"b=", b"=1", b"b =1", b"B=1", b"b.c=1", b"_b=1", b"-b=1", b"*b=1", b"/b=1", b"b=1=2",
        b"b=\t1", b"b=1\x002",
        b"b=\x7f", b"b=\xc3\xa9", "b=ä".encode(), b"b@=1", b"@b=1", b"b@@c=1", b"b@c@d=1", b"b@1=1", b"b@-=1",
        b"z" * 257 + b"=1", b"t" * 242 + b"@v=1", b"t@" + b"v" * 15 + b"=1", b"b=" + b"v" * 257,
        b"b=1;c=2\r", b"b\n=1",
    ],
)  # fmt: skip
def test_one_malformed_member_drops_the_state_but_not_the_parent(member: bytes) -> None:
    for values in ([member, b"a=1"], [b"a=1," + member], [b"a=1", member]):
        fields = [(b"tracestate", value) for value in values]
        assert read([*fields, (b"traceparent", PARENT)]) == Context(TRACE, SPAN, 1, b"")


def test_more_members_than_there_may_be_drop_the_state() -> None:
    members = [b"k%d=1" % number for number in range(MAX_MEMBERS + 1)]
    assert state_of([b",".join(members[:-1])]) == b",".join(members[:-1])
    assert state_of(members[:-1]) == b",".join(members[:-1])
    assert state_of([b",".join(members)]) == b""
    assert state_of([b"a=1"] * (MAX_MEMBERS + 1)) == b""
    assert state_of([b"," * 1000, *members[:-1]]) == b",".join(members[:-1])
