from __future__ import annotations

import msgspec

from policies.model.contract import Contact
from registry import audit
from registry.store import Store, Unit
from registry.store.records import Credential, Operator, SigningKey, Team
from tests.unit.registry.world import ADMIN, MEMBER, NOW


def test_a_row_says_who_did_what_to_what_and_why(store: Store) -> None:
    with store.write() as unit:
        audit.record(unit, MEMBER, "team.wave", "teams/x", reason="hello", now=NOW)
    with store.read() as unit:
        entry = audit.entries(unit, limit=1).entries[0]
    assert (entry.actor, entry.role, entry.action, entry.subject, entry.reason, entry.at) == (
        "mia",
        "member",
        "team.wave",
        "teams/x",
        "hello",
        NOW,
    )
    assert (entry.before, entry.after) == (None, None)


def test_of_a_change_only_what_differs_is_kept(store: Store) -> None:
    before = Team(name="x", title="Old", contacts=(Contact(name="Mia"),))
    with store.write() as unit:
        audit.record(
            unit,
            ADMIN,
            "team.put",
            "teams/x",
            before=before,
            after=msgspec.structs.replace(before, title="New"),
            now=NOW,
        )
    with store.read() as unit:
        entry = audit.entries(unit, limit=1).entries[0]
    assert (entry.before, entry.after) == ({"title": "Old"}, {"title": "New"})


def test_secrets_and_their_digests_stay_out(store: Store) -> None:
    credential = Credential(id="1", application="a", kind="api-key", digest="dig-est", created_at=1, created_by="ada")
    operator = Operator(id="1", name="a", role="admin", digest="dig-est", created_at=1, created_by="ada")
    key = SigningKey(kid="1", private_pem="dig-est", public_jwk={}, created_at=1)
    with store.write() as unit:
        for thing in (credential, operator, key):
            audit.record(unit, ADMIN, "x", "x", after=thing, now=NOW)
    with store.read() as unit:
        assert "dig-est" not in repr(audit.entries(unit, subject="x"))
    assert "dig-est" not in repr((credential, operator, key))


def test_entries_are_paged_to_the_end(unit: Unit, store: Store) -> None:
    total = len(audit.entries(unit, limit=1000).entries)
    seen, cursor = [], None
    while True:
        page = audit.entries(unit, before=cursor, limit=4)
        seen += [entry.seq for entry in page.entries]
        cursor = page.next
        if cursor is None:
            break
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == total > 4
    assert audit.entries(unit, limit=total).next is None
