"""What the rules would have done over a load that was made by hand, so that each hour of it can be counted."""

from __future__ import annotations

import itertools
import math
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest
from sluice.estate.scaling import CpuRule, MemoryRule, Scaling
from sluice.insight.scaling.picturing import picture
from sluice.insight.scaling.simulating import simulate_class, simulate_replicas, simulate_units
from sluice.ledger.samples import Sample

NOON = datetime(2024, 4, 3, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
IMAGE = Path(__file__).parents[2] / "docs/images/scaling.svg"
SCALING = Scaling()


def load(*parts: tuple[int, float]) -> list[Sample]:
    """So many minutes of each value, one after the other."""
    values = [value for minutes, value in parts for _ in range(minutes)]
    return [Sample(NOON + n * MINUTE, value) for n, value in enumerate(values)]


def test_a_load_that_stays_low_changes_nothing() -> None:
    made = simulate_replicas(SCALING, load((120, 50)))
    assert (made.events, made.static, made.over(70)) == ((), 1, timedelta())
    assert made.hours == pytest.approx(119 / 60)


def test_a_replica_comes_after_five_minutes_and_counts_when_it_is_up() -> None:
    made = simulate_replicas(SCALING, load((30, 50), (60, 90)))
    (event,) = made.events
    # The sixth sample over 70 % is the first with five minutes of them behind it; ten minutes later the replica answers.
    assert (event.at, event.before, event.after) == (NOON + 35 * MINUTE, 1, 2)
    assert made.over(70) == 15 * MINUTE
    assert made.moments[-1].used == pytest.approx(90 * 0.2 + 90 * 0.8 / 2)
    assert made.hours == pytest.approx((45 * 1 + 44 * 2) / 60)
    assert made.static_hours == pytest.approx(89 * 2 / 60)


def test_it_goes_again_after_a_quarter_of_an_hour_and_never_below_one() -> None:
    made = simulate_replicas(SCALING, load((20, 90), (120, 20)))
    assert [(event.way, event.after) for event in made.events] == [("up", 2), ("down", 1)]
    assert made.events[1].at - made.events[0].at >= timedelta(minutes=15)


def test_no_more_than_the_most_are_made() -> None:
    few = Scaling(cpu=CpuRule(most_replicas=2))
    made = simulate_replicas(few, load((300, 400)))
    assert [event.after for event in made.events] == [2, 3]
    assert made.static == 3
    assert made.over(100) == timedelta(minutes=299)


def test_what_was_not_measured_is_not_scaled_and_not_counted() -> None:
    whole = load((60, 90))
    holed = [one for one in whole if not 10 <= (one.at - NOON) / MINUTE < 50]
    made = simulate_replicas(SCALING, holed)
    assert made.over(70) < timedelta(minutes=20)
    assert made.hours < 0.5


def test_a_class_doubles_when_its_memory_is_short_and_shrinks_only_where_that_holds() -> None:
    made = simulate_class(SCALING, load((10, 60), (60, 90), (60, 30)), "db.r6g.large")
    assert [(event.way, event.before, event.after) for event in made.events][:2] == [("up", 4, 8), ("down", 8, 4)]
    bounded = simulate_class(Scaling(memory=MemoryRule(largest="large")), load((60, 90)), "large")
    assert (bounded.events, bounded.static) == ((), 4)


def test_units_follow_their_target_up_at_once_and_down_late() -> None:
    made = simulate_units(SCALING, load((30, 70), (60, 700), (60, 70)), "entity, reads", 5, 4000)
    first, last = made.events[0], made.events[-1]
    assert (first.way, first.before, first.after) == ("up", 100, 1000)
    assert first.at == NOON + 31 * MINUTE, "two minutes over the target"
    assert (last.way, last.after) == ("down", 100)
    assert last.at >= NOON + (90 + 14) * MINUTE, "fifteen minutes under it"
    assert made.on_demand_hours == pytest.approx((30 * 70 + 60 * 700 + 59 * 70) / 60)
    assert made.static == 1000
    assert made.hours < made.static_hours


def test_units_rest_after_each_change_and_stay_within_their_bounds() -> None:
    rising = [Sample(NOON + n * MINUTE, 10.0 * (n + 1)) for n in range(120)]
    made = simulate_units(SCALING, rising, "entity, reads", 5, 1000)
    times = [event.at for event in made.events]
    assert all(later - earlier >= timedelta(seconds=300) for earlier, later in itertools.pairwise(times))
    assert max(event.after for event in made.events) == 1000
    assert made.over(100) > timedelta(), "the load went over the most"


def test_units_go_down_four_times_a_day_and_then_once_an_hour() -> None:
    falling = [Sample(NOON.replace(hour=0) + n * MINUTE, 4000.0 * 0.985**n) for n in range(60 * 10)]
    made = simulate_units(SCALING, falling, "entity, reads", 5, 4000)
    times = [event.at for event in made.events]
    assert {event.way for event in made.events} == {"down"}
    assert times[3] - times[0] < timedelta(hours=2)
    assert all(later - earlier >= timedelta(hours=1) for earlier, later in itertools.pairwise(times[3:]))


def test_it_is_told_in_words_with_what_it_would_have_cost_otherwise() -> None:
    told = str(simulate_replicas(SCALING, load((30, 50), (60, 90))))
    assert "1 change from 2024-04-03 12:00 to 2024-04-03 13:29 UTC" in told
    assert "2024-04-03 12:35 UTC: 1 → 2 (90 to 90 % for 0:05:00)" in told
    assert "over 70 % for 0:15:00, over 100 % for 0:00:00" in told


def test_the_picture_shows_each_change_and_is_whole_with_a_long_load() -> None:
    month = [Sample(NOON + n * MINUTE, 95.0 if n % 1440 < 600 else 15.0) for n in range(60 * 24 * 3)]
    made = simulate_replicas(SCALING, month)
    drawn = ElementTree.fromstring(picture("shop", [made, simulate_units(SCALING, month, "entity, reads", 5, 4000)]))
    titles = [node.text for node in drawn.iter("{http://www.w3.org/2000/svg}title")]
    assert len(made.events) > 3
    assert {str(event) for event in made.events} <= set(titles)


def test_a_rule_that_takes_hours_looks_back_for_hours() -> None:
    slow = Scaling(cpu=CpuRule(up_for=timedelta(hours=3)))
    made = simulate_replicas(slow, load((30, 50), (240, 90)))
    assert [event.at for event in made.events] == [NOON + timedelta(minutes=30, hours=3)]


def week() -> list[Sample]:
    """A week of a shop: busy by day, quiet at night, busier by the day; with a sale on one evening."""

    def percent(minute: int) -> float:
        day, hour = divmod(minute / 60, 24)
        busy = max(0.0, math.sin((hour - 7) / 14 * math.pi)) if 7 <= hour <= 21 else 0.0
        sale = 90.0 if day == 4 and 19 <= hour < 21 else 0.0
        return 14 + (40 + 9 * day) * busy + sale + 4 * math.sin(minute / 7)

    return [Sample(NOON.replace(hour=0) + n * MINUTE, percent(n)) for n in range(7 * 24 * 60)]


def test_the_page_shows_what_is_drawn() -> None:
    drawn = picture("shop", [simulate_replicas(SCALING, week())])
    if "SLUICE_DRAW" in os.environ:
        IMAGE.write_text(drawn)
    assert IMAGE.read_text() == drawn, "SLUICE_DRAW=1 draws it anew"
    assert "../images/scaling.svg" in (IMAGE.parents[1] / "howto/scale-a-store.md").read_text()


def test_a_gap_is_a_break_in_the_line() -> None:
    whole, holed = (
        picture("shop", [simulate_replicas(SCALING, one)])
        for one in (load((90, 50)), load((90, 50))[:20] + load((90, 50))[60:])
    )
    longest = [max(drawn.split('d="')[1:], key=len).partition('"')[0] for drawn in (whole, holed)]
    assert [path.count("M") for path in longest] == [1, 2]
