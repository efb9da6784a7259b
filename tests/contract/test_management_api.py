"""The specification and the implementation of the management API say the same.

Every operationId has its handler and every handler its operation; schemathesis calls every operation with good and bad
input over real HTTP and finds no 5xx, no undocumented status, no answer that contradicts its schema.
"""

import inspect
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, settings
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi import checks

from policies import governance
from policies.model.access import Limit, Plan
from policies.model.contract import Contract, Upstream
from registry import contracts, credentials, documents, issuers, operators, plans, publishing, subscriptions
from registry.api import app
from registry.api.desk import Desk
from registry.api.handlers import HANDLERS
from registry.audit import Actor
from registry.settings import Settings
from registry.store import Store, open_store
from registry.store.records import Consumer, RegisteredApplication, Team

KEY = "a-management-key-for-schemathesis"
KNOWN = "order-status"
"""The example of every slug in the specification: what is seeded under it is found by some of the calls."""
ADMIN = Actor("seed", "admin")
SPECIFICATION = app.specification()
METHODS = ("get", "put", "post", "delete", "patch")


def operations() -> dict[str, tuple[str, dict[str, Any], dict[str, Any]]]:
    return {
        item[method]["operationId"]: (path, item, item[method])
        for path, item in SPECIFICATION["paths"].items()
        for method in METHODS
        if method in item
    }


def test_every_operation_has_its_handler_and_every_handler_its_operation() -> None:
    assert sorted(operations()) == sorted(HANDLERS)


@pytest.mark.parametrize("name", sorted(HANDLERS))
def test_handlers_take_exactly_the_parameters_that_are_declared(name: str) -> None:
    path, item, operation = operations()[name]
    shared = SPECIFICATION["components"]["parameters"]
    declared = set()
    for entry in (*item.get("parameters", ()), *operation.get("parameters", ())):
        parameter = shared[entry["$ref"].rpartition("/")[2]] if "$ref" in entry else entry
        if parameter["in"] != "header":
            declared.add("from_" if parameter["name"] == "from" else parameter["name"])
    taken = {n for n, p in inspect.signature(HANDLERS[name]).parameters.items() if p.kind is p.KEYWORD_ONLY}
    assert taken == declared, path


def test_the_specification_passes_our_own_door() -> None:
    parsed = documents.parse(app.SPECIFICATION.read_bytes())
    assert len(parsed.document.operations) == len(HANDLERS)
    documents.close()


def seed(store: Store) -> str:
    """Returns the key of somebody who speaks for the consumer."""
    with store.write() as unit:
        issuers.bootstrap(unit, issuer="http://registry.test", audience="weighbridge", now=1)
        operators.put_team(unit, ADMIN, Team(name=KNOWN, title="Orders"), now=1)
        plans.put_plan(unit, ADMIN, Plan(name=KNOWN, limits=(Limit(name="a", requests=1, window=1),)), now=1)
        contract = Contract(
            name=KNOWN,
            title="Order status",
            owner=KNOWN,
            audience="partner",
            upstreams={"default": Upstream(url="http://127.0.0.1:9/v{major}")},
        )
        contracts.register_contract(unit, ADMIN, contract, now=1)
        subscriptions.put_consumer(unit, ADMIN, Consumer(id=KNOWN, name="Oakhurst", audience="partner"), now=1)
        registered = RegisteredApplication(id=KNOWN, name="Procurement", consumer=KNOWN)
        subscriptions.put_application(unit, ADMIN, registered, now=1)
    histories = sorted(Path("specs/services/order-status").glob("1.*.yaml"))
    for file in histories:
        with store.write() as unit:
            publishing.publish(unit, ADMIN, KNOWN, documents.parse(file.read_bytes()), now=1_800_000_000)
    with store.write() as unit:
        subscriptions.subscribe(unit, ADMIN, KNOWN, KNOWN, 1, KNOWN, now=1_800_000_000)
        return operators.create_operator(unit, ADMIN, name="pia", role="partner", consumers=(KNOWN,), now=1).key


partners: list[str] = []
keys: list[str] = []
"""Of the seeded application."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    store = open_store(f"sqlite:///{tmp_path_factory.mktemp('registry')}/registry.db")
    partners.append(seed(store))
    with store.write() as unit:
        keys.append(credentials.create_api_key(unit, ADMIN, KNOWN, now=1).secret)
    desk = Desk(store, Settings(admin_key=KEY, key_guesses=1_000_000))  # guessing is tested elsewhere
    listening = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            listening.set()

    server = Server(uvicorn.Config(app.create(desk), port=0, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    assert listening.wait(30)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}/v1"
    server.should_exit = True
    thread.join(30)
    store.close()


schema = schemathesis.openapi.from_dict(SPECIFICATION)
quick = schemathesis.openapi.from_dict(
    SPECIFICATION, config=SchemathesisConfig.from_dict({"phases": {"coverage": {"enabled": False}}})
)
"""Without the many requests that are wrong in one place each: the first test sends these."""
some = settings(max_examples=5, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
few = settings(some, max_examples=2)


def _without_waiting(case: schemathesis.Case) -> schemathesis.Case:
    if isinstance(case.query, dict) and "wait" in case.query:
        case.query["wait"] = 0  # waiting is tested elsewhere
    return case


@schema.parametrize()
@some
def test_every_operation_keeps_its_word(case: schemathesis.Case, address: str) -> None:
    _without_waiting(case).call_and_validate(
        base_url=address,
        headers={"Authorization": f"Bearer {KEY}"},
        # whether good data is accepted depends on what stands in the registry
        excluded_checks=[checks.positive_data_acceptance],
    )


@quick.parametrize()
@few
def test_no_operation_answers_without_a_key_that_is_valid(case: schemathesis.Case, address: str) -> None:
    """The library's own check sends a request that succeeded once more without the key and with a wrong one."""
    answer = _without_waiting(case).call(base_url=address, headers={"Authorization": f"Bearer {KEY}"})
    case.validate_response(answer, checks=[checks.ignored_auth, schemathesis.checks.not_a_server_error])
    for headers in ({}, {"Authorization": "Basic YTpi"}, {"Authorization": f"Bearer wbo_{'0' * 12}_{'0' * 64}"}):
        stranger = case.call(base_url=address, headers=headers)
        # what the generator spoiled may be no address, or no method of it, and that everybody is told
        allowed = (401,) if answer.status_code < 300 else (401, 404, 405)
        if case.operation.definition.raw["operationId"] in governance.OWN:
            allowed = (400, 401, 404, 405)  # the generator sends a key of its own, and two credentials are one too many
        assert stranger.status_code in allowed, stranger.text


@quick.parametrize()
@few
def test_a_partner_gets_no_further_than_the_table(case: schemathesis.Case, address: str) -> None:
    answer = _without_waiting(case).call(base_url=address, headers={"Authorization": f"Bearer {partners[-1]}"})
    case.validate_response(answer, checks=[schemathesis.checks.not_a_server_error, checks.response_schema_conformance])
    operation = case.operation.definition.raw["operationId"]
    if operation in governance.OWN:
        assert answer.status_code in (400, 401, 404, 405), answer.text
    elif governance.reach("partner", operation) is governance.Reach.NONE:
        assert answer.status_code in (401, 403, 404, 405), answer.text  # by chance without address or key


@schema.include(tag="own").parametrize()
@some
def test_an_application_is_answered_about_itself(case: schemathesis.Case, address: str) -> None:
    case.headers.pop("X-API-Key", None)
    case.call_and_validate(
        base_url=address,
        headers={"X-API-Key": keys[-1]},
        excluded_checks=[checks.positive_data_acceptance, checks.ignored_auth],
    )
