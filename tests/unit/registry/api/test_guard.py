"""What never reaches connexion: wrong addresses and methods, large and malformed bodies; and the last resort."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest

from registry.api import app
from registry.api.guard import MAX_BODY, MAX_DEPTH
from tests.unit.registry.api.conftest import KEY, Registry

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    "path", ["/nope", "/v1", "/v1/nope", "/v1/teams/", "/v1/teams/a/b", "/v1/teams/" + "a" * 201, "/"]
)
def test_nothing_there(registry: Registry, path: str) -> None:
    assert registry.problem("GET", path, 404, "NOT_FOUND")["detail"].startswith("nothing has ")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", "/v1/teams", "GET, HEAD"),
        ("PATCH", "/v1/teams/a", "GET, PUT, DELETE, HEAD"),
        ("OPTIONS", "/v1/contracts/a/versions", "GET, POST, HEAD"),
        ("GET", "/v1/lint", "POST"),
        ("TRACE", "/v1/whoami", "GET, HEAD"),
    ],
)
def test_another_method_is_told_which_are_allowed(registry: Registry, method: str, path: str, allow: str) -> None:
    registry.problem(method, path, 405, "METHOD_NOT_ALLOWED")
    assert registry.call(method, path).headers["allow"] == allow


def test_head_is_get_without_a_body(registry: Registry) -> None:
    answer = registry.call("HEAD", "/v1/teams")
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"\xff\xfe", "the body is not JSON: not UTF-8: byte 0 starts no character"),
        (b"[" * 100_000, "the body is not JSON: nested more than 128 levels deep"),
        (b'{"a":' * 100_000, "the body is not JSON: nested more than 128 levels deep"),
    ],
)
def test_bodies_that_would_make_connexion_fail(registry: Registry, body: bytes, detail: str) -> None:
    tree = registry.problem("PUT", "/v1/teams/a", 400, "BAD_REQUEST", content=body, headers=JSON)
    assert tree["detail"] == detail
    assert tree["errors"] == [{"pointer": "", "code": "MALFORMED", "detail": detail.partition(": ")[2]}]


@pytest.mark.parametrize("body", [b'{"title": NaN}', b'{"title": Infinity}', b"{", b"{'a': 1}", b'{"a": "\\ud800"}'])
def test_what_is_no_json(registry: Registry, body: bytes) -> None:
    registry.problem("PUT", "/v1/teams/a", 400, "BAD_REQUEST", content=body, headers=JSON)
    registry.problem("PUT", "/v1/teams/a", 400, "BAD_REQUEST", content=body)


@pytest.mark.parametrize(("depth", "code"), [(MAX_DEPTH, "INVALID"), (MAX_DEPTH + 1, "BAD_REQUEST")])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "1}")])
def test_how_deep_is_too_deep(registry: Registry, depth: int, code: str, opening: str, closing: str) -> None:
    body = opening * depth + closing + closing[-1] * (depth - 1)
    registry.problem("PUT", "/v1/teams/a", 400, code, content=body.encode(), headers=JSON)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b'{"title":"' + b'\\"' * 1_000_000, 400, "BAD_REQUEST"),  # a string without end, full of escaped quotes
        (b"[" * 5_000_000, 413, "PAYLOAD_TOO_LARGE"),
        (b"[" + b"[]," * 5_000_000 + b"1]", 413, "PAYLOAD_TOO_LARGE"),
    ],
)
def test_judging_a_body_takes_no_time_to_speak_of(registry: Registry, body: bytes, status: int, code: str) -> None:
    """It happens on the event loop."""
    started = time.process_time()
    registry.problem("PUT", "/v1/teams/a", status, code, content=body, headers=JSON)
    assert time.process_time() - started < 2


def test_brackets_in_strings_are_text(registry: Registry) -> None:
    assert registry.ok("PUT", "/v1/teams/a", json={"title": "[" * 190 + '\\"'})["title"] == "[" * 190 + '\\"'


def test_bodies_are_capped_whether_their_length_is_announced_or_not(registry: Registry) -> None:
    large = b'{"title": "' + b"a" * MAX_BODY + b'"}'
    registry.problem("PUT", "/v1/teams/a", 413, "PAYLOAD_TOO_LARGE", content=large, headers=JSON)

    def chunks() -> Iterator[bytes]:
        for start in range(0, len(large), 65536):
            yield large[start : start + 65536]

    registry.problem("PUT", "/v1/teams/a", 413, "PAYLOAD_TOO_LARGE", content=chunks(), headers=JSON)


@pytest.mark.parametrize("kind", ["application/JSON", "Application/Json; charset=UTF-8"])
def test_media_types_have_no_case(registry: Registry, kind: str) -> None:
    assert registry.ok("PUT", "/v1/teams/a", content=b'{"title": "A"}', headers={"Content-Type": kind})["title"] == "A"


def test_half_a_body_does_nothing(registry: Registry) -> None:
    """The sender went away in the middle, and what had arrived happens to be whole JSON."""
    messages = [{"type": "http.request", "body": b'{"title": "A"}', "more_body": True}, {"type": "http.disconnect"}]
    sent: list[object] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: object) -> None:
        sent.append(message)

    headers = [(b"authorization", f"Bearer {KEY}".encode()), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "PUT", "path": "/v1/teams/a", "headers": headers, "query_string": b""}
    asyncio.run(app.create(registry.desk)(scope, receive, send))  # type: ignore[arg-type]
    assert sent == []
    registry.problem("GET", "/v1/teams/a", 404, "NOT_FOUND")


def test_a_chunked_body_is_read_like_any_other(registry: Registry) -> None:
    answer = registry.call("PUT", "/v1/teams/a", content=iter([b'{"title"', b': "A"}']), headers=JSON)
    assert (answer.status_code, answer.json()["title"]) == (201, "A")


def test_request_ids_are_taken_over_when_they_are_harmless(registry: Registry) -> None:
    assert (
        registry.call("GET", "/healthz", headers={"X-Request-Id": "abc-1.2_3"}).headers["x-request-id"] == "abc-1.2_3"
    )
    for odd in ("a b", "x" * 129, 'a"b'):
        assert registry.call("GET", "/healthz", headers={"X-Request-Id": odd}).headers["x-request-id"] != odd


def test_the_unforeseen_is_one_opaque_500(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr("registry.operators.teams", broken)
    tree = registry.problem("GET", "/v1/teams", 500, "INTERNAL_ERROR")
    assert "hunter2" not in str(tree)
    assert tree["retryable"] is True
    monkeypatch.setattr("registry.api.plain_routes.problems.of", broken)
    assert registry.call("GET", "/nope").status_code == 500


def test_a_database_that_is_away_is_a_503(registry: Registry) -> None:
    registry.store.close()
    tree = registry.problem("GET", "/v1/teams", 503, "STORAGE_UNAVAILABLE")
    assert tree["retryable"] is True
    assert registry.call("GET", "/v1/teams").headers["retry-after"] == "1"
    registry.problem("GET", "/readyz", 503, "STORAGE_UNAVAILABLE")
    assert registry.call("GET", "/healthz").json() == {"status": "alive"}


def test_readiness(registry: Registry) -> None:
    assert registry.call("GET", "/readyz", key=None).json() == {"status": "ready", "revision": 1}
    assert registry.call("GET", "/v1/openapi.json", key=None).json()["openapi"] == "3.0.3"


def test_many_gateways_wait_without_a_thread_each(registry: Registry) -> None:
    """Sixty waiters, more than there are worker threads, and an ordinary request still passes; all are told at once."""

    async def story() -> None:
        feed = type(registry.desk.feed)(registry.store)
        first = await feed.current()
        assert first is not None
        waiting = [asyncio.create_task(feed.other_than(first.digest, 20)) for _ in range(60)]
        while len(feed._waiting) < 60:
            await asyncio.sleep(0)
        await asyncio.wait_for(feed.current(), 5)
        await asyncio.to_thread(registry.ok, "PUT", "/v1/teams/a", json={})
        registry.ok("PUT", "/v1/plans/p", json={})
        rows = await asyncio.wait_for(asyncio.gather(*waiting), 5)
        assert {row.digest for row in rows if row} == {registry.store.snapshot().digest}  # type: ignore[union-attr]

    asyncio.run(story())
