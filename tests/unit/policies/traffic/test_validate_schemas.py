"""What is remembered of texts that were valid. Checkers themselves are met in every test of what uses them."""

from __future__ import annotations

from policies.traffic.validate_schemas import LONGEST_SEEN, MOST_SEEN, Checker, Schemas, Seen

ANY, NONE = Checker({}), Checker({"not": {}})


def test_a_text_is_known_to_the_checker_that_admitted_it_alone() -> None:
    seen = Seen()
    seen.add(ANY, b"1")
    assert seen.holds(ANY, b"1")
    assert not seen.holds(NONE, b"1")
    assert not seen.holds(ANY, b"2")


def test_long_texts_are_not_remembered() -> None:
    seen = Seen()
    seen.add(ANY, b" " * (LONGEST_SEEN + 1))
    seen.add(ANY, b" " * LONGEST_SEEN)
    assert not seen.holds(ANY, b" " * (LONGEST_SEEN + 1))
    assert seen.holds(ANY, b" " * LONGEST_SEEN)


def test_memory_is_bounded() -> None:
    seen = Seen()
    texts = [b"%0*d" % (LONGEST_SEEN, number) for number in range(MOST_SEEN // LONGEST_SEEN + 10)]
    for text in texts:
        seen.add(ANY, text)
    held = [text for text in texts if seen.holds(ANY, text)]
    assert held[-1] == texts[-1]
    assert 0 < sum(map(len, held)) <= MOST_SEEN


def test_a_swap_forgets() -> None:
    schemas = Schemas()
    schemas.seen.add(ANY, b"1")
    schemas.forget(frozenset())
    assert not schemas.seen.holds(ANY, b"1")
