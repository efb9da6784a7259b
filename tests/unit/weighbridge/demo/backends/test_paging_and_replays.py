from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from weighbridge.demo.backends.exchange import INSIDE, Call, Refusal, Reply
from weighbridge.demo.backends.paging import page
from weighbridge.demo.backends.places import BY_ID
from weighbridge.demo.backends.replays import answered_once
from weighbridge.demo.backends.store import Record, Records, Store

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)


@pytest.fixture
def call(tmp_path: Path) -> Iterator[Call]:
    records = Records(Store(tmp_path / "dal-2.db"), {})
    yield Call(
        site=BY_ID["DAL-2"],
        records=records,
        caller=INSIDE,
        now=NOW,
        contract="order-status",
        number="2.1.0",
        operation_id="listOrders",
    )
    records.close()


def of(count: int) -> list[Record]:
    # two records share each instant, so that the id has to break the tie
    return [Record("order", f"{n:03d}", "", NOW + timedelta(minutes=n // 2), {"n": n}) for n in range(count)]


def sweep(call: Call, records: list[Record], limit: int, **options: Any) -> list[int]:
    seen: list[int] = []
    cursor: str | None = None
    for _ in range(len(records) + 1):
        query = {"limit": limit} | ({"cursor": cursor} if cursor else {})
        body = page(replace(call, query=query), records, lambda record: record.body, **options)
        seen += [item["n"] for item in body["items"]]
        assert len(body["items"]) <= limit
        cursor = body["page"].get("nextCursor")
        if cursor is None:
            return seen
    raise AssertionError("a list without end")


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
def test_a_sweep_sees_everything_once(call: Call, limit: int) -> None:
    assert sweep(call, of(7), limit) == list(range(7))
    backwards = list(reversed(of(7)))
    assert sweep(call, backwards, limit, newest_first=True) == list(range(6, -1, -1))
    assert sweep(call, [], limit) == []


def test_changed_since_is_inclusive_and_hidden_records_take_no_place(call: Call) -> None:
    since = replace(call, query={"changedSince": "2026-03-31T12:02:00Z", "limit": 2})
    body = page(since, of(9), lambda record: record.body if record.body["n"] % 2 else None)
    assert [item["n"] for item in body["items"]] == [5, 7]
    assert "nextCursor" not in body["page"]
    with pytest.raises(Refusal, match="no instant"):
        page(replace(call, query={"changedSince": "2026-03-31T12:00:00"}), [], lambda record: None)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"query": {"cursor": "bm8", "limit": 2}}, "no cursor of ours"),
        ({"query": {"cursor": "W10", "limit": 2}}, "no cursor of ours"),
        ({"query": {"cursor": "CURSOR", "limit": 2, "phase": "DONE"}}, "another filter"),
        ({"site": BY_ID["PHX-1"]}, "another filter"),
        ({"now": NOW + timedelta(hours=25)}, "expired"),
        ({}, None),
    ],
)
def test_a_cursor_holds_for_its_filter_and_a_day(call: Call, change: dict[str, Any], why: str | None) -> None:
    first = page(replace(call, query={"limit": 2}), of(5), lambda record: record.body)
    cursor = first["page"]["nextCursor"]
    query = {name: cursor if value == "CURSOR" else value for name, value in change.get("query", {}).items()}
    later = replace(call, **({"query": {"limit": 2, "cursor": cursor}} | change | ({"query": query} if query else {})))
    if why is None:
        assert [item["n"] for item in page(later, of(5), lambda record: record.body)["items"]] == [2, 3]
        return
    with pytest.raises(Refusal, match=why) as refused:
        page(later, of(5), lambda record: record.body)
    assert (refused.value.status, refused.value.code) == (400, "CURSOR_INVALID")


def test_a_key_stands_for_one_body_of_one_application_for_three_days(call: Call) -> None:
    done: list[Any] = []

    def handler(given: Call) -> Reply:
        done.append(given.body)
        return Reply(201, {"n": len(done)}, {"Location": "./1"})

    keyed = replace(call, headers={"idempotency-key": "key-00000001"}, body={"a": 1})
    first, again = answered_once(keyed, handler), answered_once(keyed, handler)
    assert (first.body, first.headers) == ({"n": 1}, {"Location": "./1"})
    assert (again.status, again.body) == (201, {"n": 1})
    assert again.headers == {"Location": "./1", "Idempotency-Replayed": "true"}
    with pytest.raises(Refusal) as refused:
        answered_once(replace(keyed, body={"a": 2}), handler)
    assert (refused.value.status, refused.value.code) == (422, "IDEMPOTENCY_KEY_REUSED")
    other = replace(keyed, caller=replace(INSIDE, application="other"))
    later = replace(keyed, now=NOW + timedelta(hours=73))
    unkeyed = replace(keyed, headers={})
    assert [answered_once(each, handler).body for each in (other, later, unkeyed)] == [{"n": 2}, {"n": 3}, {"n": 4}]


def test_a_refused_write_leaves_neither_record_nor_memory(call: Call) -> None:
    def refuses(given: Call) -> Reply:
        given.records.put(of(1)[0])
        raise Refusal(409, "INSUFFICIENT_STOCK", "no")

    keyed = replace(call, headers={"idempotency-key": "key-00000002"}, body={})
    with pytest.raises(Refusal):
        answered_once(keyed, refuses)
    assert call.records.get("order", "000") is None
    assert answered_once(keyed, lambda given: Reply(201, {"done": True})).body == {"done": True}
