"""Publishing and reading versions over HTTP: what the shape of the request alone decides."""

import orjson
import pytest
import yaml

from tests.unit.registry.api.conftest import Registry, document

VERSIONS = "/v1/contracts/stock/versions"
JSON = {"Content-Type": "application/json"}
YAML = {"Content-Type": "application/yaml"}


@pytest.mark.parametrize("kind", ["application/yaml", "application/openapi+yaml", "application/openapi+json"])
def test_an_empty_document_is_the_senders_fault(registry: Registry, kind: str) -> None:
    registry.seed()
    tree = registry.problem("POST", VERSIONS, 400, "INVALID", content=b"", headers={"Content-Type": kind})
    assert tree["detail"] == "the body is empty; send the document, or JSON that holds it"


def test_a_document_is_sent_as_it_is(registry: Registry) -> None:
    registry.seed()
    made = registry.ok("POST", VERSIONS, content=document("1.0.0").encode(), headers=YAML)
    assert (made["version"]["number"], made["created"]) == ("1.0.0", True)


@pytest.mark.parametrize("kind", ["application/openapi+json", "Application/OpenAPI+JSON; charset=utf-8"])
def test_a_document_is_sent_as_json_and_judged_by_the_safe_door(registry: Registry, kind: str) -> None:
    registry.seed()
    headers = {"Content-Type": kind}
    whole = orjson.dumps(yaml.safe_load(document("1.0.0")))
    assert registry.ok("POST", VERSIONS, content=whole, headers=headers)["created"] is True
    for body, line in ((b"[null]", 1), (b'{\n"openapi": "3.1.0",\n"openapi": "3.1.0"}', 3)):
        tree = registry.problem("POST", VERSIONS, 422, "DOCUMENT_INVALID", content=body, headers=headers)
        assert tree["errors"][0]["line"] == line


def test_a_document_at_hand_is_not_sent_again(registry: Registry) -> None:
    registry.seed()
    digest = registry.publish("1.0.0")["version"]["digest"]
    for path in (f"{VERSIONS}/1.0.0/document", f"/v1/documents/{digest}"):
        etag = registry.call("GET", path).headers["etag"]
        for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
            answer = registry.call("GET", path, headers={"If-None-Match": known})
            assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
        assert registry.call("GET", path, headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize("number", ["1.0.0", "1.1.0", "2.0.0"])
def test_the_evidence_is_what_the_publisher_was_told(registry: Registry, number: str) -> None:
    registry.seed()
    told = [registry.publish(published)["reports"] for published in ("1.0.0", "1.1.0", "2.0.0") if published <= number]
    kept = registry.ok("GET", f"{VERSIONS}/{number}/evidence")
    assert kept["reports"] == told[-1]
    assert (kept["reports"]["previous"] is not None) == (number == "2.0.0")


def test_instants_of_a_waiver_in_the_evidence_are_text(registry: Registry) -> None:
    registry.seed()
    registry.publish("1.0.0")
    narrower = {"document": document("1.1.0", site=False)}
    (finding,) = registry.ok("POST", f"{VERSIONS}?dry_run=true", json=narrower)["reports"]["comparisons"][0]["findings"]
    asked = {"rule": finding["rule"], "fingerprint": finding["fingerprint"], "reason": "r", "expires_at": "2027-02-01"}
    waiver = registry.ok("POST", "/v1/contracts/stock/waivers", json=asked)["id"]
    colleague = registry.ok("POST", "/v1/operators", json={"name": "ada", "role": "admin"})["key"]
    registry.ok("PUT", f"/v1/contracts/stock/waivers/{waiver}/approval", key=colleague)
    registry.ok("POST", VERSIONS, json=narrower)
    (leaned_on,) = registry.ok("GET", f"{VERSIONS}/1.1.0/evidence")["reports"]["comparisons"][0]["waived"]
    assert (leaned_on["id"], leaned_on["expires_at"]) == (waiver, "2027-02-01T00:00:00Z")


def test_a_member_that_stands_twice_is_refused_wherever_it_stands(registry: Registry) -> None:
    registry.seed()
    whole = orjson.dumps(yaml.safe_load(document("1.0.0"))).replace(b'"openapi":', b'"openapi":"3.0.3","openapi":')
    for body in (b'{"document": %s}' % whole, b'{"stage": "draft", "stage": "published", "document": "x"}'):
        tree = registry.problem("POST", VERSIONS, 400, "INVALID", content=body, headers=JSON)
        assert "stands twice in one object" in tree["detail"]


@pytest.mark.parametrize(
    ("accept", "kind", "begins"),
    [
        ("*/*", "application/json", '{"'),
        ("text/markdown", "text/markdown; charset=utf-8", "# stock 1.0.0 → 2.0.0: compatible\n"),
        ("text/html;q=0.9, */*", "text/html; charset=utf-8", "<!doctype html>"),
    ],
)
def test_a_comparison_is_told_to_programs_and_to_people(
    registry: Registry, accept: str, kind: str, begins: str
) -> None:
    registry.seed()
    registry.publish("1.0.0")
    registry.ok("POST", VERSIONS, json={"document": document("2.0.0", site=False)})
    path = "/v1/contracts/stock/diff?from=1.0.0&to=2.0.0"
    answer = registry.call("GET", path, headers={"Accept": accept})
    assert (answer.status_code, answer.headers["content-type"], answer.headers["vary"]) == (200, kind, "Accept")
    assert answer.text.startswith(begins)
    if "html" in kind:
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert answer.headers["x-content-type-options"] == "nosniff"
    posted = {"old": document("1.0.0"), "new": document("2.0.0", site=False)}
    assert registry.call("POST", "/v1/diff", json=posted, headers={"Accept": accept}).headers["content-type"] == kind
