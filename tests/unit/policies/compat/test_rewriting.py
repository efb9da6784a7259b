"""A document written differently is the same document: no finding, no new number. Whole documents, real and made up."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policies import compat
from policies.model.document import Document
from policies.rulesets import load
from tests.unit.policies.compat import rewritings, schemas

RULESET = load("baseline")
CONTRACTS = sorted(Path("specs/services").glob("*/**/*.yaml"))
CONTRACTS = [path for path in CONTRACTS if path.name != "contract.yaml"]
THOROUGH = settings(
    max_examples=250, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)


def read(path: Path) -> Any:
    """As the safe door reads it: dates stay text."""
    loader = type("Plain", (yaml.SafeLoader,), {"yaml_implicit_resolvers": {}})
    for key, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items():
        kept = [entry for entry in resolvers if entry[0] != "tag:yaml.org,2002:timestamp"]
        loader.yaml_implicit_resolvers[key] = kept  # type: ignore[attr-defined]
    return yaml.load(path.read_text(), loader)


def findings(old: Any, new: Any) -> list[tuple[str, str, str]]:
    comparison = compat.check(Document(old), Document(new), RULESET)
    assert comparison.report.coverage["operations"] > 0
    return [(f.rule, f.pointer, f.message) for f in comparison.report.findings]


@pytest.mark.parametrize("path", CONTRACTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_contract_written_differently_is_the_same(path: Path) -> None:
    tree = read(path)
    for change in rewritings.ALL:
        assert findings(tree, change(tree)) == [], change.__name__
    for first, second in pairwise((*rewritings.ALL, rewritings.ALL[0])):
        assert findings(first(tree), second(tree)) == [], (first.__name__, second.__name__)


@THOROUGH
@given(
    schema=schemas.schemas,
    direction=st.sampled_from(["request", "response"]),
    changes=st.lists(st.sampled_from(rewritings.ALL), min_size=1, max_size=3),
)
def test_a_made_up_document_written_differently_is_the_same(
    schema: Any, direction: str, changes: list[rewritings.Change]
) -> None:
    old: Any = schemas.document(schema, direction).tree
    new = old
    for change in changes:
        new = change(new)
    assert findings(old, new) == []
    assert findings(new, old) == []
