"""Publishing and reading versions over HTTP: what the shape of the request alone decides."""

import pytest

from tests.unit.registry.api.conftest import Registry, document

VERSIONS = "/v1/contracts/stock/versions"
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


def test_a_document_at_hand_is_not_sent_again(registry: Registry) -> None:
    registry.seed()
    digest = registry.publish("1.0.0")["version"]["digest"]
    for path in (f"{VERSIONS}/1.0.0/document", f"/v1/documents/{digest}"):
        etag = registry.call("GET", path).headers["etag"]
        for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
            answer = registry.call("GET", path, headers={"If-None-Match": known})
            assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
        assert registry.call("GET", path, headers={"If-None-Match": '"other"'}).status_code == 200
