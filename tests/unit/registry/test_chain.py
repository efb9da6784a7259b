"""The chain of audit rows: whatever is changed, taken out, added or moved is found, at the first row it touches."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.chain import GENESIS, line, sealed, verify

Row = dict[str, Any]


def chained(count: int) -> list[Row]:
    rows: list[Row] = []
    head = GENESIS
    for seq in range(1, count + 1):
        row: Row = {"seq": seq, "at": 1_800_000_000 + seq, "actor": "ada", "subject": "teams/Zoë", "reason": None}
        head = row["hash"] = sealed(row, head)
        rows.append(row)
    return rows


def test_a_chain_is_whole_and_its_head_is_the_last_hash() -> None:
    rows = chained(3)
    verdict = verify(rows, heads=[rows[0]["hash"]])
    assert (verdict.is_whole, verdict.rows, verdict.head) == (True, 3, rows[2]["hash"])
    assert verify([]).head == GENESIS


@given(count=st.integers(1, 8), data=st.data())
def test_the_first_touched_row_is_named(count: int, data: st.DataObject) -> None:
    rows = chained(count)
    at = data.draw(st.integers(0, count - 1))
    what = data.draw(st.sampled_from(["change", "add member", "drop member", "remove", "repeat", "swap", "rehash"]))
    if what == "change":
        rows[at]["actor"] = "eve"
    elif what == "add member":
        rows[at]["more"] = 1
    elif what == "drop member":
        del rows[at]["at"]
    elif what == "remove" and at < count - 1:
        del rows[at]
    elif what == "repeat":
        rows.insert(at, rows[at])
        at += 1
    elif what == "swap" and at < count - 1:
        rows[at], rows[at + 1] = rows[at + 1], rows[at]
    elif what == "rehash" and at < count - 1:  # a forger mends the row itself, but not those behind it
        rows[at]["actor"] = "eve"
        rows[at]["hash"] = sealed(rows[at], rows[at - 1]["hash"] if at else GENESIS)
        at += 1
    else:
        assert verify(rows).is_whole
        return
    verdict = verify(rows)
    assert (verdict.is_whole, verdict.broken, verdict.rows) == (False, at + 1, at)


def test_rows_that_were_cut_off_are_missed_by_their_head() -> None:
    rows = chained(3)
    verdict = verify(rows[:2], heads=[rows[2]["hash"]])
    assert (verdict.is_whole, verdict.broken, verdict.missing) == (False, None, (rows[2]["hash"],))


def test_a_member_that_came_later_and_is_null_changes_nothing() -> None:
    rows = chained(2)
    assert verify([{**row, "source": None} for row in rows]).is_whole


@pytest.mark.parametrize("row", [{}, {"seq": 1}, {"seq": 1, "hash": 7}, {"seq": True, "hash": ""}])
def test_what_is_no_row_breaks_the_chain(row: Row) -> None:
    assert verify([row]).broken == 1


def test_an_exported_line_can_be_checked_without_us() -> None:
    rows = chained(2)
    previous = GENESIS
    for row in rows:
        text = line(row)
        assert msgspec.json.decode(text) == {name: value for name, value in row.items() if value is not None}
        body, _, _ = text.partition(b',"hash":"')
        previous = hashlib.sha256(previous.encode() + b"\n" + body + b"}").hexdigest()
        assert previous == row["hash"]
        again = json.dumps(json.loads(body + b"}"), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert again.encode() == body + b"}"
