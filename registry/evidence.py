"""What a judgement rests on: reports, comparisons, who is touched. Gathers facts; decides nothing itself.

    Publication                             the whole judgement of one publish or transition
    judge(unit, contract, number, document, ruleset) -> Judged      lint, and compat against every live version
    touched(unit, contract, major, judged, ends, now) -> Impact     who uses the major, and who of them is hurt
    weigh(unit, transition, judged, ...) -> Report                  the gates' answer
    admitted(publication, gates) -> Publication                     or `Rejected`
    keep(unit, publication, ruleset, *, now)                        remember the judgement beside the version

Judging is slow next to everything else here, and depends on nothing but two documents and a ruleset; results are
remembered by their digests. So judging first in a read unit (a dry run) makes the same judgement cheap inside the write
unit that follows, and the writers' lock is held briefly.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec

from policies import compat, impact, lifecycle, lint
from policies.findings import Finding, Report, Severity, Waiver
from policies.impact import Impact
from policies.lifecycle import Compared, Transition
from policies.model.access import Application, Subscription
from policies.model.contract import Contract, Stage
from policies.model.document import Document
from policies.rulesets import Ruleset
from policies.subscribing import HELD
from registry import catalogue, usage, waivers
from registry.errors import Rejected
from registry.store import Unit
from registry.store.records import StoredEvidence, StoredVersion

if TYPE_CHECKING:
    from policies.compat import Comparison

T = TypeVar("T")
_REMEMBERED = 256
OBSERVED_DAYS = 35
"""How far back observed use is looked at: whoever calls once a month is seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What lint and the differ said. Gates get it as it was said and weigh waivers themselves; people get it `waived`.

    `comparisons` are with every live version of the major, oldest first; `previous` is with the newest live version of
    an earlier major, and only there when the major has no live version yet.
    """

    lint: Report
    comparisons: tuple[Compared, ...] = ()
    previous: Compared | None = None

    @property
    def bump(self) -> str:
        """The step the change needs from the newest live version it follows; ``major`` when it breaks any."""
        compared = self.comparisons or ((self.previous,) if self.previous else ())
        if not compared:
            return "initial"
        if any(entry.change.bump == "major" for entry in compared):
            return "major"
        return compared[-1].change.bump

    def waived(self, granted: tuple[Waiver, ...], now: int) -> Judged:
        """The same with waived findings moved out of the findings, and the waivers it leaned on named."""

        def lean(compared: Compared) -> Compared:
            comparison = cast("Comparison", compared.change)
            report = comparison.report.waive(granted, now)
            return Compared(compared.number, msgspec.structs.replace(comparison, report=report))

        if not granted:
            return self
        return Judged(
            lint=self.lint.waive(granted, now),
            comparisons=tuple(lean(compared) for compared in self.comparisons),
            previous=lean(self.previous) if self.previous else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """The judgement of one publish or transition, and what came of it.

    `created` is false when nothing had to change (same number, same digest, same stage); then there is no judgement.
    `bump` is ``major``, ``minor``, ``patch``, ``none``, ``initial`` (nothing to compare with) or ``None`` (not judged).
    `also` are the numbers of older versions of the major that moved along.
    """

    version: StoredVersion
    created: bool
    action: str
    judged: Judged | None = None
    gates: Report | None = None
    impact: Impact | None = None
    also: tuple[str, ...] = ()
    dry_run: bool = False

    @property
    def bump(self) -> str | None:
        return self.judged.bump if self.judged else None

    @property
    def lint(self) -> Report | None:
        return self.judged.lint if self.judged else None

    @property
    def comparisons(self) -> tuple[Compared, ...]:
        return self.judged.comparisons if self.judged else ()

    @property
    def previous(self) -> Compared | None:
        return self.judged.previous if self.judged else None

    def to_dict(self) -> dict[str, Any]:
        """The wire shape: plain JSON.

        Reports are ``{"family", "ruleset", "verdict", "findings", "coverage", "waived"}``; a comparison is that of the
        differ with ``"against": number`` and ``"waived"`` added; every finding carries its ``fingerprint``.
        """
        return {
            "version": msgspec.to_builtins(self.version),
            "created": self.created,
            "dry_run": self.dry_run,
            "action": self.action,
            "bump": self.bump,
            "also": list(self.also),
            "lint": report_dict(self.lint),
            "comparisons": [comparison_dict(entry) for entry in self.comparisons],
            "previous": comparison_dict(self.previous) if self.previous else None,
            "gates": report_dict(self.gates),
            "impact": None if self.impact is None else impact_dict(self.impact),
        }


def judge(unit: Unit, contract: Contract, number: str, document: Document, ruleset: Ruleset) -> Judged:
    """Lint the document and compare it with every live version of its major, or else with the newest before it."""
    major = int(number.partition(".")[0])
    live = [version for version in catalogue.live(unit, contract.name) if version.number != number]
    bind = set(lifecycle.binding(version.number for version in live))
    live = [version for version in live if version.number in bind]
    same = [version for version in live if version.major == major]
    before = [version for version in live if version.major < major]
    trees = unit.trees(version.digest for version in same + before[-1:])

    def compared(version: StoredVersion) -> Compared:
        return Compared(version.number, compare(Document(trees[version.digest]), document, ruleset))

    return Judged(
        lint=_remember(("lint", document.digest, ruleset.ref), lambda: lint.check(document, ruleset)),
        comparisons=tuple(compared(version) for version in same),
        previous=compared(before[-1]) if before and not same else None,
    )


def compare(old: Document, new: Document, ruleset: Ruleset) -> Comparison:
    """The differ's answer, remembered."""
    return _remember(("compat", old.digest, new.digest, ruleset.ref), lambda: compat.check(old, new, ruleset))


def touched(
    unit: Unit, contract: str, major: int, *, judged: Judged | None = None, ends: bool = False, now: int
) -> Impact:
    """Subscribers of the major and who else called it lately; for one that nobody serves yet, those of the major it
    follows."""
    findings: list[Finding] = []
    document = None
    if judged is not None and judged.comparisons:
        for entry in judged.comparisons:
            findings.extend(entry.change.report.findings)
        newest = catalogue.live(unit, contract, major)
        served = [version for version in newest if version.number == judged.comparisons[-1].number]
        document = _document(unit, served[-1]) if served else None
    elif judged is None and (newest := catalogue.live(unit, contract, major)):
        document = _document(unit, newest[-1])  # nothing is found in it: it names what is called
    elif judged is not None and judged.previous is not None:
        major = int(judged.previous.number.partition(".")[0])
    return hurt_by(unit, contract, major, findings, document, ends=ends, now=now)


def _document(unit: Unit, version: StoredVersion) -> Document:
    return Document(unit.trees([version.digest])[version.digest])


def hurt_by(
    unit: Unit,
    contract: str,
    major: int,
    findings: Iterable[Finding],
    document: Document | None,
    *,
    ends: bool = False,
    now: int,
) -> Impact:
    """Whom a change of `document` touches: declared use and what gateways saw in the last `OBSERVED_DAYS` days."""
    seen = usage.observed(unit, contract, major, days=OBSERVED_DAYS, now=now)
    callers = subscribed(unit, contract, major, also=frozenset(use.application for use in seen))
    return impact.of(contract, major, callers, findings=findings, document=document, ends=ends, observed=seen)


def subscribed(unit: Unit, contract: str, major: int, *, also: frozenset[str] = frozenset()) -> list[Application]:
    """The applications with a subscription to the major, with that subscription only, and those of `also`."""
    subscribed = unit.subscriptions.all(contract=contract, major=major)
    plans = {entry.application: entry.plan for entry in subscribed if entry.state in HELD}
    if not plans and not also:
        return []
    audiences = {consumer.id: consumer.audience for consumer in unit.consumers.all()}
    return [
        Application(
            id=entry.id,
            name=entry.name,
            consumer=entry.consumer,
            audience=audiences[entry.consumer],
            party=entry.party,
            sites=entry.sites,
            scopes=entry.scopes,
            subscriptions=(Subscription(contract=contract, major=major, plan=plans[entry.id]),)
            if entry.id in plans
            else (),
        )
        for entry in unit.applications.all()
        if entry.id in plans or entry.id in also
    ]


def weigh(
    unit: Unit,
    transition: Transition,
    ruleset: Ruleset,
    *,
    judged: Judged | None,
    author: str,
    subscribers: tuple[str, ...] = (),
    ends: bool = False,
) -> Report:
    """Ask the gates. `subscribers` are the applications that lose the major by this transition, which `ends` it."""
    contract = transition.contract
    held = frozenset(subscribers)
    live = catalogue.live(unit, contract.name)
    return lifecycle.admit(
        transition,
        lifecycle.Evidence(
            now=transition.now,
            lint=judged.lint if judged else None,
            comparisons=judged.comparisons if judged else (),
            previous=judged.previous if judged else None,
            author=author,
            approver=transition.actor,
            subscribers=subscribers,
            callers=usage.callers(unit, contract.name, transition.major, held) if ends else (),
            observed_at=unit.uses.observed_at() if ends else None,
            live_numbers=tuple(version.number for version in live),
            ending_numbers=tuple(version.number for version in live if version.stage is Stage.DEPRECATED),
            owner_exists=unit.teams.get(contract.owner) is not None,
            waivers=waivers.approved(unit, contract.name),
        ),
        ruleset,
    )


def admitted(publication: Publication, gates: Report) -> Publication:
    """The publication with its gates. Raises `Rejected`, naming the first refusal, unless they passed."""
    complete = replace(publication, gates=gates)
    if gates.verdict == "pass":
        return complete
    version = publication.version
    errors = [finding for finding in gates.findings if finding.severity is Severity.ERROR]
    why = errors[0].message if errors else "no gate was asked, and what was not evaluated is never green"
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    raise Rejected(f"{publication.action} of {version.contract}@{version.number} is refused: {why}{more}", complete)


def keep(unit: Unit, publication: Publication, ruleset: Ruleset, *, now: int) -> None:
    """Remember the judgement beside the version, replacing the one of an earlier stage."""
    if publication.judged is None:
        return
    plain = publication.to_dict()
    unit.evidence.put(
        StoredEvidence(
            contract=publication.version.contract,
            number=publication.version.number,
            at=now,
            action=publication.action,
            ruleset=f"{ruleset.name}@{ruleset.version}",
            bump=publication.judged.bump,
            lint=plain["lint"],
            comparisons=tuple(plain["comparisons"] or ([plain["previous"]] if plain["previous"] else [])),
            gates=plain["gates"],
        )
    )


def impact_dict(made: Impact) -> dict[str, Any]:
    """Who is touched as plain JSON, the ids of those who are hurt spelled out."""
    return {**msgspec.to_builtins(made), "hurt": [touched.application for touched in made.hurt]}


def report_dict(report: Report | None) -> dict[str, Any] | None:
    """A report as plain JSON, its verdict and its findings' fingerprints spelled out."""
    if report is None:
        return None
    return {
        **msgspec.to_builtins(report),
        "verdict": report.verdict,
        "findings": [
            {**msgspec.to_builtins(finding), "fingerprint": finding.fingerprint} for finding in report.findings
        ],
    }


def comparison_dict(compared: Compared) -> dict[str, Any]:
    """A comparison as the differ spells it, with the number it was made against."""
    comparison = cast("Comparison", compared.change)  # gates know it by its shape only
    plain = comparison.to_dict()
    for finding, printed in zip(comparison.report.findings, plain["findings"], strict=True):
        printed["witness"] = _storable(printed["witness"])
        printed |= {"fingerprint": finding.fingerprint, "fix": finding.fix, "used_at": finding.used_at}
    waived = [msgspec.to_builtins(waiver) for waiver in comparison.report.waived]
    return {"against": compared.number, **plain, "waived": waived}


def _storable(value: Any) -> Any:
    """A witness may have to hold what no database takes; it is shown with signs that stand for it."""
    if isinstance(value, str):
        return value.replace("\0", "\N{SYMBOL FOR NULL}").encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_storable(key): _storable(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_storable(entry) for entry in value]
    return str(value) if isinstance(value, int) and not -(2**63) <= value < 2**63 else value


# -- remembering ------------------------------------------------------------------------------------------------------

_memory: OrderedDict[tuple[Any, ...], Any] = OrderedDict()
_memory_lock = threading.Lock()


def _remember(key: tuple[Any, ...], make: Callable[[], T]) -> T:
    # results are immutable and depend on the key alone, so two threads making the same one is waste, not harm
    with _memory_lock:
        if key in _memory:
            _memory.move_to_end(key)
            found: T = _memory[key]
            return found
    made = make()
    with _memory_lock:
        _memory[key] = made
        while len(_memory) > _REMEMBERED:
            _memory.popitem(last=False)
    return made
