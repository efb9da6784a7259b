from __future__ import annotations

import pytest

from policies.model.access import Rollback, Tryout
from policies.tryouts import Counts, draws, failed, is_failure

ABSOLUTE = Rollback(minimum=20, max_percent=5)
RELATIVE = Rollback(minimum=20, max_over_base=10)
NONE = Counts(0, 0)


def test_a_request_is_drawn_the_same_way_always_and_by_its_share() -> None:
    tryout = Tryout(id="a1", version="2.1.0", share=10, rollback=ABSOLUTE)
    ids = [f"{number:032x}" for number in range(10_000)]
    drawn = [id_ for id_ in ids if draws(tryout, id_)]
    assert drawn == [id_ for id_ in ids if draws(tryout, id_)]
    assert 900 < len(drawn) < 1100
    other = Tryout(id="a2", version="2.1.0", share=10, rollback=ABSOLUTE)
    assert drawn != [id_ for id_ in ids if draws(other, id_)], "another tryout draws others"


@pytest.mark.parametrize(
    ("status", "ours", "faulty", "counts"),
    [
        (200, False, False, False),
        (404, False, False, False),
        (503, False, False, True),
        (502, True, False, True),
        (200, False, True, True),
        (429, True, False, None),
        (403, True, False, None),
        (499, False, False, None),
    ],
)
def test_a_version_is_blamed_for_5xx_and_broken_contracts_alone(
    status: int, ours: bool, faulty: bool, counts: bool | None
) -> None:
    assert is_failure(status, ours=ours, faulty=faulty) is counts


def test_too_few_calls_tell_nothing() -> None:
    assert failed(ABSOLUTE, Counts(19, 19), NONE) is None
    assert failed(ABSOLUTE, Counts(20, 1), NONE) is None, "5% is not more than 5%"
    verdict = failed(ABSOLUTE, Counts(20, 2), NONE)
    assert verdict is not None
    assert verdict.reason == "2 of 20 calls failed, more than 5%"


def test_what_fails_everywhere_is_not_blamed_on_the_version() -> None:
    assert failed(RELATIVE, Counts(100, 50), Counts(1000, 450)) is None
    assert failed(RELATIVE, Counts(100, 50), Counts(19, 0)) is None, "of the others there are too few to compare"
    verdict = failed(RELATIVE, Counts(100, 50), Counts(1000, 300))
    assert verdict is not None
    assert verdict.reason == "50 of 100 calls failed, of the others 300 of 1000: more than 10 points above"


def test_either_rule_is_enough() -> None:
    both = Rollback(minimum=20, max_percent=50, max_over_base=10)
    assert failed(both, Counts(100, 51), Counts(100, 51)) is not None
    assert failed(both, Counts(100, 20), Counts(100, 5)) is not None
    assert failed(both, Counts(100, 20), Counts(100, 15)) is None
