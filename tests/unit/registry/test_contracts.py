from __future__ import annotations

from typing import Any

import msgspec
import pytest

from policies.model.contract import Contact, Contract, SiteParameter, Upstream
from registry import catalogue
from registry.contracts import delete_contract, register_contract
from registry.errors import Conflict, Forbidden, Invalid, NotFound
from registry.store import Unit
from tests.unit.registry.world import ADMIN, CONTRACT, MEMBER, NOW, OTHER, READER, publish, subscribe


def _with(**changes: Any) -> Contract:
    return msgspec.structs.replace(CONTRACT, **changes)


def test_registering_is_idempotent_and_replaces(unit: Unit) -> None:
    assert register_contract(unit, MEMBER, CONTRACT, now=NOW).changed is False
    changed = _with(title="Stock everywhere", default_major=1)
    assert register_contract(unit, MEMBER, changed, dry_run=True, now=NOW).changed is True
    assert catalogue.contract(unit, "stock") == CONTRACT
    saved = register_contract(unit, MEMBER, changed, now=NOW)
    assert (saved.created, saved.changed) == (False, True)
    assert catalogue.contract(unit, "stock") == changed
    assert register_contract(unit, MEMBER, _with(name="bins"), now=NOW).created is True
    assert [contract.name for contract in catalogue.contracts(unit, owner="stock-team")] == ["bins", "stock"]
    assert catalogue.contracts(unit, owner="order-team") == []


def test_members_register_for_their_own_team_only(unit: Unit) -> None:
    for actor, contract in (
        (OTHER, CONTRACT),
        (OTHER, _with(owner="order-team")),  # taking it
        (MEMBER, _with(owner="order-team")),  # giving it away
        (MEMBER, _with(name="bins", owner="order-team")),
        (READER, _with(name="bins")),
    ):
        with pytest.raises(Forbidden):
            register_contract(unit, actor, contract, now=NOW)
    assert register_contract(unit, ADMIN, _with(owner="order-team"), now=NOW).record.owner == "order-team"


UPSTREAM = "http://127.0.0.1/x"


@pytest.mark.parametrize(
    ("pointer", "contract"),
    [
        ("/name", _with(name="Stock")),
        ("/name", _with(name="healthz")),
        ("/title", _with(title=" ")),
        ("/owner", _with(owner="nobody")),
        ("/ruleset", _with(ruleset="harsh")),
        ("/contacts/0/name", _with(contacts=(Contact(name=""),))),
        ("/default_major", _with(default_major=-1)),
        ("/site/name", _with(site=SiteParameter(place="path", name="site id"))),
        ("/site/aliases/1", _with(site=SiteParameter(place="path", name="siteId", aliases={"1": "DAL 2"}))),
        ("/site_by_major", _with(site_by_major={"v1": None})),
        ("/site_by_major/9999999999", _with(site_by_major={"9999999999": None})),
        ("/site_by_major/1/name", _with(site_by_major={"1": SiteParameter(place="query", name="")})),
        ("/upstreams", _with(upstreams={"DAL 2": Upstream(url=UPSTREAM)})),
        ("/upstreams", _with(upstreams={"a/b": Upstream(url=UPSTREAM)})),
        ("/contacts/0/url", _with(contacts=(Contact(name="desk", url="javascript:alert(1)"),))),
        ("/contacts/0/url", _with(contacts=(Contact(name="desk", url="JAVASCRIPT:alert(1)"),))),
        ("/contacts/0/url", _with(contacts=(Contact(name="desk", url="data:text/html,x"),))),
        ("/contacts/0/url", _with(contacts=(Contact(name="desk", url="//desk.example"),))),
        ("/contacts/0/url", _with(contacts=(Contact(name="desk", url="https://desk.example/>;rel=x"),))),
        ("/contacts/0/url", _with(contacts=(Contact(name="desk", url="https://desk.example/ x"),))),
        ("/contacts/0/url", _with(contacts=(Contact(name="desk", url="https:// desk.example/"),))),
        ("/contacts/0/url", _with(contacts=(Contact(name="desk", url="mailto:nobody"),))),
        ("/contacts/0/url", _with(contacts=(Contact(name="desk", url="https://u:p@desk.example"),))),
        ("/contacts/0/email", _with(contacts=(Contact(name="desk", email="desk"),))),
        ("/contacts/0/email", _with(contacts=(Contact(name="desk", email="desk@x.example\r\nBcc: y"),))),
        ("/upstreams/a/url", _with(upstreams={"a": Upstream(url="http://169.254.169.254/latest")})),
        ("/upstreams/a/url", _with(upstreams={"a": Upstream(url="http://[::ffff:169.254.169.254]/")})),
        ("/upstreams/a/url", _with(upstreams={"a": Upstream(url="http://0.0.0.0:80/")})),
        ("/upstreams/a/url", _with(upstreams={"a": Upstream(url="http://0xa9fea9fe/")})),
        ("/upstreams/a/url", _with(upstreams={"a": Upstream(url="http://224.0.0.1/")})),
        ("/upstreams/a/url", _with(upstreams={"a": Upstream(url="file:///etc/passwd")})),
        ("/internal_extensions/0", _with(internal_extensions=("runbook",))),
        ("/upstreams/a/url", _with(upstreams={"a": Upstream(url="ftp://host/x")})),
        ("/upstreams/a/url", _with(upstreams={"a": Upstream(url="http:///x")})),
        ("/upstreams/a/url", _with(upstreams={"a": Upstream(url="http://host:99999/x")})),
        ("/upstreams/a/url", _with(upstreams={"a": Upstream(url="http://[::1/x")})),
        ("/upstreams/a/url", _with(upstreams={"a": Upstream(url="http://u:p@host/x")})),
        ("/upstreams/a/url", _with(upstreams={"a": Upstream(url="http://host/x?y=1")})),
        ("/upstreams/a/url", _with(upstreams={"a": Upstream(url="http://host/{minor}")})),
        ("/upstreams/a/url", _with(upstreams={"a": Upstream(url="http://{major}.host/x")})),
        ("/upstreams/a/url", _with(upstreams={"a": Upstream(url="${HUB}/x")})),
        ("/upstreams/a/connect_timeout", _with(upstreams={"a": Upstream(url=UPSTREAM, connect_timeout=0)})),
        ("/upstreams/a/total_timeout", _with(upstreams={"a": Upstream(url=UPSTREAM, total_timeout=float("nan"))})),
        ("/upstreams/a/max_concurrent", _with(upstreams={"a": Upstream(url=UPSTREAM, max_concurrent=0)})),
        ("/max_body_bytes", _with(max_body_bytes=0)),
    ],
)
def test_malformed_contracts(unit: Unit, pointer: str, contract: Contract) -> None:
    with pytest.raises(Invalid) as caught:
        register_contract(unit, ADMIN, contract, now=NOW)
    assert caught.value.pointer == pointer


def test_a_contract_with_partners_does_not_become_internal(unit: Unit) -> None:
    publish(unit)
    subscribe(unit)
    with pytest.raises(Conflict, match="oakhurst-procurement"):
        register_contract(unit, MEMBER, _with(audience="internal"), now=NOW)


def test_a_contract_is_deleted_while_it_has_no_versions(unit: Unit) -> None:
    with pytest.raises(Forbidden):
        delete_contract(unit, OTHER, "stock", now=NOW)
    delete_contract(unit, MEMBER, "stock", dry_run=True, now=NOW)
    delete_contract(unit, MEMBER, "stock", now=NOW)
    with pytest.raises(NotFound):
        delete_contract(unit, MEMBER, "stock", now=NOW)


def test_a_contract_with_versions_is_kept(unit: Unit) -> None:
    publish(unit)
    with pytest.raises(Conflict, match="1 versions"):
        delete_contract(unit, ADMIN, "stock", now=NOW)


@pytest.mark.parametrize(
    "contact",
    [
        Contact(name="desk", email="desk@larkfield.example", url="https://larkfield.example/desk?a=b#c"),
        Contact(name="desk", url="mailto:desk@larkfield.example"),
        Contact(name="desk", url="http://desk.internal:8080/"),
    ],
)
def test_contacts_that_are_links(unit: Unit, contact: Contact) -> None:
    register_contract(unit, ADMIN, _with(contacts=(contact,)), now=NOW)


@pytest.mark.parametrize(
    "url", ["http://10.1.2.3:8080/v{major}", "http://127.0.0.1:9", "https://stock", "http://[fd12::1]/"]
)
def test_upstreams_may_be_within(unit: Unit, url: str) -> None:
    register_contract(unit, ADMIN, _with(upstreams={"a": Upstream(url=url)}), now=NOW)
