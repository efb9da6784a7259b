"""Every traffic policy, as one kind: its name says its phase, its file and its id, and it is asked."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

import pytest

import policies.traffic
from gateway.binding import ANNOUNCE, CHAIN, RETIRED_CHAIN
from policies import catalog
from policies.model.contract import Block
from policies.traffic import Binder, Phase
from policies.traffic.authorize_audience import authorize_audience
from policies.traffic.validate_lifecycle import validate_lifecycle
from tests.unit.policies.traffic.facts import contract, document, facts, version

MODULES = sorted({info.name for info in pkgutil.iter_modules(policies.traffic.__path__)} - {"exchange"})
ENTRIES = catalog.entries("traffic")
IDENTIFYING = {"authenticate_certificate", "authenticate_api_key", "authenticate_jwt"}
"""Asked before the route is known, not in the chain."""
GOVERNED = facts(
    document(
        {
            "security": [{"oauth": ["a"]}],
            "parameters": [
                {"name": "p", "in": "query", "schema": {}},
                {"name": "Idempotency-Key", "in": "header", "schema": {}},
            ],
            "requestBody": {"content": {"application/json": {"schema": {}}}},
        },
        method="post",
    ),
    contract=contract(),
)
BLOCKED = facts(document({"x-internal": True}), version=version(block=Block(reason="r")))


def module(name: str) -> ModuleType:
    return importlib.import_module(f"policies.traffic.{name}")


@pytest.mark.parametrize("name", MODULES)
def test_the_first_word_of_a_file_is_its_phase(name: str) -> None:
    phase, _, noun = name.partition("_")
    assert phase.upper() in Phase.__members__
    assert noun


def test_every_policy_is_asked_once_and_in_the_order_of_phases() -> None:
    phases = [Phase[binder.__name__.partition("_")[0].upper()] for binder in CHAIN]
    assert phases == sorted(phases)
    asked = [binder.__name__ for binder in (*CHAIN, *ANNOUNCE)]
    assert sorted(asked) == sorted({entry.function.__name__ for entry in ENTRIES} - IDENTIFYING)
    assert [binder for binder in CHAIN if binder in RETIRED_CHAIN] == list(RETIRED_CHAIN)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_a_policy_is_named_like_its_file_and_explains_itself(entry: catalog.Entry) -> None:
    name = entry.function.__name__
    assert entry.function.__module__ == f"policies.traffic.{name}"
    assert entry.id == "traffic." + name.replace("_", "-")
    assert entry.summary.endswith(".")
    advice = entry.text.partition("\n\n")[2]
    assert advice, "a refused caller reads what to do instead"


@pytest.mark.parametrize("binder", [*CHAIN, *ANNOUNCE], ids=lambda binder: binder.__name__)
def test_a_bound_policy_knows_its_phase_and_keeps_nothing_of_an_exchange(binder: Binder) -> None:
    bound = binder(BLOCKED if binder in (authorize_audience, validate_lifecycle) else GOVERNED)
    assert bound is not None
    assert bound.phase is Phase[binder.__name__.partition("_")[0].upper()]
    assert not hasattr(bound, "__dict__"), "slots only: state is bound at load"


@pytest.mark.parametrize("name", sorted(set(MODULES) - {entry.function.__name__ for entry in ENTRIES}))
def test_other_files_are_parts_of_a_policy(name: str) -> None:
    assert Path(policies.traffic.__file__).with_name(f"{name}.py").read_text().startswith('"""')
