"""Who is let in, what a wrong key costs, and in which order things are found out."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from registry.api import app
from registry.api.desk import Desk
from registry.api.guard import Guard
from tests.unit.registry.api.conftest import KEY, Registry

WRONG = f"wbo_{'0' * 12}_{'0' * 64}"
GUESSES = 20
"""The default of the setting `key_guesses`."""


def _from(registry: Registry, address: str) -> Registry:
    """The same registry, asked from another address."""
    other = object.__new__(Registry)
    other.__dict__.update(registry.__dict__)
    other.client = TestClient(registry.client.app, raise_server_exceptions=False, client=(address, 50000))
    return other


def _guess(registry: Registry, key: str, times: int) -> list[int]:
    return [registry.call("GET", "/v1/whoami", key=key).status_code for _ in range(times)]


@pytest.fixture
def operator(registry: Registry) -> str:
    return str(registry.ok("POST", "/v1/operators", json={"name": "ada", "role": "auditor"})["key"])


def test_too_many_wrong_keys_are_told_so_until_they_have_ebbed_away(registry: Registry) -> None:
    assert _guess(registry, WRONG, GUESSES + 2) == [401] * GUESSES + [429, 429]
    answer = registry.call("GET", "/v1/whoami", key=WRONG)
    assert (answer.json()["code"], answer.json()["retryable"]) == ("TOO_MANY_ATTEMPTS", True)
    assert answer.headers["retry-after"] == "3"
    registry.now += 2
    assert registry.call("GET", "/v1/whoami", key=WRONG).headers["retry-after"] == "1"
    registry.now += 1  # what was refused meanwhile did not make it longer
    assert _guess(registry, WRONG, 2) == [401, 429]
    registry.now += 60
    assert _guess(registry, WRONG, GUESSES + 1) == [401] * GUESSES + [429]


def test_a_good_key_is_let_in_whoever_guesses_beside_it(registry: Registry, operator: str) -> None:
    _guess(registry, WRONG, GUESSES + 5)
    assert registry.ok("GET", "/v1/whoami", key=operator)["name"] == "ada"
    assert registry.ok("GET", "/v1/whoami")["role"] == "admin", (
        "guesses at operators are not guesses at the bootstrap key"
    )


def test_guesses_at_one_key_are_counted_wherever_they_come_from(registry: Registry, operator: str) -> None:
    guess = operator[:-64] + "0" * 64
    statuses = [
        _from(registry, f"192.0.2.{number}").call("GET", "/v1/whoami", key=guess).status_code
        for number in range(GUESSES + 1)
    ]
    assert statuses == [401] * GUESSES + [429]
    assert registry.ok("GET", "/v1/whoami", key=operator)["name"] == "ada"


def test_the_bootstrap_key_cannot_be_guessed_at_leisure(registry: Registry) -> None:
    """Somebody made it up, so that even the right one is not looked at when its source has guessed too often."""
    assert _guess(registry, "password-of-the-admin", GUESSES + 1) == [401] * GUESSES + [429]
    registry.problem("GET", "/v1/whoami", 429, "TOO_MANY_ATTEMPTS")
    assert _from(registry, "192.0.2.9").ok("GET", "/v1/whoami")["role"] == "admin", "another source is not held up"
    registry.now += 60
    assert registry.ok("GET", "/v1/whoami")["role"] == "admin"


def test_a_bootstrap_key_that_was_generated_is_let_in_like_any_other(registry: Registry) -> None:
    key = "k" * 32
    settings = registry.desk.settings.model_copy(update={"admin_key": SecretStr(key)})
    registry.client = TestClient(app.create(Desk(registry.store, settings, lambda: registry.now)))
    assert _guess(registry, "password-of-the-admin", GUESSES + 1) == [401] * GUESSES + [429]
    assert registry.ok("GET", "/v1/whoami", key=key)["role"] == "admin"
    registry.problem("GET", "/v1/whoami", 429, "TOO_MANY_ATTEMPTS", key="k" * 31)


def test_an_address_that_somebody_claims_is_not_believed(registry: Registry) -> None:
    for number in range(GUESSES):
        registry.call("GET", "/v1/whoami", key=WRONG, headers={"X-Forwarded-For": f"192.0.2.{number}"})
    registry.problem("GET", "/v1/whoami", 429, "TOO_MANY_ATTEMPTS", key=WRONG)


def test_wrong_and_unknown_keys_are_answered_alike(registry: Registry, operator: str) -> None:
    """And revoked ones to everybody but who holds the whole key."""
    id_ = registry.ok("POST", "/v1/operators", json={"name": "max", "role": "reader"})["operator"]["id"]
    registry.ok("DELETE", f"/v1/operators/{id_}")
    answers = [
        registry.problem("GET", "/v1/whoami", 401, "CREDENTIALS_INVALID", key=key)
        for key in (WRONG, operator[:-1] + ("0" if operator[-1] != "0" else "1"), f"wbo_{id_}_{'0' * 64}", "x", "wbo_")
    ]
    told = [{name: value for name, value in answer.items() if name != "requestId"} for answer in answers]
    assert told == [told[0]] * len(told)


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic YTpi", f"bearer{KEY}", f"Token {KEY}", KEY, "Bearer\x00x"]
)
def test_what_is_no_bearer_key_is_none(registry: Registry, header: str) -> None:
    answer = registry.call("GET", "/v1/whoami", key=None, headers={"Authorization": header})
    assert (answer.status_code, answer.json()["code"]) == (401, "CREDENTIALS_MISSING")
    assert answer.headers["www-authenticate"] == 'Bearer realm="weighbridge"'


def test_the_scheme_has_no_case_and_the_key_has(registry: Registry) -> None:
    assert registry.call("GET", "/v1/whoami", key=None, headers={"Authorization": f"bEARER  {KEY}"}).is_success
    registry.problem("GET", "/v1/whoami", 401, "CREDENTIALS_INVALID", key=KEY.upper())
    odd = {"Authorization": b"Bearer " + b"\xe9" * 20}
    registry.problem("GET", "/v1/whoami", 401, "CREDENTIALS_INVALID", key=None, headers=odd)


def test_nothing_of_a_body_is_read_before_it_is_known_who_sent_it(registry: Registry) -> None:
    reader = registry.ok("POST", "/v1/operators", json={"name": "rita", "role": "reader"})["key"]

    async def never() -> Any:
        raise AssertionError("the body was read")

    for key, status in ((None, 401), (WRONG, 401), (reader, 403)):
        sent = _raw(registry, key, never)
        assert sent[0]["status"] == status


def _raw(registry: Registry, key: str | None, receive: Any) -> list[Any]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json")]
    if key:
        headers.append((b"authorization", f"Bearer {key}".encode()))
    scope = {"type": "http", "method": "PUT", "path": "/v1/teams/a", "headers": headers, "query_string": b""}
    asyncio.run(app.create(registry.desk)(scope, receive, send))  # type: ignore[arg-type]
    return sent


def test_a_large_body_costs_strangers_nothing(registry: Registry) -> None:
    body = b'{"title":[' + b'"a",' * 3_000_000 + b'"b"]}'
    headers = {"Content-Type": "application/json"}
    started = time.process_time()
    registry.problem("PUT", "/v1/teams/a", 401, "CREDENTIALS_MISSING", key=None, content=body, headers=headers)
    assert time.process_time() - started < 0.5
    started = time.process_time()
    registry.problem("PUT", "/v1/teams/a", 413, "PAYLOAD_TOO_LARGE", content=body, headers=headers)
    assert time.process_time() - started < 0.5, "nor does it cost more of those who have a key"


def test_what_is_open_to_all_takes_no_large_body(registry: Registry) -> None:
    def chunks() -> Iterator[bytes]:
        yield from (b"a" * 65_536 for _ in range(5))

    for content in (b"a" * 140_000, chunks()):
        registry.problem("POST", "/oauth/token", 413, "PAYLOAD_TOO_LARGE", key=None, content=content)


def test_what_is_not_there_and_what_is_not_answered_is_known_to_all(registry: Registry) -> None:
    """The specification is public, so that neither tells a stranger anything."""
    registry.problem("GET", "/v1/nope", 404, "NOT_FOUND", key=None)
    for method in ("TRACE", "OPTIONS", "CONNECT", "PROPFIND", "PATCH"):
        registry.problem(method, "/v1/teams/a", 405, "METHOD_NOT_ALLOWED", key=None)
        assert registry.call(method, "/oauth/token", key=None).status_code == 405


@pytest.mark.parametrize(
    "path", ["/v1/whoami", "/v1/nope", "/healthz", "/v1/openapi.json", "/oauth/token", "/v1/contracts/stock"]
)
def test_no_answer_is_cached_framed_sniffed_or_shared_with_other_origins(registry: Registry, path: str) -> None:
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "PUT"}
    for method in ("GET", "OPTIONS", "HEAD"):
        answer = registry.call(method, path, headers=asked)
        assert not [name for name in answer.headers if name.startswith("access-control-") or name == "set-cookie"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert answer.headers["cache-control"] == "no-store"


def test_what_has_a_validator_is_kept_by_who_asked_alone(registry: Registry) -> None:
    registry.seed()
    registry.publish("1.0.0")
    answer = registry.call("GET", "/v1/contracts/stock/versions/1.0.0/document")
    assert answer.headers["cache-control"] == "private, no-cache"
    assert registry.call("GET", "/v1/snapshot").headers.get_list("cache-control") == ["no-cache"]
    assert registry.call("GET", "/.well-known/jwks.json").headers["cache-control"] == "public, max-age=60"


def test_what_was_asked_is_logged_with_who_asked(
    registry: Registry, operator: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    registry.problem("PUT", "/v1/teams/a", 403, "FORBIDDEN", key=operator, json={})
    line = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert (line["actor"], line["status"], line["path"]) == ("ada", 403, "/v1/teams/a")


def test_a_key_that_was_put_into_an_address_is_not_logged(
    registry: Registry, operator: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    registry.call("GET", f"/v1/operators/{operator[:60]}")
    registry.call("GET", f"/oauth/{operator}")
    told = capsys.readouterr().out
    assert operator[17:50] not in told
    assert "/v1/operators/(secret)" in told


def test_a_refused_key_is_logged_with_its_source_and_without_the_key(
    registry: Registry, operator: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    guess = operator[:-64] + "5" * 64
    registry.call("GET", "/v1/whoami", key=guess)
    told = capsys.readouterr().out
    assert '"source": "testclient"' in told
    assert operator.split("_")[1] in told
    assert "5" * 64 not in told


def test_a_registry_does_not_start_with_an_operation_of_which_nobody_said_who_may(registry: Registry) -> None:
    tree = deepcopy(app.specification())
    tree["paths"]["/teams"]["get"]["operationId"] = "list_everything"
    with pytest.raises(KeyError, match="list_everything has no row"):
        Guard(tree, registry.client.app, registry.client.app, registry.desk)
