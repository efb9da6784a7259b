"""Problems become RFC 9457 bodies in one place."""

import json

from gateway import replies
from gateway.replies import STATUS_LINES, render
from policies.traffic import Fault, Problem


def test_a_problem_is_rendered_whole() -> None:
    problem = Problem(
        status=400,
        slug="validation-failed",
        title="The request breaks the contract",
        detail="2 faults",
        errors=(
            Fault("/query/limit", "MAXIMUM", "must be at most 200"),
            Fault("/body/lines", "REQUIRED", "is missing"),
        ),
        extensions={"contract": "pricing@1.1.0"},
    )
    fields, body = render(problem, "f" * 32, "/pricing/v1/quotes")
    assert fields == [(b"Content-Type", b"application/problem+json"), (b"Cache-Control", b"no-store")]
    assert json.loads(body) == {
        "type": "https://weighbridge.example/problems/validation-failed",
        "title": "The request breaks the contract",
        "status": 400,
        "detail": "2 faults",
        "instance": "/pricing/v1/quotes",
        "code": "VALIDATION_FAILED",
        "requestId": "f" * 32,
        "retryable": False,
        "errors": [
            {"pointer": "/query/limit", "code": "MAXIMUM", "detail": "must be at most 200"},
            {"pointer": "/body/lines", "code": "REQUIRED", "detail": "is missing"},
        ],
        "contract": "pricing@1.1.0",
    }


def test_members_that_say_nothing_are_left_out() -> None:
    _, body = render(Problem(status=404, slug="not-found", title="Not found"), "1")
    assert set(json.loads(body)) == {"type", "title", "status", "detail", "code", "requestId", "retryable"}


def test_an_extension_cannot_overrule_a_standard_member() -> None:
    _, body = render(Problem(status=404, slug="not-found", title="t", extensions={"status": 200, "code": "OK"}), "1")
    assert (json.loads(body)["status"], json.loads(body)["code"]) == (404, "NOT_FOUND")


def test_the_headers_of_a_problem_are_sent_but_cannot_end_their_line() -> None:
    problem = Problem(
        status=429, slug="limit-exceeded", title="t", headers=(("Retry-After", "7"), ("Link", "a\r\nX-Evil: 1\u20ac"))
    )
    fields, _ = render(problem, "1")
    assert fields[2:] == [(b"Retry-After", b"7"), (b"Link", b"a??X-Evil: 1?")]


def test_what_may_be_sent_again_says_so() -> None:
    for problem, retryable in [
        (replies.NOT_READY, True),
        (replies.UPSTREAM_TIMEOUT, True),
        (replies.UPSTREAM_OVERLOADED, True),
        (replies.UPSTREAM_UNREACHABLE, True),
        (replies.INTERNAL, False),
        (replies.PAYLOAD_TOO_LARGE, False),
    ]:
        assert json.loads(render(problem, "1")[1])["retryable"] is retryable


def test_status_lines() -> None:
    assert STATUS_LINES[200] == b"HTTP/1.1 200 OK"
    assert STATUS_LINES[599] == b"HTTP/1.1 599 "
