"""Gates on the way out: consumers are told in time, where to go, and nobody is cut off unasked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from policies.findings import Severity
from policies.lifecycle.cases import DAY, NOW, case
from policies.lifecycle.gate import Refusal, gate
from policies.lifecycle.numbers import major_of, precedence
from policies.lifecycle.stages import Action
from policies.lifecycle.transition import Evidence, Transition
from policies.model.contract import Stage


def _day(instant: int) -> str:
    return datetime.fromtimestamp(instant, UTC).date().isoformat()


def _goes_on(transition: Transition, evidence: Evidence) -> bool:
    """Whether the major is still served, by a newer version: then nobody is cut off."""
    own = precedence(transition.number)
    return any(major_of(n) == transition.major and precedence(n) > own for n in evidence.live_numbers)


@gate(
    Action.DEPRECATE,
    forcible=True,
    passes=(case(Action.DEPRECATE, successor="2"), case(Action.DEPRECATE, successor="2.0.0")),
    blocks=(
        case(Action.DEPRECATE, successor=None),
        case(Action.DEPRECATE, successor="3"),
        case(Action.DEPRECATE, successor="1.0.0"),
        case(Action.DEPRECATE, successor="2", ending_numbers=("2.0.0",)),
    ),
)
def successor_named(transition: Transition, evidence: Evidence, options: Mapping[str, Any]) -> Iterator[Refusal]:
    """A deprecated version names a live successor: a newer version, or another major, that is not deprecated itself.

    Every reply carries a link to it. A deprecation without a way out only worries people, and one that leads to the
    next deprecation has them move twice.
    """
    successor = transition.successor
    own = precedence(transition.number)
    staying = [n for n in evidence.live_numbers if n not in evidence.ending_numbers]
    others = [n for n in staying if major_of(n) != transition.major or precedence(n) > own]
    majors = sorted({major_of(n) for n in others} - {transition.major})
    choices = [*map(str, majors), *sorted(others, key=precedence)]
    if successor in choices:
        return
    said = (
        f"{successor} is not a live version beside {transition.number} that stays"
        if successor
        else "no successor is named"
    )
    yield Refusal(said, f"name one of {', '.join(choices)}" if choices else "publish the successor first")


@gate(
    Action.DEPRECATE,
    passes=(case(Action.DEPRECATE, sunset_at=NOW + 200 * DAY),),
    blocks=(case(Action.DEPRECATE, sunset_at=None), case(Action.DEPRECATE, sunset_at=NOW)),
)
def sunset_in_the_future(transition: Transition, evidence: Evidence, options: Mapping[str, Any]) -> Iterator[Refusal]:
    """A deprecated version says on which day it will stop, and that day is still to come.

    The date is what consumers plan by; it is sent as ``Sunset`` with every reply (RFC 8594).
    """
    if transition.sunset_at is None:
        yield Refusal("no sunset is given", "say when it will stop being served")
    elif transition.sunset_at <= transition.now:
        yield Refusal(f"the sunset, {_day(transition.sunset_at)}, is past", "choose a later day")


@gate(
    Action.DEPRECATE,
    severity=Severity.WARNING,
    forcible=True,
    passes=(
        case(Action.DEPRECATE, sunset_at=NOW + 180 * DAY),
        case(Action.DEPRECATE, sunset_at=NOW + 30 * DAY, audience="internal"),
        case(Action.DEPRECATE, sunset_at=NOW + DAY, stage=Stage.DEPRECATED, deprecated_at=NOW - 180 * DAY),
    ),
    blocks=(
        case(Action.DEPRECATE, sunset_at=NOW + 179 * DAY),
        case(Action.DEPRECATE, sunset_at=NOW + 29 * DAY, audience="internal"),
    ),
    options={"partner_days": 180, "internal_days": 30},
)
def notice_long_enough(transition: Transition, evidence: Evidence, options: Mapping[str, Any]) -> Iterator[Refusal]:
    """Between deprecation and sunset lies the notice period of the contract's audience.

    Partners plan releases by the half-year and freeze before peak season; a shorter notice is one they cannot follow.
    Options ``partner_days`` and ``internal_days``.
    """
    if transition.sunset_at is None or transition.sunset_at <= transition.now:
        return  # sunset_in_the_future speaks of that
    told = transition.version.deprecated_at if transition.version else None
    since = transition.now if told is None else told
    days = int(options[f"{transition.contract.audience}_days"])
    if transition.sunset_at - since < days * DAY:
        yield Refusal(
            f"{(transition.sunset_at - since) // DAY} days of notice are fewer than the {days} promised to "
            f"{transition.contract.audience} callers",
            f"choose a sunset not before {_day(since + days * DAY)}",
        )


@gate(
    Action.DEPRECATE,
    forcible=True,
    passes=(
        case(Action.DEPRECATE, stage=Stage.DEPRECATED, deprecated_at=NOW, promised_sunset_at=NOW + 190 * DAY),
        case(Action.DEPRECATE, stage=Stage.DEPRECATED, deprecated_at=NOW),
    ),
    blocks=(case(Action.DEPRECATE, stage=Stage.DEPRECATED, deprecated_at=NOW, promised_sunset_at=NOW + 201 * DAY),),
)
def sunset_is_kept(transition: Transition, evidence: Evidence, options: Mapping[str, Any]) -> Iterator[Refusal]:
    """A sunset that was announced may be put off, not brought forward.

    Consumers have planned by it. An earlier day turns a plan into an outage.
    """
    promised = transition.version.sunset_at if transition.version else None
    if promised is not None and transition.sunset_at is not None and transition.sunset_at < promised:
        yield Refusal(f"{_day(promised)} was announced as the sunset", "choose that day or a later one")


@gate(
    Action.RETIRE,
    forcible=True,
    passes=(case(Action.RETIRE, promised_sunset_at=NOW),),
    blocks=(case(Action.RETIRE, promised_sunset_at=NOW + DAY), case(Action.RETIRE, promised_sunset_at=None)),
)
def notice_elapsed(transition: Transition, evidence: Evidence, options: Mapping[str, Any]) -> Iterator[Refusal]:
    """A version is retired no sooner than its sunset.

    Every reply has said until when it is served. From then on callers get 410; before, that would be a broken promise.
    """
    if transition.stage is not Stage.DEPRECATED:
        return  # stage_allows_action speaks of that
    sunset = transition.version.sunset_at if transition.version else None
    if sunset is None:
        yield Refusal("no sunset was ever announced", "deprecate it again with a sunset")
    elif transition.now < sunset:
        yield Refusal(f"it was promised until {_day(sunset)}", "wait, or let an admin force it and say why")


@gate(
    Action.RETIRE,
    forcible=True,
    passes=(
        case(Action.RETIRE),
        case(Action.RETIRE, subscribers=("acme",), live_numbers=("1.0.0", "1.1.0")),
    ),
    blocks=(case(Action.RETIRE, subscribers=("acme", "oakhurst")),),
)
def nobody_still_subscribes(
    transition: Transition, evidence: Evidence, options: Mapping[str, Any]
) -> Iterator[Refusal]:
    """No application is subscribed to the major that ends with this version.

    A subscription is somebody's running integration. Help them to the successor first; then end their subscriptions.
    """
    if _goes_on(transition, evidence):
        return
    if evidence.subscribers:
        first = ", ".join(sorted(evidence.subscribers)[:5])
        more = f" and {len(evidence.subscribers) - 5} more" if len(evidence.subscribers) > 5 else ""
        yield Refusal(
            f"still subscribed: {first}{more}", "move them to the successor, or let an admin force it and say why"
        )


@gate(
    Action.RETIRE,
    forcible=True,
    passes=(
        case(Action.RETIRE),
        case(Action.RETIRE, callers=(("acme", NOW - 14 * DAY),)),
        case(Action.RETIRE, callers=(("acme", NOW),), live_numbers=("1.0.0", "1.1.0")),
    ),
    blocks=(
        case(Action.RETIRE, callers=(("acme", NOW - 13 * DAY),)),
        case(Action.RETIRE, callers=(("acme", NOW - DAY), ("oakhurst", NOW - 20 * DAY))),
    ),
    options={"quiet_days": 14},
)
def nobody_still_calls(transition: Transition, evidence: Evidence, options: Mapping[str, Any]) -> Iterator[Refusal]:
    """Nobody has called the major that ends with this version for a while.

    Whoever still calls will be refused from the next second on, and may not be who you think: a subscription says who
    may call, the gateways' reports say who does. Option ``quiet_days``.
    """
    if _goes_on(transition, evidence):
        return
    quiet = int(options["quiet_days"])
    late = [(who, at) for who, at in evidence.callers if transition.now - at < quiet * DAY]
    if late:
        first = ", ".join(f"{who} on {_day(at)}" for who, at in late[:5])
        more = f" and {len(late) - 5} more" if len(late) > 5 else ""
        yield Refusal(
            f"still called by {first}{more}",
            f"move them to the successor and wait for {quiet} quiet days, or let an admin force it and say why",
        )


@gate(
    Action.RETIRE,
    severity=Severity.WARNING,
    forcible=True,
    passes=(
        case(Action.RETIRE, observed_at=NOW - 3600),
        case(Action.RETIRE, observed_at=None, live_numbers=("1.0.0", "1.1.0")),
    ),
    blocks=(case(Action.RETIRE, observed_at=None), case(Action.RETIRE, observed_at=NOW - 25 * 3600)),
    options={"hours": 24},
)
def calls_are_observed(transition: Transition, evidence: Evidence, options: Mapping[str, Any]) -> Iterator[Refusal]:
    """Gateways report who calls, so that silence means that nobody does.

    They say so even when nothing was called. Where no report has come for a while, "nobody still calls" is not known:
    somebody may. Option ``hours``.
    """
    if _goes_on(transition, evidence):
        return
    seen, hours = evidence.observed_at, int(options["hours"])
    if seen is None or transition.now - seen > hours * 3600:
        since = "ever" if seen is None else f"since {_day(seen)}"
        yield Refusal(
            f"no gateway has reported who calls {since}, so nobody knows",
            "give the gateways a key with the role gateway, or look into their access logs",
        )
