"""The command line against a running registry: what it prints, leaves unchanged and refuses to leave half done."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.certificates import authority, made
from tests.e2e.conftest import CUSTOMER, ROOT, Running
from weighbridge.errors import Exit

REFUSED = ROOT / "specs/services/inventory-availability/refused/2.2.0.yaml"


def answer(up: Running, *arguments: str) -> Any:
    return json.loads(up.run(*arguments, "--format", "json").stdout)


def test_a_refused_publish_names_each_thing_once(up: Running) -> None:
    refused = up.run("publish", str(REFUSED))
    assert refused.returncode == Exit.REFUSED
    assert refused.stderr == (
        "weighbridge: publish of inventory-availability@2.2.0 is refused by lifecycle.breaking-needs-new-major\n"
    )
    lines = refused.stdout.splitlines()
    assert lines[0] == "compared with 2.0.0 and 2.1.0: breaking, bump major"
    assert sum(line.startswith("error") for line in lines) == 2
    assert f"hurts {CUSTOMER} (Oakhurst procurement, oakhurst-mechanical)" in lines
    assert any(line.strip().startswith("why: Readers never wrote the code for its absence. Keep") for line in lines)


def test_a_file_that_the_registry_cannot_read_is_named_with_its_line(up: Running, tmp_path: Path) -> None:
    twice = tmp_path / "twice.yaml"
    twice.write_text("openapi: 3.1.0\nopenapi: 3.1.0\n")
    refused = up.run("publish", "--contract", "shipment", str(twice))
    assert refused.returncode == Exit.UNREADABLE
    assert f"  {twice}:2: /openapi: the key 'openapi' stands here twice (first on line 1)\n" in refused.stderr


def test_publishing_to_a_contract_that_is_not_there_says_what_registers_it(up: Running) -> None:
    refused = up.run("publish", "--contract", "nowhere", str(REFUSED))
    assert (refused.returncode, refused.stdout) == (Exit.UNREADABLE, "")
    assert "has no contract nowhere: `weighbridge apply DIR` registers it" in refused.stderr


def test_a_dry_run_judges_the_versions_of_a_contract_that_is_not_there_yet(up: Running, tmp_path: Path) -> None:
    (tmp_path / "contract.yaml").write_text("name: fresh\ntitle: Fresh\nowner: fresh-desk\naudience: internal\n")
    (tmp_path / "1.0.0.yaml").write_text(
        "openapi: 3.1.0\ninfo: {title: Fresh, version: 1.0.0}\n"
        "paths: {/a: {get: {operationId: getA, responses: {'200': {description: A.}}}}}\n"
    )
    plan = up.run("apply", "--dry-run", str(tmp_path))
    assert plan.returncode == Exit.REFUSED
    assert "refused    version fresh@1.0.0  lint: fail" in plan.stdout
    assert "error   lint.operations-declare-security" in plan.stdout
    assert "nothing was changed" in plan.stdout
    assert up.run("versions", "fresh").returncode == Exit.UNREADABLE


def test_changing_an_application_keeps_what_was_not_given(up: Running) -> None:
    before = answer(up, "apps", "show", CUSTOMER)
    after = answer(up, "apps", "create", CUSTOMER, "--consumer", before["consumer"], "--party", before["party"])
    assert after == {name: before[name] for name in after}


def test_an_application_that_is_refused_leaves_no_consumer(up: Running) -> None:
    refused = up.run("apps", "create", "half", "--consumer", "half-made", "--scope", "no blanks")
    assert refused.returncode == Exit.UNREADABLE
    assert up.client.find("/v1/consumers/half-made") is None


def test_a_key_is_revoked_and_said_so_as_json(up: Running) -> None:
    held = answer(up, "apps", "key", CUSTOMER)["credential"]["id"]
    assert answer(up, "apps", "revoke", CUSTOMER, held) == {
        "application": CUSTOMER,
        "credential": held,
        "revoked": True,
    }


def test_a_key_is_rotated_and_both_are_listed_with_their_state(up: Running) -> None:
    old = answer(up, "apps", "key", CUSTOMER, "--label", "dock 4")["credential"]["id"]
    shown = up.run("apps", "rotate", CUSTOMER, old, "--overlap", "2d")
    assert shown.returncode == Exit.OK
    new = shown.stdout.split("_")[1]
    assert f"api-key {new} of {CUSTOMER}; this is the only time it is shown" in shown.stderr
    listed = {held["id"]: held for held in answer(up, "apps", "show", CUSTOMER)["credentials"]}
    assert [(listed[id_]["state"], listed[id_]["label"]) for id_ in (old, new)] == [
        ("expiring", "dock 4"),
        ("live", "dock 4"),
    ]
    assert up.run("apps", "rotate", CUSTOMER, old).returncode == Exit.REFUSED
    assert up.run("apps", "rotate", CUSTOMER, new, "--overlap", "soon").returncode == Exit.UNREADABLE


def test_certificates_and_who_issues_them(up: Running, tmp_path: Path) -> None:
    ca, own = authority("CN=Oakhurst CA"), made("CN=dock-4,O=Oakhurst")
    (tmp_path / "ca.pem").write_text(ca.pem)
    (tmp_path / "own.pem").write_text(own.pem)
    assert "would be trusted" in up.run("anchors", "put", "oakhurst", str(tmp_path / "ca.pem"), "--dry-run").stdout
    told = up.run("anchors", "put", "oakhurst", str(tmp_path / "ca.pem"))
    assert told.stdout == "oakhurst is trusted to name clients: CN=Oakhurst CA\n"
    assert [anchor["name"] for anchor in answer(up, "anchors", "list")] == ["oakhurst"]
    told = up.run("apps", "certificate", CUSTOMER, "--file", str(tmp_path / "own.pem"), "--label", "dock 4")
    assert f": sha-256 {sha256(own.der).hexdigest()}, until " in told.stdout
    named = answer(up, "apps", "certificate", CUSTOMER, "--anchor", "oakhurst", "--subject-dn", "CN=dock-5,O=Oakhurst")
    assert named["credential"]["subject"] == "CN=dock-5,O=Oakhurst"
    assert up.run("apps", "certificate", CUSTOMER, "--anchor", "oakhurst").returncode == Exit.UNREADABLE
    assert up.run("apps", "certificate", CUSTOMER, "--file", str(tmp_path / "ca.p12")).returncode == Exit.UNREADABLE
    assert up.run("anchors", "delete", "oakhurst").returncode == Exit.REFUSED
    answer(up, "apps", "revoke", CUSTOMER, named["credential"]["id"])
    assert answer(up, "anchors", "delete", "oakhurst") == {"anchor": "oakhurst", "deleted": True}


def test_deprecating_says_what_goes_with_it_and_who_is_subscribed(up: Running) -> None:
    would = up.run("deprecate", "shipment@1", "--sunset", "2031-01-31", "--successor", "2", "--dry-run")
    assert would.stdout.splitlines() == [
        "subscribed: brightwater-edi-bridge, close-reconciler, oakhurst-procurement",
        "shipment@1.2.0: would be deprecated, and with it 1.0.0 and 1.1.0",
    ]


@pytest.mark.parametrize("arguments", [("retire", "order-status@1"), ("unblock", "pricing@1")])
def test_what_changes_nothing_says_so(up: Running, arguments: tuple[str, ...]) -> None:
    assert up.run(*arguments).stdout.startswith("unchanged ")


def test_a_table_has_no_blanks_at_the_end_of_its_lines(up: Running) -> None:
    listed = up.run("plans").stdout.splitlines()
    assert [line for line in listed if line != line.rstrip()] == []
    assert any(
        line.split() == ["demo-tight", "4", "local", "tight", "5", "in", "10", "s", "all", "calls"] for line in listed
    )


def test_a_plan_is_put_shown_and_deleted(up: Running, tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    limits = "[{name: a-month, requests: 40, period: month}, {name: an-hour, requests: 9, period: hour}]"
    file.write_text(f"{{name: e2e, title: '[red] hot', time_zone: Asia/Tokyo, weights: {{getX: 3}}, limits: {limits}}}")
    assert up.run("plans", "put", str(file), "--dry-run").stdout == "plan e2e: would be created\n"
    assert up.run("plans", "show", "e2e").stderr.endswith("there is no plan 'e2e'\n")
    assert up.run("plans", "put", str(file)).stdout == "plan e2e: created\n"
    assert up.run("plans", "put", str(file)).stdout == "plan e2e: unchanged\n"
    shown = [line.split() for line in up.run("plans", "show", "e2e").stdout.splitlines()]
    assert shown[0] == ["e2e", "[red]", "hot"]
    assert ["a-month", "40", "a", "month", "(Asia/Tokyo)", "all", "calls"] in shown
    assert ["an-hour", "9", "an", "hour", "(Asia/Tokyo)", "all", "calls"] in shown
    assert ["getX", "3", "units", "every", "limit"] in shown
    held = json.loads(up.run("plans", "show", "e2e", "--format", "json").stdout)
    assert held == next(p for p in json.loads(up.run("plans", "--format", "json").stdout) if p["name"] == "e2e")
    again = tmp_path / "again.json"
    again.write_text(json.dumps(held))
    assert up.run("plans", "put", str(again)).stdout == "plan e2e: unchanged\n"
    file.write_text(file.read_text().replace("Tokyo", "Atlantis"))
    assert "/time_zone: 'Asia/Atlantis' is no IANA time zone" in up.run("plans", "put", str(file)).stderr
    assert up.run("plans", "delete", "e2e").stdout == "deleted plan e2e\n"


def test_verify_names_the_version_it_took(up: Running) -> None:
    base = f"http://127.0.0.1:{up.ports[3]}/pricing/v1"
    result = answer(up, "verify", "pricing", "--base-url", base, "--examples", "2", "--max-seconds", "60")
    assert result["contract"] == "pricing@1.1.0"
    assert {operation["operation"] for operation in result["operations"]} >= {"GET /prices"}


def test_the_audit_log_is_taken_along_and_proved_whole(up: Running, tmp_path: Path) -> None:
    verified = answer(up, "audit", "verify")
    assert verified["is_whole"]
    assert verified["rows"] > 50
    taken = tmp_path / "audit.jsonl"
    assert up.run("audit", "export", str(taken)).returncode == Exit.OK
    again = up.run("audit", "export", str(taken))
    assert again.returncode == Exit.UNREADABLE, "an older export is never overwritten"
    assert up.run("audit", "verify", str(taken), "--head", verified["head"]).stdout.startswith("whole: ")
    lines = taken.read_text().splitlines(keepends=True)
    lines[4] = lines[4].replace('"actor":"', '"actor":"not-')
    taken.write_text("".join(lines))
    broken = up.run("audit", "verify", str(taken))
    assert (broken.returncode, broken.stdout.splitlines()[0]) == (
        Exit.REFUSED,
        "broken at row 5: the row is not what was written, or not where it was written",
    )
    taken.write_text("".join(lines[:3]))
    cut = up.run("audit", "verify", str(taken), "--head", verified["head"])
    assert (cut.returncode, cut.stdout.splitlines()[0]) == (Exit.REFUSED, f"not in the chain: {verified['head']}")
    taken.write_text("")
    assert up.run("audit", "verify", str(taken)).returncode == Exit.UNDECIDED


def test_a_maintainer_lets_a_pipeline_in_for_an_hour(up: Running) -> None:
    def let_in(*arguments: str, key: str | None = None) -> Any:
        return json.loads(up.run("operators", "create", *arguments, "--format", "json", key=key).stdout)

    made = let_in("mara", "--role", "maintainer", "--team", "inventory-platform")
    mine = made["key"]
    robot = let_in(
        "stock-pipeline", "--role", "robot", "--contract", "inventory-availability", "--expires", "1h", key=mine
    )
    told = up.run("operators", "whoami", key=robot["key"]).stdout
    assert told == "stock-pipeline is a robot of inventory-availability\n"
    assert (
        "is refused by lifecycle.breaking-needs-new-major" in up.run("publish", str(REFUSED), key=robot["key"]).stderr
    )
    names = {line.split()[1] for line in up.run("operators", "list", key=mine).stdout.splitlines()[1:]}
    assert names - {"olga"} == {"mara", "stock-pipeline"}, "olga is who the guide to onboarding lets in"
    for refused, why in (
        (("x", "--role", "robot", "--contract", "inventory-availability", "--expires", "25h"), "within 24 hours"),
        (("x", "--role", "robot", "--contract", "shipment", "--expires", "1h"), "mara is a maintainer of the team"),
        (("x", "--role", "reader", "--expires", "soon"), "neither a span such as 30min, 8h or 90d nor a date"),
    ):
        done = up.run("operators", "create", *refused, key=mine)
        assert done.returncode != Exit.OK
        assert why in done.stderr
    assert up.run("operators", "revoke", robot["operator"]["id"], "--reason", "over", key=mine).stdout == (
        f"revoked {robot['operator']['id']} of stock-pipeline\n"
    )
    assert up.run("operators", "whoami", key=robot["key"]).returncode == Exit.UNREACHABLE
    assert up.run("operators", "revoke", made["operator"]["id"]).returncode == Exit.OK


def test_the_document_of_an_application_is_written_where_it_is_wanted(up: Running, tmp_path: Path) -> None:
    listed = answer(up, "apps", "contracts", CUSTOMER)
    assert [f"{item['contract']}@{item['major']}" for item in listed][:2] == [
        "inventory-availability@1",
        "inventory-availability@2",
    ]
    file = tmp_path / "inventory.json"
    made = up.run("apps", "contract", CUSTOMER, "inventory-availability@2", "--out", str(file))
    assert (made.returncode, made.stdout) == (Exit.OK, "")
    assert made.stderr == f"{file}: inventory-availability@2.1.0 as {CUSTOMER} may call it, 4 operations\n"
    tree = json.loads(file.read_text())
    assert tree["servers"] == [{"url": f"{up.gateway}/inventory-availability/v2"}]
    shown = up.run("apps", "contract", CUSTOMER, "inventory-availability@2", "--format", "json")
    assert json.loads(shown.stdout) == tree
    assert yaml.safe_load(up.run("apps", "contract", CUSTOMER, "inventory-availability@2").stdout) == tree
    retired = up.run("apps", "contract", CUSTOMER, "order-status@1")
    assert (retired.returncode, retired.stdout) == (Exit.REFUSED, "")
    assert "Use v2: /order-status/v2." in retired.stderr
    assert up.run("apps", "contract", CUSTOMER, "supplier-acknowledgement").returncode == Exit.REFUSED
    assert up.run("apps", "contract", CUSTOMER, "nothing").returncode == Exit.UNREADABLE
    assert up.run("apps", "contract", CUSTOMER, "pricing@1.1.0").returncode == Exit.UNREADABLE
