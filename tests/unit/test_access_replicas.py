"""Whom a read is sent to: the share, the turns, who is left out and taken back, and how late somebody is."""

from __future__ import annotations

from collections import Counter

import pytest
from sluice.access.replica_choice import Limits, Looked, Positions, Standing, Wheel, judged, shares

LIMITS = Limits()
WELL, GONE = Looked(True, 100, 0.0), Looked(False)
SERVES = Standing(serves=True, known=True)


def turns(weights: dict[str, int], standings: dict[str, Standing], without: set[str] = frozenset(), count: int = 1000):  # type: ignore[assignment]
    """Count who is sent how many of so many reads."""
    wheel = Wheel()
    return Counter(wheel.turn(shares("a", weights, standings, LIMITS, without)) for _ in range(count))


def test_four_of_five_reads_go_to_replicas_by_their_weight() -> None:
    assert turns({"b": 1, "c": 3}, {"b": SERVES, "c": SERVES}) == {"a": 200, "b": 200, "c": 600}


def test_turns_come_without_bursts() -> None:
    wheel, given = Wheel(), shares("a", {"b": 1, "c": 1}, {"b": SERVES, "c": SERVES}, LIMITS, set())
    order = "".join(wheel.turn(given) for _ in range(10))
    assert order.count("a") == 2
    assert not {"bb", "cc", "aa"} & {order[i : i + 2] for i in range(9)}


@pytest.mark.parametrize(
    ("out", "without", "found"),
    [
        ("b", "", {"a": 200, "c": 800}),
        ("bc", "", {"a": 1000}),
        ("", "a", {"b": 500, "c": 500}),
        ("", "c", {"a": 200, "b": 800}),
        ("bc", "a", {"a": 1000}),  # nobody is left, and the primary is asked all the same
    ],
)
def test_who_is_not_well_gets_no_read(out: str, without: str, found: dict[str, int]) -> None:
    standings = {name: Standing(serves=name not in out, known=True) for name in "bc"}
    assert turns({"b": 1, "c": 1}, standings, set(without)) == found


def after(before: Standing, *looks: Looked) -> list[bool]:
    """Tell after each look whether it serves."""
    found = []
    for look in looks:
        before = judged(before, look, LIMITS)
        found.append(before.serves)
    return found


def test_one_bad_look_is_none_two_are_and_three_good_ones_bring_it_back() -> None:
    assert after(Standing(), WELL) == [True]
    assert after(Standing(), GONE) == [False]
    assert after(SERVES, GONE, WELL, GONE, WELL) == [True] * 4
    assert after(SERVES, GONE, GONE, WELL, WELL, WELL) == [True, False, False, False, True]
    assert after(SERVES, GONE, GONE, WELL, WELL, GONE, WELL) == [True, False, False, False, False, False]


def test_who_is_late_is_left_out_and_comes_back_well_below_the_bound() -> None:
    late, better, good = (Looked(True, 100, lag) for lag in (5.1, 4.9, 0.9))
    assert after(SERVES, better, late, late) == [True, True, False]
    out = Standing(serves=False, known=True)
    assert after(out, better, better, better) == [False] * 3
    assert after(out, good, good, good) == [False, False, True]


def test_lag_is_counted_from_when_the_first_thing_was_there_that_is_missing() -> None:
    seen = Positions()
    for at, position in ((0.0, 10), (1.0, 20), (2.0, 20), (3.0, 30)):
        seen.note(at, position)
    assert [seen.lag(replayed, 10.0) for replayed in (5, 10, 20, 25, 30, 40)] == [10.0, 9.0, 7.0, 7.0, 0.0, 0.0]


def test_an_idle_primary_makes_nobody_late() -> None:
    seen = Positions()
    for second in range(100):
        seen.note(float(second), 10)
    assert seen.lag(10, 1000.0) == 0.0


def test_another_primary_with_a_shorter_log_begins_anew() -> None:
    seen = Positions()
    seen.note(0.0, 100)
    seen.note(5.0, 90)
    assert seen.lag(90, 6.0) == 0.0
    assert seen.lag(80, 6.0) == 1.0
