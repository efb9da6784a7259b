"""Which charges a call makes: weights, calendar periods, and names that outlive renaming."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from gateway.counters.memory import MemoryCounters
from policies.model.access import Limit, Plan, Subscription
from policies.traffic import authenticate_callers
from policies.traffic.authenticate_callers import Callers
from policies.traffic.limit_allowance import Allowance
from policies.traffic.limit_rate import Charge
from tests.unit.policies.traffic.facts import application

NOON = datetime(2026, 3, 29, 12, tzinfo=UTC).timestamp()
MIDNIGHT = datetime(2026, 3, 28, 23, tzinfo=UTC).timestamp()
"""Of 29 March in Berlin, a day of 23 hours."""
BERLIN = {"Europe/Berlin": ZoneInfo("Europe/Berlin"), "UTC": UTC}
HOUR = 3600
RATE = Limit(name="rate", requests=5, window=1)
DAY = Limit(name="day", requests=100, period="day")


def keys(charges: tuple[Charge, ...]) -> list[str]:
    return [charge.key for charge in charges]


def test_a_quota_is_named_after_its_period_and_ends_with_it() -> None:
    allowance = Allowance(Plan(name="p", limits=(DAY,), time_zone="Europe/Berlin"), "app", zones=BERLIN)
    (charge,) = allowance.charges("op", NOON)
    assert (charge.until, charge.window) == (int(MIDNIGHT) + 23 * HOUR, 23 * HOUR)
    assert charge.key == f"{{app}}:day:{int(MIDNIGHT)}:"
    assert charge.policy == '"day";q=100;w=82800;weighbridge-period="day"'
    assert charge.per == "day, Europe/Berlin"
    assert allowance.charges("other", NOON + 1)[0] is charge
    (following,) = allowance.charges("op", charge.until)
    assert (following.key, following.window) == (f"{{app}}:day:{charge.until}:", 24 * HOUR)


def test_a_clock_that_is_set_back_finds_the_period_it_left() -> None:
    allowance = Allowance(Plan(name="p", limits=(DAY,)), "app")
    before = keys(allowance.charges("op", NOON))
    assert keys(allowance.charges("op", NOON + 13 * HOUR)) != before
    assert keys(allowance.charges("op", NOON)) == before


def test_every_period_of_a_plan_turns_at_its_own_end() -> None:
    hour, month = Limit(name="h", requests=1, period="hour"), Limit(name="m", requests=9, period="month")
    allowance = Allowance(Plan(name="p", limits=(month, RATE, hour)), "app")
    first = allowance.charges("op", NOON)
    assert [charge.name for charge in first] == ["rate", "m", "h"], "quotas come last"
    second = allowance.charges("op", NOON + HOUR)
    assert [one.key == two.key for one, two in zip(first, second, strict=True)] == [True, True, False]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (DAY, Limit(name="daily", requests=100, period="day")),
        (DAY, Limit(name="day", requests=5, period="day", weights={"op": 3})),
        (RATE, Limit(name="speed", requests=50, window=1)),
        (Limit(name="a", requests=1, window=9, operations=("x", "op")),) * 2,
    ],
)
def test_a_limit_that_is_renamed_or_resized_goes_on_counting_where_it_stood(before: Limit, after: Limit) -> None:
    one, two = (Allowance(Plan(name="p", limits=(limit,)), "app").charges("op", NOON) for limit in (before, after))
    assert keys(one) == keys(two)


@pytest.mark.parametrize(
    "other",
    [
        Limit(name="day", requests=100, period="week"),
        Limit(name="day", requests=100, period="day", operations=("op",)),
        Limit(name="day", requests=100, window=86_400),
    ],
)
def test_a_limit_that_counts_something_else_starts_afresh(other: Limit) -> None:
    one, two = (Allowance(Plan(name="p", limits=(limit,)), "app").charges("op", NOON) for limit in (DAY, other))
    assert keys(one) != keys(two)


def test_two_limits_that_count_the_same_are_kept_apart() -> None:
    plan = Plan(name="p", limits=(DAY, Limit(name="units", requests=9, period="day", weights={"op": 3}), RATE, RATE))
    assert len(set(keys(Allowance(plan, "app").charges("op", NOON)))) == 4


def test_weights_are_the_limits_own_or_else_the_plans() -> None:
    plan = Plan(
        name="p",
        limits=(
            Limit(name="a", requests=50, window=1, weights={"sweep": 20, "ping": 0}),
            Limit(name="b", requests=50, period="day"),
            Limit(name="c", requests=50, window=1, operations=("sweep", "list")),
        ),
        weights={"sweep": 5, "list": 2},
    )
    allowance = Allowance(plan, "app")

    def costs(operation: str) -> dict[str, int]:
        return {charge.name: charge.weight for charge in allowance.charges(operation, NOON)}

    assert costs("sweep") == {"a": 20, "b": 5, "c": 5}
    assert costs("list") == {"a": 2, "b": 2, "c": 2}
    assert costs("ping") == {"b": 1}, "what is free is not counted at all"
    assert costs("anything else") == {"a": 1, "b": 1}
    assert allowance.charges("sweep", NOON)[0].policy == '"a";q=50;w=1;qu="weighbridge-units";weighbridge-cost=20'


def test_charges_are_made_once_until_a_period_ends() -> None:
    """Counters in Redis are leased for the very tuple."""
    plan = Plan(name="p", limits=(DAY, Limit(name="b", requests=9, window=1, operations=("named",))))
    allowance = Allowance(plan, "app")
    assert allowance.charges("one", NOON) is allowance.charges("two", NOON + 1)
    assert allowance.charges("named", NOON) is allowance.charges("named", NOON + 1)
    assert allowance.charges("named", NOON)[-1] is allowance.charges("one", NOON)[0]
    assert allowance.charges("one", NOON + 24 * HOUR) is not allowance.charges("one", NOON)


# -- what was used stays used -----------------------------------------------------------------------------------------


def left(counters: MemoryCounters, callers: Callers, line: tuple[str, int], calls: int = 1) -> int:
    """Units left of the one quota after so many calls."""
    caller = callers.caller("app", "c", None, NOON)
    assert caller is not None
    for _ in range(calls):
        standing = counters.take(caller.allowances[line].charges("op", NOON))
    return standing.levels[-1].remaining


def who(*subscriptions: tuple[str, int, str], plans: tuple[Plan, ...]) -> Callers:
    held = tuple(Subscription(contract=c, major=m, plan=p) for c, m, p in subscriptions)
    return Callers([application(subscriptions=held)], plans, BERLIN)


def test_subscriptions_on_one_plan_share_its_quota() -> None:
    counters = MemoryCounters(wall=lambda: NOON)
    callers = who(("orders", 1, "p"), ("prices", 2, "p"), plans=(Plan(name="p", limits=(DAY,)),))
    assert left(counters, callers, ("orders", 1), 10) == 90
    assert left(counters, callers, ("prices", 2), 5) == 85
    assert left(counters, callers, ("orders", 1)) == 84


def test_what_was_used_goes_along_to_another_plan() -> None:
    counters = MemoryCounters(wall=lambda: NOON)
    small, large = (
        Plan(name=name, limits=(Limit(name=name, requests=n, period="day"),)) for name, n in (("s", 50), ("l", 200))
    )
    on_small = who(("orders", 1, "s"), ("prices", 1, "s"), plans=(small, large))
    assert left(counters, on_small, ("orders", 1), 30) == 20
    assert left(counters, on_small, ("prices", 1), 15) == 5
    moved = who(("orders", 1, "l"), ("prices", 1, "s"), plans=(small, large))
    assert left(counters, moved, ("orders", 1)) == 200 - 31, "what this subscription used came along"
    assert left(counters, moved, ("prices", 1)) == 50 - 16, "and the other one is judged by its own"
    back = who(("orders", 1, "s"), ("prices", 1, "s"), plans=(small, large))
    assert left(counters, back, ("orders", 1)) == 50 - 31 - 16 - 1


def test_a_smaller_plan_counts_what_was_used_of_the_larger() -> None:
    counters = MemoryCounters(wall=lambda: NOON)

    def callers(requests: int, name: str) -> Callers:
        limit = Limit(name=name, requests=requests, period="day")
        return who(("orders", 1, name), plans=(Plan(name=name, limits=(limit,)),))

    assert left(counters, callers(100, "gold"), ("orders", 1), 60) == 40
    assert left(counters, callers(50, "silver"), ("orders", 1)) == 0
    caller = callers(50, "silver").caller("app", "c", None, NOON)
    assert caller is not None
    standing = counters.take(caller.allowances["orders", 1].charges("op", NOON))
    assert standing.retry_after == 12 * HOUR
    assert left(counters, callers(80, "renamed"), ("orders", 1)) == 19


def test_allowances_of_peers_are_made_once_and_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authenticate_callers, "MOST_PEERS", 3)
    callers = Callers((), (Plan(name="anonymous", limits=(RATE, DAY)),))
    first = callers.anonymous("192.0.2.1")
    assert callers.anonymous("192.0.2.1") is first
    made = [callers.anonymous(f"192.0.2.{n}") for n in range(2, 5)]
    assert [callers.anonymous(f"192.0.2.{n}") for n in range(2, 5)] == made
    again = callers.anonymous("192.0.2.1")
    assert again is not None and first is not None
    assert again is not first
    assert keys(again.charges("op", NOON)) == keys(first.charges("op", NOON))
