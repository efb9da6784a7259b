from __future__ import annotations

import random

import pytest

from registry.attempts import Attempts

NOW = 1_800_000_000.0


def fail(attempts: Attempts, times: int, source: str = "192.0.2.1", name: str = "oakhurst", now: float = NOW) -> int:
    """How many of so many tries were let in and failed."""
    admitted = 0
    for _ in range(times):
        if not attempts.wait(source, name, now):
            attempts.failed(source, name, now)
            admitted += 1
    return admitted


def test_a_name_may_fail_so_often_from_one_source() -> None:
    attempts = Attempts(per_name=10, per_source=60, window=60)
    assert fail(attempts, 30) == 10
    assert attempts.wait("192.0.2.1", "oakhurst", NOW) == 6
    assert attempts.wait("192.0.2.1", "another", NOW) == 0
    assert attempts.wait("192.0.2.2", "oakhurst", NOW) == 0  # nobody is kept out by somebody elsewhere


def test_a_source_may_fail_so_often_whatever_names_it_tries() -> None:
    attempts = Attempts(per_name=10, per_source=60, window=60)
    assert sum(fail(attempts, 1, name=f"client-{number}") for number in range(200)) == 60
    assert attempts.wait("192.0.2.1", "never-tried", NOW) == 1


def test_failures_ebb_away_and_refusals_do_not_count() -> None:
    attempts = Attempts(per_name=10, per_source=60, window=60)
    fail(attempts, 10)
    for second in range(1, 6):
        assert attempts.wait("192.0.2.1", "oakhurst", NOW + second) == 6 - second
    assert fail(attempts, 5, now=NOW + 6) == 1
    assert attempts.wait("192.0.2.1", "oakhurst", NOW + 7) == 5
    assert fail(attempts, 30, now=NOW + 600) == 10


def test_who_fails_seldom_is_never_held_up() -> None:
    attempts = Attempts(per_name=10, per_source=60, window=60)
    for minute in range(500):
        assert fail(attempts, 1, now=NOW + 60 * minute) == 1


def test_no_window_of_the_length_sees_more_than_two_bursts() -> None:
    attempts = Attempts(per_name=10, per_source=60, window=60)
    dice = random.Random(7)
    now, failed = NOW, []
    for _ in range(3000):
        now += dice.random()
        failed += [now] * fail(attempts, 1, now=now)
    for start in failed:
        assert sum(start <= instant < start + 60 for instant in failed) <= 20


def test_one_customer_of_ipv6_is_one_source() -> None:
    attempts = Attempts(per_name=10, per_source=60, window=60)
    assert sum(fail(attempts, 1, source=f"2001:db8::{number:x}") for number in range(1, 100)) == 10
    assert attempts.wait("2001:db8:0:1::1", "oakhurst", NOW) == 0
    fail(attempts, 10, source="::ffff:192.0.2.9")
    assert attempts.wait("192.0.2.9", "oakhurst", NOW) > 0
    assert attempts.wait("::ffff:192.0.2.10", "oakhurst", NOW) == 0


def test_memory_is_bounded_by_forgetting_the_longest_quiet() -> None:
    attempts = Attempts(most=100)
    for number in range(1000):
        attempts.failed(f"192.0.2.{number % 250}", "x" * 10_000 + str(number), NOW + number)
        attempts.failed("198.51.100.1", "oakhurst", NOW)
    assert len(attempts) == 100
    assert attempts.wait("198.51.100.1", "oakhurst", NOW) > 0  # who goes on failing is not forgotten


@pytest.mark.parametrize("source", ["", "testclient", "x" * 5000, "999.1.1.1"])
def test_a_source_may_be_anything(source: str) -> None:
    attempts = Attempts(per_name=2)
    assert fail(attempts, 5, source=source) == 2


def test_a_clock_that_steps_back_locks_nobody_out_for_long() -> None:
    attempts = Attempts(per_name=10, window=60)
    fail(attempts, 10, now=NOW + 1)
    assert attempts.wait("192.0.2.1", "oakhurst", NOW) <= 8
