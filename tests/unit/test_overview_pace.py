"""The pace of a copy and the range in which it ends, on paces that were made up."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from sluice.overview.migrations.pace import APART, KEPT, LEAST, SILENT, Point, extended, pace

BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)
EVERY = 15.0


def walked(*works: float, every: float = EVERY) -> list[Point]:
    """Look at a copy that does so much between two looks, from nothing on."""
    trail, done = [Point(BEGAN, 0, 0)], 0.0
    for number, work in enumerate(works, 1):
        done += work
        trail.append(Point(BEGAN + timedelta(seconds=every * number), done, round(done * 100)))
    return trail


def noisy(dice: random.Random, count: int, mean: float = 20.0, keeps: float = 0.6) -> list[float]:
    """Draw paces that go up and down for minutes, not for moments."""
    level, drawn = 0.0, []
    for _ in range(count):
        level = keeps * level + dice.gauss(0, 0.3)
        drawn.append(max(0.0, mean * (1 + level)))
    return drawn


def test_a_steady_copy_ends_when_arithmetic_says() -> None:
    told = pace(walked(*[10] * 40), left=400)
    assert told.rate == pytest.approx(10 * 100 / EVERY)
    ends = BEGAN + timedelta(seconds=EVERY * (40 + 40))
    assert (told.earliest, told.latest, told.stalled_since) == (ends, ends, None)


@pytest.mark.parametrize("left", [60, 800, 20_000])
def test_the_end_lies_in_the_range_about_as_often_as_it_says(left: float) -> None:
    dice, hit, widths = random.Random(left), 0, []
    for _ in range(120):
        works = noisy(dice, 4000)
        trail, rest = walked(*works[:110]), left
        took = 0.0
        for work in works[110:]:
            took += EVERY * min(1.0, rest / work if work else 1.0)
            rest -= work
            if rest <= 0:
                break
        told = pace(trail, left)
        assert told.earliest and told.latest
        hit += told.earliest <= trail[-1].at + timedelta(seconds=took) <= told.latest
        widths.append((told.latest - told.earliest) / (told.latest - trail[-1].at))
    assert hit >= 0.65 * 120, f"{hit} of 120 ends lay in their range of four fifths"
    assert sorted(widths)[60] < 0.75, "a range that says nothing would hold every end"


def test_a_copy_that_slows_down_ends_later_than_its_mean_would_say() -> None:
    trail = walked(*[40 - number * 0.3 for number in range(110)])
    told = pace(trail, left=1000)
    by_the_mean = 1000 / (trail[-1].work / (110 * EVERY))
    by_the_last = 1000 / (7.3 / EVERY)
    assert told.earliest and told.latest
    assert (told.latest - trail[-1].at).total_seconds() > 1.6 * by_the_mean
    assert (told.latest - trail[-1].at).total_seconds() > 0.4 * by_the_last
    assert (told.earliest - trail[-1].at).total_seconds() <= by_the_mean


def test_a_copy_that_stands_still_has_no_end_and_says_since_when() -> None:
    still = int(SILENT.total_seconds() / EVERY)
    moving = walked(*[10] * 30, *[0] * still)
    assert pace(moving, 400).stalled_since is None, "it may be but a long chunk"
    told = pace(walked(*[10] * 30, *[0] * (still + 1)), 400)
    assert (told.rate, told.earliest, told.latest) == (0.0, None, None)
    assert told.stalled_since == BEGAN + timedelta(seconds=30 * EVERY)


def test_a_copy_whose_chunks_take_long_does_not_stand_still_between_them() -> None:
    seldom = [1.0 if number % 20 == 19 else 0.0 for number in range(100)]  # one in five minutes
    assert pace(walked(*seldom, *[0] * 30), left=5).stalled_since is None
    assert pace(walked(*seldom, *[0] * 110), left=5).stalled_since == BEGAN + timedelta(seconds=EVERY * 100)


def test_nothing_is_said_of_an_end_before_enough_was_seen_or_where_nobody_knows_what_is_left() -> None:
    short = pace(walked(*[10] * (LEAST - 1)), left=100)
    assert short.rate and (short.earliest, short.latest) == (None, None)
    assert pace(walked(*[10] * LEAST), left=100).latest
    assert pace(walked(*[10] * LEAST), left=None).latest is None
    assert pace([], left=100).rate is None


def test_the_trail_forgets_what_is_old_and_a_copy_that_began_anew() -> None:
    trail: list[Point] = []
    for point in walked(*[10] * 300):
        trail = extended(trail, point)
    assert trail[-1].at - trail[0].at == KEPT
    anew = Point(trail[-1].at + timedelta(seconds=15), 3, 300)
    assert extended(trail, anew) == [anew]


def test_the_trail_remembers_since_when_nothing_moves_however_long_that_is() -> None:
    trail: list[Point] = []
    for point in walked(*[10] * 5, *[0] * 400):
        trail = extended(trail, point)
    assert trail[0].at == BEGAN + timedelta(seconds=5 * EVERY)
    assert pace(trail, 100).stalled_since == trail[0].at


def test_looks_that_follow_close_are_one() -> None:
    trail: list[Point] = []
    for number in range(100):
        trail = extended(trail, Point(BEGAN + timedelta(seconds=number), number, number))
    assert len(trail) <= 100 / APART.total_seconds() + 2
    assert trail[-1].rows == 99
