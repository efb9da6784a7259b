"""Who may what, over HTTP: every action of the table, by every role, on what is its own and on what is not.

The table says what should be; the answers of a running management API are compared with it, status by status. A new
operation has no case here and fails until it is given one.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from policies.governance import OWN, ROLES, TABLE, Reach, Role
from registry.api import app
from registry.api.handlers import HANDLERS
from tests.unit.registry.api.conftest import Registry, document, surroundings  # noqa: F401

TEAM_ROLES = ("maintainer", "member")
_numbers = itertools.count(1)


class World(Registry):
    """Two of everything. `mine` is the team inventory with its contract stock, and the consumer oakhurst; the other is
    the team orders with the internal contract tally, the partner brightwater, and the internal consumer tills."""

    def populate(self) -> None:
        self.seed()
        self.ok("PUT", "/v1/teams/orders", json={"title": "Orders"})
        tally = {"title": "Tally", "owner": "orders", "audience": "internal"}
        upstreams = {"upstreams": {"default": {"url": "http://127.0.0.1:9/v{major}"}}}
        self.ok("PUT", "/v1/contracts/tally", json=tally | upstreams)
        self.ok("PUT", "/v1/plans/silver", json={"title": "Silver"})
        self.ok("PUT", "/v1/consumers/brightwater", json={"name": "Brightwater", "audience": "partner"})
        self.ok("PUT", "/v1/consumers/tills", json={"name": "Tills", "audience": "internal"})
        for name in ("brightwater", "tills"):
            self.ok("PUT", f"/v1/applications/{name}", json={"name": name, "consumer": name})
        for name in ("idp", "spare"):
            issuer = {"issuer": f"https://{name}.example", "audience": "x", "jwks_uri": f"https://{name}.example/keys"}
            self.ok("PUT", f"/v1/issuers/{name}", json=issuer)
        given: dict[Role, dict[str, Any]] = {
            "maintainer": {"team": "inventory"},
            "member": {"team": "inventory"},
            "partner-manager": {"consumers": ["oakhurst"]},
            "partner": {"consumers": ["oakhurst"]},
            "robot": {"contract": "stock", "expires_in": 3600},
        }
        self.keys = {role: self.operator(role, role, **given.get(role, {}))["key"] for role in ROLES}
        for contract in ("stock", "tally"):
            for number, stage in (("1.0.0", "published"), ("1.1.0", "published"), ("1.2.0", "draft")):
                self.version(contract, number, stage)
            self.ok("PUT", f"/v1/contracts/{contract}/rollouts/1", json={"version": "1.1.0", "share": 5})
        self.version("stock", "1.4.0", "draft", key=self.keys["member"])
        self.version("tally", "1.4.0", "draft")
        self.ok("PUT", "/v1/applications/oakhurst/subscriptions/stock/1", json={"plan": "gold"})
        self.ok("PUT", "/v1/applications/tills/subscriptions/tally/1", json={"plan": "silver"})
        self.things = {
            True: {
                "team": "inventory", "contract": "stock", "consumer": "oakhurst", "holder": "oakhurst", "plan": "gold",
                "colleague": self.operator("mia", "member", team="inventory")["operator"]["id"],
                "person": self.operator("ollie", "partner", consumers=["oakhurst"])["operator"]["id"],
            },
            False: {
                "team": "orders", "contract": "tally", "consumer": "brightwater", "holder": "tills", "plan": "silver",
                "colleague": self.operator("otto", "member", team="orders")["operator"]["id"],
                "person": self.operator("berta", "partner", consumers=["brightwater"])["operator"]["id"],
            },
        }  # fmt: skip
        for things in self.things.values():
            things["credential"] = self.credential(things["consumer"])
            version = self.ok("GET", f"/v1/contracts/{things['contract']}/versions/1.0.0")
            things["digest"] = version["digest"]

    def operator(self, name: str, role: str, **given: Any) -> Any:
        return self.ok("POST", "/v1/operators", json={"name": name, "role": role, **given})

    def version(self, contract: str, number: str, stage: str, **options: Any) -> None:
        body = {"document": titled(contract, number), "stage": stage}
        self.ok("POST", f"/v1/contracts/{contract}/versions", json=body, **options)

    def credential(self, application: str) -> str:
        made = self.ok("POST", f"/v1/applications/{application}/credentials", json={"kind": "api-key"})
        return str(made["credential"]["id"])

    def waiver(self, contract: str) -> str:
        return str(self.ok("POST", f"/v1/contracts/{contract}/waivers", json=wish())["id"])


def titled(contract: str, number: str) -> str:
    """No two contracts share a document: who sees one would see the other's."""
    return document(number).replace("title: Stock", f"title: {contract}")


def wish() -> dict[str, Any]:
    return {
        "fingerprint": f"{next(_numbers):016x}",
        "rule": "lint.addresses-use-https",
        "reason": "not now",
        "expires_at": "2027-06-30",
    }


@dataclass(frozen=True)
class Case:
    """A request, its names filled in from the things; `ok` is the status when it is allowed. `before` makes what a call
    would use up."""

    method: str
    path: str
    body: Any = None
    ok: int = 200
    before: Callable[[World, dict[str, str]], dict[str, str]] | None = None


def _subscribed(world: World, things: dict[str, str]) -> dict[str, str]:
    path = f"/v1/applications/{things['holder']}/subscriptions/{things['contract']}/1"
    world.ok("PUT", path, json={"plan": things["plan"], "reason": "because"})
    return {}


def _unsubscribed(world: World, things: dict[str, str]) -> dict[str, str]:
    world.call("DELETE", f"/v1/applications/{things['consumer']}/subscriptions/stock/1")
    return {}


def _requested(world: World, things: dict[str, str]) -> dict[str, str]:
    path = f"/v1/applications/{things['holder']}/subscriptions"
    world.call("DELETE", f"{path}/{things['contract']}/1")
    world.ok("POST", path, json={"contract": things["contract"], "major": 1, "plan": things["plan"]})
    return {}


def _suspended(world: World, things: dict[str, str]) -> dict[str, str]:
    _subscribed(world, things)
    path = f"/v1/applications/{things['holder']}/subscriptions/{things['contract']}/1/transitions"
    world.ok("POST", path, json={"to": "suspended", "reason": "because"})
    return {}


def _keyed(world: World, things: dict[str, str]) -> dict[str, str]:
    return {"credential": world.credential(things["consumer"])}


def _rolled_out(world: World, things: dict[str, str]) -> dict[str, str]:
    world.ok("PUT", f"/v1/contracts/{things['contract']}/rollouts/1", json={"version": "1.1.0", "share": 5})
    return {}


def _waived(world: World, things: dict[str, str]) -> dict[str, str]:
    return {"waiver": world.waiver(things["contract"])}


def _moved(number: str, action: str, ok: int = 200, **more: Any) -> Case:
    body = {"action": action, "reason": "because", **more}
    return Case("POST", f"/contracts/{{contract}}/versions/{number}/transitions?dry_run=true", body, ok)


def _answered(to: str, before: Callable[[World, dict[str, str]], dict[str, str]]) -> Case:
    path = "/applications/{holder}/subscriptions/{contract}/1/transitions?dry_run=true"
    return Case("POST", path, {"to": to, "reason": "because"}, 200, before)


VERSION = "/contracts/{contract}/versions/1.0.0"
CONTRACT = {"title": "T", "owner": "{team}", "audience": "internal", "upstreams": {}}
CASES: dict[str, Case] = {
    "whoami": Case("GET", "/whoami"),
    "list_rules": Case("GET", "/rules"),
    "get_rule": Case("GET", "/rules/lint.addresses-use-https"),
    "lint_document": Case("POST", "/lint", {"document": document("1.0.0")}),
    "diff_documents": Case("POST", "/diff", {"old": document("1.0.0"), "new": document("1.1.0")}),
    "list_teams": Case("GET", "/teams"),
    "get_team": Case("GET", "/teams/{team}"),
    "put_team": Case("PUT", "/teams/{team}?dry_run=true", {"title": "T"}),
    "delete_team": Case("DELETE", "/teams/{team}?dry_run=true", ok=409),
    "list_operators": Case("GET", "/operators"),
    "get_operator": Case("GET", "/operators/{operator}"),
    "create_operator": Case("POST", "/operators", "operator", 201),
    "revoke_operator": Case("DELETE", "/operators/{operator}"),
    "list_contracts": Case("GET", "/contracts"),
    "get_contract": Case("GET", "/contracts/{contract}"),
    "put_contract": Case("PUT", "/contracts/{contract}?dry_run=true", CONTRACT | {"audience": "{audience}"}),
    "delete_contract": Case("DELETE", "/contracts/{contract}?dry_run=true", ok=409),
    "list_versions": Case("GET", "/contracts/{contract}/versions"),
    "get_version": Case("GET", VERSION),
    "get_version.unpublished": Case("GET", "/contracts/{contract}/versions/1.2.0"),
    "get_version_document": Case("GET", VERSION + "/document"),
    "get_document": Case("GET", "/documents/{digest}"),
    "diff_versions": Case("GET", "/contracts/{contract}/diff?from=1.0.0&to=1.1.0"),
    "get_version_evidence": Case("GET", VERSION + "/evidence"),
    "publish_version": Case("POST", "/contracts/{contract}/versions?dry_run=true", "1.3.0", 201),
    "publish_version.approve": Case("POST", "/contracts/{contract}/versions?dry_run=true", "1.2.0", 201),
    "move_version": _moved("1.2.0", "submit"),
    "move_version.submit": _moved("1.2.0", "submit"),
    "move_version.publish": _moved("1.4.0", "publish"),
    "move_version.deprecate": _moved("1.1.0", "deprecate", 422, sunset_at="2029-01-01", successor="2"),
    "move_version.archive": _moved("1.2.0", "archive"),
    "move_version.retire": _moved("1.1.0", "retire", 409),
    "move_version.block": _moved("1.1.0", "block"),
    "move_version.unblock": _moved("1.1.0", "unblock"),
    "move_version.forced": _moved("1.1.0", "retire", 409, forced=True),
    "put_preview_applications": Case(
        "PUT", "/contracts/{contract}/versions/1.2.0/preview-applications", {"applications": []}, 409
    ),
    "list_rollouts": Case("GET", "/contracts/{contract}/rollouts"),
    "put_rollout": Case("PUT", "/contracts/{contract}/rollouts/1?dry_run=true", {"version": "1.1.0"}, 200, _rolled_out),
    "end_rollout": Case("DELETE", "/contracts/{contract}/rollouts/1", None, 204, _rolled_out),
    "list_waivers": Case("GET", "/contracts/{contract}/waivers"),
    "get_waiver": Case("GET", "/contracts/{contract}/waivers/{waiver}", before=_waived),
    "ask_waiver": Case("POST", "/contracts/{contract}/waivers", "waiver", 201),
    "withdraw_waiver": Case("DELETE", "/contracts/{contract}/waivers/{waiver}", before=_waived),
    "approve_waiver": Case("PUT", "/contracts/{contract}/waivers/{waiver}/approval", before=_waived),
    "list_consumers": Case("GET", "/consumers"),
    "get_consumer": Case("GET", "/consumers/{consumer}"),
    "put_consumer": Case("PUT", "/consumers/{consumer}?dry_run=true", {"name": "N", "audience": "partner"}),
    "delete_consumer": Case("DELETE", "/consumers/{consumer}?dry_run=true", ok=409),
    "list_applications": Case("GET", "/applications"),
    "get_application": Case("GET", "/applications/{consumer}"),
    "put_application": Case("PUT", "/applications/{consumer}?dry_run=true", {"name": "N", "consumer": "{consumer}"}),
    "delete_application": Case("DELETE", "/applications/{consumer}?dry_run=true", ok=204),
    "list_credentials": Case("GET", "/applications/{consumer}/credentials"),
    "get_credential": Case("GET", "/applications/{consumer}/credentials/{credential}"),
    "create_credential": Case("POST", "/applications/{consumer}/credentials", {"kind": "client-secret"}, 201),
    "create_credential.certificate": Case(
        "POST", "/applications/{consumer}/credentials", {"kind": "certificate", "certificate": "none"}, 400
    ),
    "rotate_credential": Case(
        "POST", "/applications/{consumer}/credentials/{credential}/rotation", {"overlap_seconds": 60}, 201, _keyed
    ),
    "create_credential.subject": Case("POST", "/applications/{consumer}/credentials", "subject", 201),
    "revoke_credential": Case("DELETE", "/applications/{consumer}/credentials/{credential}"),
    "list_application_contracts": Case("GET", "/applications/{holder}/contracts"),
    "get_application_contract": Case("GET", "/applications/{holder}/contracts/{contract}/openapi.json"),
    "list_subscriptions": Case("GET", "/subscriptions"),
    "put_subscription": Case(
        "PUT", "/applications/{holder}/subscriptions/{contract}/1?dry_run=true", {"plan": "{plan}"}, 200, _subscribed
    ),
    "delete_subscription": Case(
        "DELETE", "/applications/{holder}/subscriptions/{contract}/1", None, 204, _subscribed
    ),
    "request_subscription": Case(
        "POST", "/applications/{consumer}/subscriptions?dry_run=true",
        {"contract": "stock", "major": 1, "plan": "{plan}"}, 201, _unsubscribed,
    ),
    "move_subscription": _answered("ended", _subscribed),
    "move_subscription.approve": _answered("active", _requested),
    "move_subscription.reject": _answered("rejected", _requested),
    "move_subscription.withdraw": _answered("withdrawn", _requested),
    "move_subscription.suspend": _answered("suspended", _subscribed),
    "move_subscription.resume": _answered("active", _suspended),
    "move_subscription.end": _answered("ended", _subscribed),
    "put_version_choice": Case(
        "PUT", "/applications/{holder}/subscriptions/{contract}/1/version?dry_run=true", {"pin": "1.1.0"}, 200,
        _subscribed,
    ),
    "report_rollback": Case(
        "POST", "/applications/{holder}/subscriptions/{contract}/1/rollback",
        {
            "tryout": "00", "at": "2027-01-15T08:00:00Z", "reason": "because", "tried": {"calls": 1, "failures": 1},
            "base": {"calls": 1, "failures": 0},
        },
    ),
    "list_plans": Case("GET", "/plans"),
    "get_plan": Case("GET", "/plans/{plan}", before=_subscribed),
    "put_plan": Case("PUT", "/plans/{plan}?dry_run=true", {"title": "T"}),
    "delete_plan": Case("DELETE", "/plans/{plan}?dry_run=true", None, 409, _subscribed),
    "list_issuers": Case("GET", "/issuers"),
    "get_issuer": Case("GET", "/issuers/idp"),
    "put_issuer": Case(
        "PUT", "/issuers/idp?dry_run=true",
        {"issuer": "https://idp.example", "audience": "y", "jwks_uri": "https://idp.example/keys"},
    ),
    "delete_issuer": Case("DELETE", "/issuers/spare?dry_run=true", ok=204),
    "list_anchors": Case("GET", "/trust-anchors"),
    "get_anchor": Case("GET", "/trust-anchors/none", ok=404),
    "put_anchor": Case("PUT", "/trust-anchors/none", {"certificates": "none"}, 400),
    "delete_anchor": Case("DELETE", "/trust-anchors/none", ok=404),
    "list_signing_keys": Case("GET", "/signing-keys"),
    "rotate_signing_key": Case("POST", "/signing-keys", ok=201),
    "withdraw_signing_key": Case("DELETE", "/signing-keys/unknown", ok=404),
    "discover_issuer": Case("POST", "/issuer-metadata", {"url": "https://169.254.169.254/"}, 400),
    "list_audit": Case("GET", "/audit"),
    "export_audit": Case("GET", "/audit/export"),
    "list_usage": Case("GET", "/usage"),
    "report_usage": Case(
        "POST", "/usage", {"source": "0" * 32, "sequence": 1, "uses": [], "credentials": []}, 200
    ),
    "get_snapshot": Case("GET", "/snapshot"),
}  # fmt: skip

OWNERLESS = {"list_operators", "list_contracts", "list_consumers", "list_applications", "list_subscriptions"} | {
    "list_plans", "list_audit",
}  # fmt: skip
"""Lists answer everybody who may read some of it; what they hold is tested on its own."""
UNSEEN_BY_TEAMS = (
    {"get_operator", "revoke_operator", "delete_subscription", "get_version.unpublished"}
    | {action for action in TABLE if action.startswith("move_subscription")}
    | {"put_version_choice"}
)


def expected(role: Role, action: str, mine: bool, ok: int) -> int:
    reach = TABLE[action][role]
    if action == "get_version.unpublished" and not (reach is Reach.ANY or (mine and reach is not Reach.NONE)):
        return 403 if TABLE["get_version"][role] is Reach.NONE else 404
    if action == "publish_version.approve" and role == "robot" and not mine:
        return 404  # what is approved is looked for first
    if reach is Reach.NONE:
        return 403
    if mine or reach is Reach.ANY or action in OWNERLESS:
        return ok
    if action == "create_operator":
        return 403 if role == "maintainer" else 400  # of a consumer that is not there for it
    return 403 if role in TEAM_ROLES and action not in UNSEEN_BY_TEAMS else 404


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Used by all, and changed by some."""
    yield from _populated(tmp_path_factory)


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Nothing in it is changed by any test."""
    yield from _populated(tmp_path_factory)


def _populated(factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(factory.mktemp("roles"))
    made.populate()
    yield made
    made.client.close()
    made.store.close()


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("{")


def body_of(case: Case, role: Role, things: dict[str, str]) -> Any:
    if case.body == "operator":
        wanted: dict[str, Any] = {"name": f"new-{next(_numbers)}", "role": "member", "team": things["team"]}
        if role == "partner-manager":
            wanted = {"name": f"new-{next(_numbers)}", "role": "partner", "consumers": [things["consumer"]]}
        return wanted
    if case.body == "waiver":
        return wish()
    if case.body == "subject":
        return {"kind": "subject", "issuer": "idp", "subject": f"subject-{next(_numbers)}"}
    if isinstance(case.body, str):
        return {"document": titled(things["contract"], case.body)}
    if isinstance(case.body, dict):
        return {
            key: things.get(value.strip("{}"), value) if _is_name(value) else value for key, value in case.body.items()
        }
    return case.body


def test_every_operation_and_every_detail_has_a_row_and_a_case() -> None:
    assert {action for action in TABLE if "." not in action} | OWN == set(HANDLERS)
    assert not OWN & set(TABLE)
    assert set(CASES) == set(TABLE) - {"get_contract.upstreams"}


@pytest.mark.parametrize("action", CASES)
def test_every_role_is_answered_as_the_table_says(world: World, action: str) -> None:
    case = CASES[action]
    wrong = []
    for role, mine in itertools.product(ROLES, (True, False)):
        things = {**world.things[mine], "audience": "partner" if mine else "internal"}
        things["operator"] = things["person" if role == "partner-manager" else "colleague"]
        if case.before is not None:
            things |= case.before(world, things)
        options: dict[str, Any] = {} if case.body is None else {"json": body_of(case, role, things)}
        answer = world.call(case.method, "/v1" + case.path.format(**things), key=world.keys[role], **options)
        should = expected(role, action, mine, case.ok)
        if answer.status_code != should:
            wrong.append((role, "mine" if mine else "foreign", should, answer.status_code, answer.text[:200]))
        if answer.status_code in (403, 404) and not mine and role in ("partner", "robot"):
            assert not any(name in answer.json()["detail"] for name in ("orders", "Brightwater", "otto")), answer.text
    assert wrong == []


@pytest.mark.parametrize("action", [action for action in CASES if "." not in action])
def test_nobody_is_let_in_without_a_key_or_with_a_wrong_one(world: World, action: str) -> None:
    case = CASES[action]
    things = {**world.things[True], "operator": "0" * 12, "waiver": "0" * 12}
    path = "/v1" + case.path.format(**things)
    world.problem(case.method, path, 401, "CREDENTIALS_MISSING", key=None, content=b"\xff{[")
    world.now += 61  # wrong keys are counted
    world.problem(case.method, path, 401, "CREDENTIALS_INVALID", key=f"wbo_{'0' * 12}_{'0' * 64}", content=b"\xff{[")


LISTS: dict[str, tuple[str, dict[Role, list[str]]]] = {
    "/operators": ("name", {
        "maintainer": ["maintainer", "member", "mia", "robot"],
        "partner-manager": ["ollie", "partner"],
    }),
    "/contracts": ("name", {
        "admin": ["stock", "tally"], "maintainer": ["stock", "tally"], "member": ["stock", "tally"],
        "partner-manager": ["stock", "tally"], "partner": ["stock"], "auditor": ["stock", "tally"],
        "robot": ["stock"], "reader": ["stock", "tally"],
    }),
    "/contracts/stock/versions": ("number", {
        "admin": ["1.0.0", "1.1.0", "1.2.0", "1.4.0"], "member": ["1.0.0", "1.1.0", "1.2.0", "1.4.0"],
        "partner-manager": ["1.0.0", "1.1.0"], "partner": ["1.0.0", "1.1.0"], "reader": ["1.0.0", "1.1.0"],
        "robot": ["1.0.0", "1.1.0", "1.2.0", "1.4.0"], "auditor": ["1.0.0", "1.1.0", "1.2.0", "1.4.0"],
    }),
    "/contracts/tally/versions": ("number", {
        "maintainer": ["1.0.0", "1.1.0"], "member": ["1.0.0", "1.1.0"], "reader": ["1.0.0", "1.1.0"],
    }),
    "/consumers": ("id", {
        "admin": ["brightwater", "oakhurst", "tills"], "member": ["brightwater", "oakhurst", "tills"],
        "partner-manager": ["oakhurst"], "partner": ["oakhurst"],
    }),
    "/applications": ("id", {
        "admin": ["brightwater", "oakhurst", "tills"], "maintainer": ["brightwater", "oakhurst", "tills"],
        "partner-manager": ["oakhurst"], "partner": ["oakhurst"],
    }),
    "/applications?consumer=brightwater": ("id", {
        "admin": ["brightwater"], "partner-manager": [], "partner": [],
    }),
    "/subscriptions": ("application", {
        "admin": ["oakhurst", "tills"], "auditor": ["oakhurst", "tills"], "maintainer": ["oakhurst"],
        "member": ["oakhurst"], "partner-manager": ["oakhurst"], "partner": ["oakhurst"],
    }),
    "/plans": ("name", {
        "admin": ["anonymous", "gold", "silver"], "member": ["anonymous", "gold", "silver"], "partner": ["gold"],
    }),
}  # fmt: skip


@pytest.mark.parametrize("path", LISTS)
def test_lists_hold_what_may_be_seen_and_nothing_else(still: World, path: str) -> None:
    name, roles = LISTS[path]
    held = {
        role: sorted(item[name] for item in still.ok("GET", f"/v1{path}", key=still.keys[role])["items"])
        for role in roles
    }
    assert held == roles


UNTOLD: dict[Role, tuple[str, ...]] = {
    "partner": ("brightwater", "tills", "berta", "orders", "tally", "silver", "127.0.0.1:9", "otto", "mia"),
    "partner-manager": ("brightwater", "tills", "berta", "otto", "mia"),
    "reader": ("oakhurst", "brightwater", "tills", "ollie", "berta", "otto", "mia"),
    "robot": ("brightwater", "tills", "berta", "orders", "tally", "silver", "otto", "mia"),
    "member": ("tills/subscriptions", "ollie", "berta", "otto"),
}
"""Words that no answer to anything that is read, one's own or not, may hold."""


@pytest.mark.parametrize("role", UNTOLD)
def test_nothing_that_is_read_tells_of_others(still: World, role: Role) -> None:
    told = []
    for action, case in CASES.items():
        if case.method != "GET" or case.before is not None:
            continue
        for mine in (True, False):
            things = {**still.things[mine]}
            things["operator"] = things["person" if role == "partner-manager" else "colleague"]
            path = "/v1" + case.path.format(**things)
            answer = still.call("GET", path, key=still.keys[role])
            if answer.is_success:
                told += [(action, word, answer.text) for word in UNTOLD[role] if word in answer.text.lower()]
    assert told == []


READ_ONLY = {
    "owner", "stage", "approver", "approved_at", "author", "created_by", "created_at", "role", "team", "digest", "id",
    "key", "secret", "revoked_at", "embedded", "revision", "actor", "is_admin", "major", "published_at", "block",
    "moved_by", "moved_at",
}  # fmt: skip


@pytest.mark.parametrize("action", [action for action, case in CASES.items() if case.body is not None])
def test_no_body_sets_what_is_not_its_to_set(still: World, action: str) -> None:
    """Every member of what the operation answers with, and what is sensitive anywhere, unless the body has it."""
    case, things = (
        CASES[action],
        {**still.things[True], "audience": "partner", "waiver": "0" * 12, "operator": "0" * 12},
    )
    given = body_of(case, "admin", things)
    operation = _operation(action.partition(".")[0])
    taken = set(_members(operation["requestBody"]["content"]["application/json"]["schema"]))
    answered = set()
    for status, response in operation["responses"].items():
        if status.startswith("2") and "content" in response:
            answered |= set(_members(response["content"]["application/json"]["schema"]))
    wrong = []
    assert set(given) <= taken
    for name in sorted((READ_ONLY | answered) - taken):
        answer = still.call(case.method, "/v1" + case.path.format(**things), json={**given, name: "x"})
        if answer.status_code != 400 or name not in answer.text:
            wrong.append((name, answer.status_code, answer.text[:200]))
    assert wrong == []


def _operation(name: str) -> dict[str, Any]:
    return next(
        item[method]
        for item in app.specification()["paths"].values()
        for method in ("get", "put", "post", "delete")
        if item.get(method, {}).get("operationId") == name
    )


def _members(schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        schema = app.specification()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    members: dict[str, Any] = schema.get("properties", {})
    return members
