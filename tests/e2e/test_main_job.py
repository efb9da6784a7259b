"""What a distributor would try this afternoon, on the running whole."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import CUSTOMER, INTERNAL, ROOT, SUPPLIER, Running, eventually, free_ports
from weighbridge.demo import scene

STOCK = f"/inventory-availability/v2/sites/DAL-2/availability/{scene.GOOD_SKU}"

NOTES = """\
openapi: 3.1.0
info:
  title: Dock notes
  version: {number}
  description: Short notes that a dock leaves for the next shift.
  contact: {{name: Dock desk, email: dock@larkfield.example}}
servers: [{{url: /notes/v1}}]
security: [{{oauth: ['notes:read']}}]
paths:
  /notes/{{noteId}}:
    get:
      operationId: getNote
      summary: Read a note
      tags: [notes]
      parameters:
        - {{name: noteId, in: path, required: true, schema: {{type: string, maxLength: 20}}}}
      responses: &responses
        '200':
          description: The note.
          content:
            application/json:
              schema: {{$ref: '#/components/schemas/Note'}}
              example: {{text: Door 4 sticks.}}
        '400': {{$ref: '#/components/responses/Problem'}}
        '401': {{$ref: '#/components/responses/Problem'}}
        '403': {{$ref: '#/components/responses/Problem'}}
        '404': {{$ref: '#/components/responses/Problem'}}
        '429': {{$ref: '#/components/responses/Problem'}}
        '503': {{$ref: '#/components/responses/Problem'}}
{more}components:
  securitySchemes:
    oauth:
      type: oauth2
      flows:
        clientCredentials: {{tokenUrl: /oauth/token, scopes: {{'notes:read': Read notes}}}}
  responses:
    Problem:
      description: What went wrong, as a problem of RFC 9457.
      content:
        application/problem+json:
          schema:
            type: object
            properties:
              title: {{type: string, maxLength: 200}}
              status: {{type: integer, minimum: 400, maximum: 599}}
          example: {{title: No such note, status: 404}}
  schemas:
    Note:
      type: object
      required: [text]
      properties: {{text: {{type: string, maxLength: 400}}}}
"""

SECOND = """\
  /notes/{noteId}/history:
    get:
      operationId: getNoteHistory
      summary: Read what a note said before
      tags: [notes]
      parameters:
        - {name: noteId, in: path, required: true, schema: {type: string, maxLength: 20}}
      responses: *responses
"""


class NotesBackend:
    """Answers everything with one note and counts the calls."""

    def __init__(self) -> None:
        backend = self
        self.calls = 0

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                backend.calls += 1
                data = b'{"text": "Door 4 sticks."}'
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture(scope="module")
def notes(up: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[NotesBackend, Path, str]]:
    """An own contract with its backend, applied and called: the newcomer's ten minutes. Yields backend, folder, key."""
    backend = NotesBackend()
    folder = tmp_path_factory.mktemp("notes")
    (folder / "contract.yaml").write_text(
        "name: notes\ntitle: Dock notes\nowner: note-desk\naudience: internal\n"
        f"upstreams:\n  default: {{url: '{backend.url}'}}\n"
    )
    (folder / "1.0.0.yaml").write_text(NOTES.format(number="1.0.0", more=""))
    applied = up.run("apply", str(folder))
    assert applied.returncode == 0, applied.stdout + applied.stderr
    client = up.client
    client.put(
        "/v1/plans/notes-plan", {"name": "notes-plan", "limits": [{"name": "each", "requests": 100000, "window": 10}]}
    )
    for arguments in (
        ("apps", "create", "notes-reader", "--consumer", "dock", "--audience", "internal", "--scope", "notes:read"),
        ("apps", "subscribe", "notes-reader", "notes@1", "--plan", "notes-plan"),
    ):
        done = up.run(*arguments)
        assert done.returncode == 0, done.stderr
    key = up.run("apps", "key", "notes-reader").stdout.strip()
    eventually(lambda: note(up, key).status_code == 200)
    try:
        yield backend, folder, key
    finally:
        backend.close()


def note(up: Running, key: str, path: str = "/notes/v1/notes/7") -> httpx.Response:
    return httpx.get(up.gateway + path, headers={"X-API-Key": key}, trust_env=False)


@contextmanager
def load(url: str, headers: dict[str, str]) -> Iterator[Counter[int | str]]:
    """A steady caller in the background; afterwards the counter holds every status seen, or the error's name."""
    seen: Counter[int | str] = Counter()
    stop = threading.Event()

    def call() -> None:
        with httpx.Client(headers=headers, trust_env=False) as client:
            while not stop.is_set():
                try:
                    seen[client.get(url).status_code] += 1
                except httpx.HTTPError as error:
                    seen[type(error).__name__] += 1

    threads = [threading.Thread(target=call) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_the_page_shows_addresses_keys_and_four_lines(up: Running) -> None:
    for text in (up.gateway, up.registry, *up.demo["keys"].values(), "1. a good call", "4. a publish that is refused"):
        assert text in up.page


def test_a_good_call_reaches_the_site_it_names(up: Running) -> None:
    dallas = up.call(STOCK)
    phoenix = up.call(STOCK.replace("DAL-2", "PHX-1"))
    assert (dallas.status_code, phoenix.status_code) == (200, 200)
    assert (dallas.json()["siteId"], phoenix.json()["siteId"]) == ("DAL-2", "PHX-1")
    assert (dallas.headers["X-Served-By"], phoenix.headers["X-Served-By"]) == ("DAL-2", "PHX-1")
    assert dallas.headers["API-Version"].startswith("2.")


def test_a_call_that_the_contract_refuses_says_where(up: Running) -> None:
    refused = up.call("/inventory-availability/v2/sites/DAL-2/availability?limit=9999")
    assert refused.status_code == 400
    assert refused.headers["Content-Type"] == "application/problem+json"
    body = refused.json()
    assert (body["code"], [fault["pointer"] for fault in body["errors"]]) == ("VALIDATION_FAILED", ["/query/limit"])


def test_no_credential_a_wrong_one_and_a_stranger(up: Running) -> None:
    missing = up.call(STOCK, application=None)
    wrong = up.call(STOCK, application=None, headers={"X-API-Key": "wbk_aaaaaaaaaa_nothing"})
    assert (missing.status_code, missing.json()["code"]) == (401, "CREDENTIALS_MISSING")
    assert (wrong.status_code, wrong.json()["code"]) == (401, "CREDENTIALS_INVALID")
    assert missing.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_suppliers_token_on_the_customers_api_is_refused(up: Running) -> None:
    token = up.run("token", SUPPLIER).stdout.strip()
    answer = up.call("/order-status/v2/orders", application=None, headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["code"]) == (403, "NOT_SUBSCRIBED")


def test_a_customers_token_works_and_a_site_that_is_not_granted_is_refused(up: Running) -> None:
    token = up.run("token", CUSTOMER).stdout.strip()
    bearer = {"Authorization": f"Bearer {token}"}
    assert up.call(STOCK, application=None, headers=bearer).status_code == 200
    refused = up.call(STOCK.replace("DAL-2", "TOR-1"), application=None, headers=bearer)
    assert (refused.status_code, refused.json()["code"]) == (403, "SITE_NOT_ALLOWED")


def test_two_hundred_concurrent_callers_over_a_hundred_per_ten_seconds(
    up: Running, notes: tuple[NotesBackend, Path, str]
) -> None:
    client = up.client
    client.put("/v1/plans/hundred", {"name": "hundred", "limits": [{"name": "hundred", "requests": 100, "window": 10}]})
    for arguments in (
        ("apps", "create", "crowd", "--consumer", "dock", "--scope", "notes:read"),
        ("apps", "subscribe", "crowd", "notes@1", "--plan", "hundred"),
    ):
        assert up.run(*arguments).returncode == 0
    key = up.run("apps", "key", "crowd").stdout.strip()
    eventually(lambda: has_caught_up(up))

    async def crowd() -> Counter[int]:
        limits = httpx.Limits(max_connections=200)
        async with httpx.AsyncClient(trust_env=False, limits=limits, timeout=30) as caller:
            url, headers = f"{up.gateway}/notes/v1/notes/7", {"X-API-Key": key}
            answers = await asyncio.gather(*(caller.get(url, headers=headers) for _ in range(200)))
        refused = [answer for answer in answers if answer.status_code == 429]
        assert all(answer.headers["Retry-After"].isdigit() for answer in refused)
        assert all(answer.headers["RateLimit-Policy"] == '"hundred";q=100;w=10' for answer in answers)
        return Counter(answer.status_code for answer in answers)

    assert asyncio.run(crowd()) == {200: 100, 429: 100}


def has_caught_up(up: Running) -> bool:
    """Whether the gateway serves the registry's newest snapshot."""
    ready = httpx.get(f"{up.admin}/readyz", trust_env=False).json()
    return bool(ready["snapshot"]["digest"] == up.client.get("/v1/snapshot")["digest"])


def test_a_publish_that_breaks_somebody_is_refused_and_changes_nothing(up: Running) -> None:
    before = up.client.get("/v1/snapshot")["digest"]
    refused = up.run("publish", scene.REFUSED_FILE)
    assert refused.returncode == 1
    assert "compat." in refused.stdout
    assert CUSTOMER in refused.stdout, "whom it hurts is named"
    assert refused.stderr.count("\n") == 1, refused.stderr
    assert up.client.get("/v1/snapshot")["digest"] == before


def test_no_call_fails_while_the_registry_is_killed(up: Running) -> None:
    url = up.gateway + STOCK
    with load(url, up.key(INTERNAL)) as seen:
        eventually(lambda: seen[200] > 20)
        os.kill(up.pid("registry"), signal.SIGKILL)
        reached = seen[200] + 200
        eventually(lambda: seen[200] > reached, seconds=30)
    assert set(seen) == {200}
    eventually(lambda: _answers(f"{up.registry}/readyz"), seconds=20)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def test_a_gateway_alone_serves_from_its_disk(up: Running, tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    for file in (up.home / "gateway").iterdir():
        (state / file.name).write_bytes(file.read_bytes())
    port, admin, nobody = free_ports(3)
    environment = up.environment | {
        "WEIGHBRIDGE_GATEWAY_PORT": str(port),
        "WEIGHBRIDGE_GATEWAY_ADMIN_PORT": str(admin),
        "WEIGHBRIDGE_GATEWAY_REGISTRY_URL": f"http://127.0.0.1:{nobody}",
        "WEIGHBRIDGE_GATEWAY_STATE_DIR": str(state),
        "WEIGHBRIDGE_GATEWAY_ACCESS_LOG": "",
    }
    alone = subprocess.Popen(
        [sys.executable, "-m", "weighbridge", "gateway"], env=environment, cwd=tmp_path, stderr=subprocess.DEVNULL
    )
    try:
        eventually(lambda: _answers(f"http://127.0.0.1:{admin}/readyz"), seconds=20)
        answer = httpx.get(f"http://127.0.0.1:{port}{STOCK}", headers=up.key(CUSTOMER), trust_env=False)
        assert (answer.status_code, answer.json()["siteId"]) == (200, "DAL-2")
        alone.send_signal(signal.SIGTERM)
        assert alone.wait(15) == 0
    finally:
        alone.kill()
        alone.wait()


def test_a_new_version_is_served_within_two_seconds_under_load(
    up: Running, notes: tuple[NotesBackend, Path, str]
) -> None:
    _, folder, key = notes
    (folder / "1.1.0.yaml").write_text(NOTES.format(number="1.1.0", more=SECOND))
    assert note(up, key, "/notes/v1/notes/7/history").status_code == 404
    with load(f"{up.gateway}/notes/v1/notes/7", {"X-API-Key": key}) as seen:
        eventually(lambda: seen[200] > 20)
        published = up.run("publish", str(folder / "1.1.0.yaml"))
        assert published.returncode == 0, published.stdout + published.stderr
        began = time.monotonic()
        eventually(lambda: note(up, key, "/notes/v1/notes/7/history").status_code == 200, seconds=2)
        waited = time.monotonic() - began
    assert set(seen) == {200}
    assert waited < 2
    assert note(up, key).headers["API-Version"] == "1.1.0"


def test_deprecation_is_announced_byte_for_byte_and_retirement_answers_410(
    up: Running, notes: tuple[NotesBackend, Path, str]
) -> None:
    backend, folder, key = notes
    (folder / "2.0.0.yaml").write_text(NOTES.format(number="2.0.0", more=""))
    assert up.run("publish", str(folder / "2.0.0.yaml")).returncode == 0
    sunset = int(time.time()) // 86400 * 86400 + 90 * 86400
    day = time.strftime("%Y-%m-%d", time.gmtime(sunset))
    done = up.run("deprecate", "notes@1", "--sunset", day, "--successor", "2", "--reason", "the desk moves to major 2")
    assert done.returncode == 0, done.stdout + done.stderr
    versions = {version["number"]: version for version in up.client.items("/v1/contracts/notes/versions")}
    head = max(number for number in versions if number.startswith("1."))
    moment = int(httpx_date(versions[head]["deprecated_at"]))

    def raw() -> list[bytes]:
        port = up.ports[0]
        with socket.create_connection(("127.0.0.1", port)) as line:
            head = (
                "GET /notes/v1/notes/7 HTTP/1.1",
                f"Host: 127.0.0.1:{port}",
                f"X-API-Key: {key}",
                "Connection: close",
            )
            line.sendall("\r\n".join((*head, "", "")).encode())
            data = b""
            while chunk := line.recv(65536):
                data += chunk
        return data.partition(b"\r\n\r\n")[0].split(b"\r\n")

    head_lines = eventually(lambda: [line for line in raw() if line.startswith(b"Deprecation")] and raw(), seconds=3)
    assert head_lines[0] == b"HTTP/1.1 200 OK"
    assert b"Deprecation: @%d" % moment in head_lines
    assert f"Sunset: {formatdate(sunset, usegmt=True)}".encode() in head_lines
    assert any(line.startswith(b"Link: ") and b'</notes/v2>; rel="successor-version"' in line for line in head_lines)

    held = up.run("retire", "notes@1", "--reason", "nobody needs it")
    assert held.returncode == 1, "the notice has not elapsed and an application is subscribed"
    done = up.run("retire", "notes@1", "--force", "--reason", "the demo ends here")
    assert done.returncode == 0, done.stdout + done.stderr
    eventually(lambda: note(up, key).status_code == 410, seconds=3)
    calls = backend.calls
    gone = note(up, key)
    assert (gone.status_code, gone.json()["code"]) == (410, "VERSION_RETIRED")
    assert gone.headers["Content-Type"] == "application/problem+json"
    assert "/notes/v2" in gone.headers["Link"]
    assert note(up, "wbk_aaaaaaaaaa_nothing").status_code == 401, "a retired version is still authenticated"
    assert backend.calls == calls


def httpx_date(text: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp()


def test_a_secret_stands_in_no_file_but_the_owners(up: Running) -> None:
    secrets = [*up.demo["keys"].values(), *up.demo["secrets"].values(), up.run("token", CUSTOMER).stdout.strip()]
    private = {"demo.json", "client.json", "admin.json", "gateway.json"}
    for path in up.home.rglob("*"):
        if path.is_file() and path.name not in private:
            data = path.read_bytes()
            assert [secret for secret in secrets if secret.encode() in data] == [], path
    for name in private & {path.name for path in up.home.iterdir()}:
        assert (up.home / name).stat().st_mode & 0o077 == 0


def test_a_second_apply_changes_nothing(up: Running, notes: tuple[NotesBackend, Path, str]) -> None:
    again = up.run("apply", str(notes[1]), "--format", "json")
    assert {step["outcome"] for step in json.loads(again.stdout)["steps"]} == {"unchanged"}


def test_metrics_and_health_answer_on_their_own_port(up: Running) -> None:
    assert httpx.get(f"{up.admin}/healthz", trust_env=False).status_code == 200
    metrics = httpx.get(f"{up.admin}/metrics", trust_env=False).text
    assert "inventory-availability" in metrics
    assert httpx.get(f"{up.gateway}/metrics", trust_env=False).status_code == 404


def test_the_second_start_finds_its_data_and_changes_nothing(tmp_path: Path) -> None:
    running = Running(tmp_path / "home", free_ports(9))
    running.start()
    try:
        first, demo = running.client.get("/v1/snapshot"), running.demo
        audit = len(list(running.client.items("/v1/audit")))
    finally:
        assert running.stop() == 0
    took = running.start()
    try:
        assert running.client.get("/v1/snapshot")["digest"] == first["digest"]
        assert running.demo == demo
        assert len(list(running.client.items("/v1/audit"))) == audit
        second = running.run("up", "--home", str(running.home), "--gateway-port", "1")
        assert (second.returncode, "another `weighbridge up` is running" in second.stderr) == (2, True)
    finally:
        pids = [running.pid(name) for name in ("registry", "backends", "gateway")]
        assert running.process is not None and running.process.stdout is not None
        running.process.stdout.close()  # a terminal that was closed, or `| head`
        assert running.stop() == 0
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert took < 60
    assert (ROOT / "specs").is_dir()
