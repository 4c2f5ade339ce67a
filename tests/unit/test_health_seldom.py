"""A store that is looked at once an hour: when it is due, when it counts as silent, and how its numbers are judged."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sluice.estate.insight import Watch
from sluice.flow.insight.looks import is_due
from sluice.insight.health.evaluating import Look, evaluate
from sluice.insight.health.seldom import counted_on
from sluice.insight.metrics import METRICS
from sluice.ledger.incidents import Key, State
from sluice.ledger.samples import Sample, Series

from tests.watched import HOUR, MINUTE, a_rule, a_store

SEVEN = datetime(2024, 4, 5, 12, 7, tzinfo=UTC)
UP, BUSY = Series("neon", "up_count"), Series("neon", "connections_used_percent")
STORES = {"neon": a_store(watch=Watch(every="1h"))}
RULES = {"busy": a_rule(lasts="5m")}


@pytest.mark.parametrize(
    ("every", "minutes"),
    [("1m", [*range(60)]), ("1h", [7]), ("30m", [7, 37]), ("20m", [7, 27, 47])],
)
def test_what_is_looked_at_seldom_is_when_its_sizes_are_measured(every: str, minutes: list[int]) -> None:
    watch = Watch(every=every)
    hour = SEVEN - 7 * MINUTE
    assert [minute for minute in range(60) if is_due(watch.every, hour + minute * MINUTE)] == minutes


def judged(numbers: dict[int, float], now: datetime, before: dict[Key, State] | None = None) -> dict[Key, State]:
    """Judge numbers of so many hours after the first look, by a store that answers."""
    samples = [Sample(SEVEN + hours * HOUR, value) for hours, value in numbers.items() if SEVEN + hours * HOUR <= now]
    lately = {BUSY: samples[-1], UP: Sample(samples[-1].at, 1.0)}
    return evaluate(RULES, Look(now, STORES, {BUSY: samples}, counted_on(lately, STORES, now), {}), before or {})


def test_nobody_is_told_that_it_is_silent_before_looks_were_missed() -> None:
    assert judged({0: 10}, SEVEN + timedelta(minutes=125)) == {}
    assert [rule for rule, _ in judged({0: 10}, SEVEN + timedelta(hours=2, minutes=20))] == ["collector_silent"]


def test_what_is_to_last_is_known_at_the_second_look() -> None:
    first = judged({0: 90}, SEVEN + MINUTE)
    assert first["busy", BUSY].phase == "pending"
    second = judged({0: 90, 1: 90}, SEVEN + HOUR + MINUTE, first)
    assert second["busy", BUSY].phase == "firing"
    assert judged({0: 90, 1: 90, 2: 10}, SEVEN + 2 * HOUR + MINUTE, second) == {}


def test_a_store_that_is_looked_at_each_minute_is_judged_as_ever() -> None:
    lately = {Series("certify", metric): Sample(SEVEN, 1.0) for metric in METRICS}
    assert counted_on(lately, {"certify": a_store()}, SEVEN + HOUR) == lately
    assert counted_on(lately, {}, SEVEN + HOUR) == lately
