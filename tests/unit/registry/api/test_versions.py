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
