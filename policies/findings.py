"""Design-time verdicts are values: a `Finding` says what, where and what to do; a `Report` says what was covered.

A verdict has three values. *Not evaluated* is never green: a report that covered nothing does not pass.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from hashlib import sha256
from typing import Any, Literal

import msgspec
from msgspec import Struct


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


Verdict = Literal["pass", "fail", "not-evaluated"]
Proof = Literal["proved", "witnessed", "rule", "unproven"]
"""How a finding was established: by containment, by a concrete payload, by a named rule, or not at all."""


class Finding(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that is wrong or changed.

    `pointer` is a JSON pointer into the (new) document, `old_pointer` into the old one; where they point into a shared
    definition, `used_at` is the place in the new document that refers to it. `fix` is the compatible way to
    get what was wanted. `witness` is a payload the old contract accepts and the new one refuses (or the other way
    round for responses). `direction` is ``request`` or ``response``.
    """

    rule: str
    severity: Severity
    message: str
    pointer: str = ""
    old_pointer: str | None = None
    used_at: str | None = None
    operation: str | None = None
    direction: Literal["request", "response"] | None = None
    fix: str | None = None
    witness: Any = None
    proof: Proof | None = None
    change: str | None = None
    """What a family knows of the place and the shape of a change that outlives unrelated edits; else the operation and
    the pointer stand for it."""

    @property
    def fingerprint(self) -> str:
        """Stable across rebases and unrelated edits; another one when the change's place or shape is another."""
        change = self.change
        if change is None:
            change = "\n".join((self.operation or "", self.pointer or self.old_pointer or ""))
        return sha256("\n".join((self.rule, self.direction or "", change)).encode()).hexdigest()[:16]


class Waiver(Struct, frozen=True, kw_only=True):
    """An accepted finding. Void from `expires_at` (unix seconds) on. `approver` is never `author`."""

    id: str
    contract: str
    fingerprint: str
    rule: str
    reason: str
    author: str
    approver: str
    expires_at: int


class RulesetRef(Struct, frozen=True, kw_only=True):
    name: str
    version: str


class Report(Struct, frozen=True, kw_only=True):
    """What was found, by which ruleset, over what. `coverage` counts what was looked at (``{"operations": 6}``)."""

    family: str
    ruleset: RulesetRef
    findings: tuple[Finding, ...] = ()
    coverage: dict[str, int] = {}
    waived: tuple[Waiver, ...] = ()

    @property
    def verdict(self) -> Verdict:
        if any(finding.severity is Severity.ERROR for finding in self.findings):
            return "fail"
        return "pass" if any(self.coverage.values()) else "not-evaluated"

    def waive(self, waivers: Iterable[Waiver], now: int) -> Report:
        """The same report with every finding that a valid waiver covers moved out of the findings and named.

        A waiver covers what its approver read: the fingerprint says which finding, the rule what kind of thing it is.
        """
        valid = {(waiver.rule, waiver.fingerprint): waiver for waiver in waivers if waiver.expires_at > now}
        used = {key: valid[key] for f in self.findings if (key := (f.rule, f.fingerprint)) in valid}
        kept = tuple(finding for finding in self.findings if (finding.rule, finding.fingerprint) not in used)
        return msgspec.structs.replace(self, findings=kept, waived=self.waived + tuple(used.values()))


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Reports do not depend on the order of keys in a document: errors first, then by place, then by rule."""
    rank = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}
    return tuple(sorted(findings, key=lambda f: (rank[f.severity], f.pointer, f.rule, f.direction or "", f.message)))
