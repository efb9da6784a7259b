"""Problems from the registry become one line and a line per fault; silence becomes advice."""

from __future__ import annotations

import socket
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from weighbridge.client import Client, refusal
from weighbridge.errors import CommandError, Exit
from weighbridge.settings import ClientSettings, write_private


def answer(status: int, body: object) -> httpx.Response:
    return httpx.Response(status, json=body, request=httpx.Request("GET", "http://registry/v1"))


def test_a_problem_is_one_line_with_its_faults_below() -> None:
    body = {
        "title": "The document cannot be read",
        "status": 400,
        "detail": "2 faults",
        "errors": [{"pointer": "/paths/~1a", "line": 7, "detail": "no responses"}, {"detail": "duplicate key"}],
    }
    refused = refusal(answer(400, body))
    assert str(refused) == "The document cannot be read: 2 faults"
    assert refused.lines == ("  /paths/~1a (line 7): no responses", "  /: duplicate key")
    assert (refused.code, refused.status) == (Exit.UNREADABLE, 400)


def test_a_single_fault_is_told_once() -> None:
    body = {
        "title": "The input is not valid",
        "detail": "too short",
        "errors": [{"pointer": "/a", "detail": "too short"}],
    }
    refused = refusal(answer(400, body))
    assert (str(refused), refused.lines) == ("The input is not valid: /a: too short", ())


def test_a_refused_publish_names_the_gates_and_repeats_no_finding() -> None:
    gate = {"rule": "lifecycle.lint-is-clean", "severity": "error", "message": "a long story"}
    body = {
        "title": "The change was refused",
        "code": "REJECTED",
        "detail": "publish of notes@1.1.0 is refused: a long story (and 1 more)",
        "reports": {"gates": {"findings": [gate, gate, {**gate, "rule": "lifecycle.other", "severity": "warning"}]}},
    }
    assert str(refusal(answer(422, body))) == "publish of notes@1.1.0 is refused by lifecycle.lint-is-clean"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (500, Exit.UNREACHABLE),
        (503, Exit.UNREACHABLE),
        (404, Exit.UNREADABLE),
        (401, Exit.UNREACHABLE),
        (403, Exit.REFUSED),
        (409, Exit.REFUSED),
        (422, Exit.REFUSED),
    ],
)
def test_a_status_decides_the_exit_code(status: int, code: Exit) -> None:
    assert refusal(answer(status, {"title": "No"})).code is code


def test_an_answer_that_is_no_problem_still_says_its_status() -> None:
    response = httpx.Response(502, text="<html>", request=httpx.Request("GET", "http://registry/v1"))
    assert str(refusal(response)) == "the registry answered 502"


def test_a_registry_that_does_not_answer_is_named() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with pytest.raises(CommandError, match=f"the registry at {url} does not answer") as caught:
        Client(url, "wbo_x").get("/v1/contracts")
    assert caught.value.code is Exit.UNREACHABLE


def test_without_a_key_the_command_line_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="set WEIGHBRIDGE_KEY"):
        Client.from_settings(ClientSettings(home=tmp_path, url=None, key=None))


def test_what_up_left_behind_is_used(tmp_path: Path) -> None:
    write_private(tmp_path / "client.json", {"url": "http://127.0.0.1:1", "key": "wbo_x"})
    assert (tmp_path / "client.json").stat().st_mode & 0o777 == 0o600
    assert Client.from_settings(ClientSettings(home=tmp_path, url=None, key=None)).url == "http://127.0.0.1:1"


def test_the_key_that_up_left_goes_to_no_other_registry(tmp_path: Path) -> None:
    write_private(tmp_path / "client.json", {"url": "http://127.0.0.1:1", "key": "wbo_x"})
    with pytest.raises(CommandError, match="no management key for http://elsewhere:1: set WEIGHBRIDGE_KEY"):
        Client.from_settings(ClientSettings(home=tmp_path, url="http://elsewhere:1", key=None))
    assert Client.from_settings(ClientSettings(home=tmp_path, url="http://127.0.0.1:1/", key=None)).url


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "http://[::bad", "http://", "ftp://registry"])
def test_an_address_that_is_none_says_what_one_looks_like(tmp_path: Path, url: str) -> None:
    with pytest.raises(CommandError, match=r"looks like http://127.0.0.1:8080") as caught:
        Client.from_settings(ClientSettings(home=tmp_path, url=url, key=SecretStr("wbo_x")))
    assert caught.value.code is Exit.UNREADABLE


@pytest.mark.parametrize("key", ["wbo_s3cret\nx", "wb\u00f6_s3cret", "wbo_s3cret "])
def test_a_key_that_cannot_be_one_is_refused_and_not_shown(tmp_path: Path, key: str) -> None:
    with pytest.raises(CommandError, match="WEIGHBRIDGE_KEY holds") as caught:
        Client.from_settings(ClientSettings(home=tmp_path, url="http://127.0.0.1:1", key=SecretStr(key)))
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("content", ["{bad", "[]", ""])
def test_a_spoiled_file_of_the_home_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "client.json").write_text(content)
    with pytest.raises(CommandError, match=r"client\.json cannot be read \(not .*move it away"):
        Client.from_settings(ClientSettings(home=tmp_path, url=None, key=None))
