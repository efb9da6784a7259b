"""The audit log as a chain: a row holds a hash over itself and the row before, so nothing is changed in silence.

    sealed(row, previous) -> str           the hash of a row that follows the one with the hash `previous`
    line(row) -> bytes                     a row as it is exported: its canonical JSON, the hash as its last member
    verify(rows, *, heads) -> Verdict      from the first row on

The hash is SHA-256 (hex) of the previous row's hash, a line feed, and the row without its own hash and without members
that are null, as JSON with sorted names, no blanks, in UTF-8: a kind of row that gains a member later does not alter
what was sealed before. Anybody can compute that of an export without us. Who can write the database could make a
whole new chain: so keep the hash of the newest row (the *head*) elsewhere from time to time, and ask whether it is
still part of the chain. That is also what tells that the newest rows were cut off.

Must not know: the store. The one subtle thing: `seq` is part of what is sealed and grows by one, so rows can neither
trade places nor be taken out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import msgspec

GENESIS = "0" * 64
"""What stands for the hash of the row before the first."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`head` is the hash of the last good row. `broken` is the sequence number of the first row that is not as it was
    written, and `why` says what is wrong with it; `missing` are the heads asked for that are not in the chain."""

    rows: int
    head: str
    broken: int | None = None
    why: str | None = None
    missing: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        return self.broken is None and not self.missing


def sealed(row: Mapping[str, Any], previous: str) -> str:
    return sha256(previous.encode() + b"\n" + _canonical(row)).hexdigest()


def line(row: Mapping[str, Any]) -> bytes:
    """Without a line end."""
    return _canonical(row)[:-1] + b',"hash":"' + str(row["hash"]).encode() + b'"}'


def verify(rows: Iterable[Mapping[str, Any]], *, heads: Iterable[str] = ()) -> Verdict:
    """`rows` from the first on; `heads` are hashes that were noted earlier and must be found again."""
    head, whole = GENESIS, 0
    wanted = set(heads)
    for number, row in enumerate(rows, 1):
        seq, found = row.get("seq"), row.get("hash")
        if seq != number:
            return Verdict(whole, head, number, f"row {number} is missing: row {seq} follows row {whole}")
        if not isinstance(found, str) or sealed(row, head) != found:
            return Verdict(whole, head, number, "the row is not what was written, or not where it was written")
        head, whole = found, number
        wanted.discard(head)
    return Verdict(whole, head, missing=tuple(sorted(wanted)))


def _canonical(row: Mapping[str, Any]) -> bytes:
    told = {name: value for name, value in row.items() if value is not None and name != "hash"}
    return msgspec.json.encode(told, order="sorted")
