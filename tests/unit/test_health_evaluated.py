"""What is wrong, by the rules and the numbers: how long, hysteresis, periods, what is usual, and numbers that come no more."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sluice.estate.health import Lasting, Levels
from sluice.insight.health.looking import _by_hour
from sluice.insight.health.replicas import dropped_of, most_of
from sluice.insight.health.unwritten import SILENT
from sluice.ledger.samples import Sample, Series, Span
from sluice.ledger.scalings import Done

from tests.watched import HOUR, MINUTE, NOON, SECOND, Estate, a_rule, a_store, minutes

USED = Series("certify", "connections_used_percent")


def looked(values, rule, at, series=USED):
    """What is wrong after numbers of each minute, in one look."""
    estate = Estate(rule)
    estate.record(series, minutes(values))
    return [(one.rule, one.since) for one in estate.see(NOON + at * MINUTE)]


def test_what_is_wrong_for_a_moment_is_wrong_and_no_more_when_it_is_over():
    assert looked([50, 81], a_rule(), 1) == [("busy", NOON + MINUTE)]
    assert looked([50, 81, 80], a_rule(), 2) == []


def test_below_is_wrong_too():
    rule = a_rule(levels=Levels(under=90, clear=95))
    assert looked([89], rule, 0) and looked([89, 94], rule, 1)
    assert not looked([90], rule, 0) and not looked([89, 95], rule, 1)


def test_it_counts_once_it_has_lasted_from_the_first_number_that_was_wrong():
    rule = a_rule(lasts="3m")
    assert looked([81, 81, 81], rule, 2) == []
    assert looked([81, 81, 81, 81], rule, 3) == [("busy", NOON)]
    assert looked([81, 81, 79, 81, 81], rule, 4) == []


def test_a_number_that_comes_a_moment_early_counts():
    estate = Estate(a_rule(lasts="1m"))
    estate.record(USED, [Sample(NOON, 99), Sample(NOON + MINUTE - SECOND, 99)])
    assert estate.see(NOON + MINUTE)


def test_between_the_level_and_the_clear_one_it_stays_what_it_was():
    rule = a_rule(levels=Levels(over=80, clear=70))
    assert looked([81, 75, 71], rule, 2) == [("busy", NOON)]
    assert looked([81, 75, 70], rule, 2) == []
    assert looked([75, 79], rule, 1) == []
    assert looked([81, 60, 75], rule, 2) == []


def test_of_periods_the_mean_counts_and_only_of_those_that_are_over():
    rule = a_rule(lasts="2 x 300s")
    spikes = [100, 100, 100, 70, 70] * 2  # means of 88
    assert looked(spikes, rule, 9) == [], "the second is not over"
    assert looked([*spikes, 0], rule, 10) == [("busy", NOON)]
    assert looked([*[100, 60, 60, 60, 60] * 2, 0], rule, 10) == []
    assert looked([*[90] * 5, *[10] * 5, *[90] * 5, 0], rule, 15) == []


def test_a_period_that_nobody_measured_breaks_the_row():
    estate = Estate(a_rule(lasts="2 x 60s"))
    estate.record(USED, [Sample(NOON, 99), Sample(NOON + 2 * MINUTE, 99)])
    assert estate.see(NOON + 3 * MINUTE) == []
    estate.record(USED, [Sample(NOON + 3 * MINUTE, 99)])
    assert estate.see(NOON + 4 * MINUTE)


def test_after_a_gap_nobody_knows_whether_it_was_wrong_all_the_time():
    estate = Estate(a_rule(lasts="20m"))
    estate.record(USED, [Sample(NOON, 99), Sample(NOON + 16 * MINUTE, 99), Sample(NOON + 21 * MINUTE, 99)])
    assert estate.see(NOON + 21 * MINUTE) == []


@given(
    st.lists(st.integers(60, 100), min_size=1, max_size=40),
    st.lists(st.integers(1, 12), min_size=1, max_size=40),
    st.sampled_from(["0s", "3m", "2 x 60s", "2 x 300s"]),
)
def test_how_often_somebody_looks_changes_nothing(values, steps, lasts):
    rule = a_rule(lasts=lasts, levels=Levels(over=80, clear=70))
    often = Estate(rule)
    often.record(USED, minutes(values))
    end, now = len(values) - 1, 0
    for step in steps:
        now = min(now + step, end)
        often.see(NOON + now * MINUTE)
    often.see(NOON + end * MINUTE)
    once = Estate(rule)
    once.record(USED, minutes(values))
    once.see(NOON + end * MINUTE)
    assert often.states == once.states
    again = dict(once.states)
    once.see(NOON + end * MINUTE)
    assert once.states == again, "a second look at the same changes nothing"


def test_what_is_much_is_told_by_what_is_usual_and_of_almost_nothing_nothing_is():
    rule = a_rule("traffic", "transactions_rate", against="usual", levels=Levels(over=5))
    series = Series("certify", "transactions_rate")
    estate = Estate(rule)
    estate.record(series, [Sample(NOON, 900)])
    assert estate.see(NOON) == [], "nobody knows what is usual"
    estate.usual = {series: {12: 200}}
    assert estate.see(NOON) == []
    estate.usual = {series: {12: 100}}
    assert [one.text for one in estate.see(NOON)] == [
        "transactions_rate is 9 times the usual, over 5, since 2024-04-05 12:00 UTC"
    ]
    quiet = Estate(rule)
    quiet.usual = {series: {12: 0.01}}
    quiet.record(series, [Sample(NOON, 4.0)])
    assert quiet.see(NOON) == []


def test_a_number_is_held_against_its_own_hour_though_the_look_comes_in_the_next():
    rule = a_rule("traffic", "transactions_rate", "2 x 300s", against="usual", levels=Levels(over=5))
    series = Series("certify", "transactions_rate")
    estate = Estate(rule)
    estate.usual = {series: {11: 1000, 12: 100}}
    estate.record(series, minutes([1000] * 10 + [100] * 3, NOON - 10 * MINUTE))
    assert estate.see(NOON + 2 * MINUTE) == [], "a busy hour ends, and the last of it was as usual"
    estate.usual = {series: {11: 100}}
    estate.states.clear()
    assert [one.since for one in estate.see(NOON + 2 * MINUTE)] == [NOON - 10 * MINUTE]


def test_each_store_has_a_level_of_its_own_and_some_by_the_estate_s_file():
    rule = a_rule(stores={"shop": Levels(over=95)})
    estate = Estate(
        rule, a_rule("disk", "disk_used_percent", levels=Levels(over="disk_full_at")), stores=("certify", "shop")
    )
    for store in ("certify", "shop"):
        estate.record(Series(store, "connections_used_percent"), [Sample(NOON, 90)])
        estate.record(Series(store, "disk_used_percent"), [Sample(NOON, 84)])
    assert [(one.rule, one.series.store) for one in estate.see(NOON)] == [("busy", "certify")]
    estate.stores["shop"] = a_store(watch={"disk": {"full_at": 80}})
    assert [(one.rule, one.series.store) for one in estate.see(NOON)][1:] == [("disk", "shop")]


def test_who_has_no_replicas_in_the_file_has_as_many_as_were_seen_in_a_day():
    rule = a_rule("broken", "replicas_count", levels=Levels(under="replica_count"))
    replicas = Series("certify", "replicas_count")
    assert looked([0], rule, 0, replicas) == []
    estate = Estate(rule)
    estate.record(replicas, [Sample(NOON, 2), Sample(NOON + MINUTE, 1)])
    estate.record(Series("certify", "up_count"), minutes([1] * 61))
    estate.most = {"certify": 2}
    (found,) = estate.see(NOON + MINUTE)
    assert found.text == "replicas_count is 1, under 2, since 2024-04-05 12:01 UTC"
    estate.most = {}
    assert [one.cause for one in estate.see(NOON + HOUR)] == ["broken"], "numbers that end make nothing well"
    estate.stores["certify"] = a_store(
        replicas={"connection": "pg", "name": "a", "servers": {"b": {"connection": "pg_b"}}}
    )
    estate.record(replicas, [Sample(NOON + HOUR, 1)])
    estate.most = {"certify": 2}
    assert estate.see(NOON + HOUR) == [], "the file says that one is enough"


BROKEN = a_rule("broken", "replicas_count", lasts="2m", levels=Levels(under="replica_count"))
REPLICAS = Series("certify", "replicas_count")


def standbys(*counts: int) -> Estate:
    """An estate of which so many servers follow, hour by hour; a day's most is what was seen of it."""
    estate = Estate(BROKEN)
    for n, count in enumerate(counts):
        estate.record(REPLICAS, minutes([count] * 60, NOON + n * HOUR))
    return estate


def day_by_day(estate: Estate, hours: range):
    """Look once an hour; give at which hours something was wrong."""
    wrong = []
    for hour in hours:
        now = NOON + hour * HOUR
        counts = [(REPLICAS, one) for one in estate.numbers[REPLICAS] if now - 24 * HOUR <= one.at <= now]
        estate.most = most_of(counts, estate.dropped)
        wrong += [hour for one in estate.see(now) if one.rule == "broken"]
    return wrong


def test_a_standby_that_stays_dead_is_missed_until_it_is_back():
    estate = standbys(*[1] * 3, *[0] * 69, *[1] * 5)
    assert day_by_day(estate, range(1, 76)) == [*range(4, 72)], "a day later nobody has mended it"


def test_a_standby_that_is_replaced_after_days_is_enough_and_one_of_two_is_not():
    assert day_by_day(standbys(*[2] * 3, *[0] * 48, *[1] * 9), range(1, 58)) == [*range(4, 58)]


def test_a_person_says_how_many_there_are_to_be_and_that_ends_it():
    estate = standbys(*[2] * 3, *[1] * 48)
    assert day_by_day(estate, range(1, 40))[-1] == 39
    estate.rules["broken"] = replace(BROKEN, stores={"certify": Levels(under=1)})
    assert day_by_day(estate, range(40, 48)) == []


def test_a_replica_that_scaling_took_away_is_missed_by_nobody():
    estate = standbys(*[2] * 3, *[1] * 48)
    estate.dropped = {"certify": [NOON + 3 * HOUR - MINUTE]}
    assert day_by_day(estate, range(1, 48)) == []


def test_one_that_scaling_took_away_while_another_was_dead_leaves_that_one_missed():
    estate = standbys(*[3] * 3, *[2] * 30, *[1] * 9, *[2] * 9)
    assert day_by_day(estate, range(1, 33)) == [*range(4, 33)]
    estate.dropped = {"certify": [NOON + 33 * HOUR - MINUTE]}
    assert day_by_day(estate, range(33, 48)) == [*range(34, 42)], "by one less, from the next two minutes on"


def test_what_was_asked_for_and_never_stood_took_nothing_away():
    def done(verified, action="drop_replica", refused=None):
        return Done("certify", "cpu", "down", action, "r", "2", "1", "", NOON, verified, refused)

    assert dropped_of([done(None), done(None, "add_replica")], NOON + HOUR) == {"certify": [NOON]}
    assert dropped_of([done(None)], NOON + 3 * HOUR) == {}
    assert dropped_of([done(None, refused=NOON)], NOON + HOUR) == {}
    assert dropped_of([done(NOON + MINUTE)], NOON + 3 * HOUR) == {"certify": [NOON]}
    assert dropped_of([replace(done(None), refused_at=NOON + MINUTE)], NOON + HOUR) == {}, "RDS refused it"


def test_a_number_that_comes_no_more_is_told_once_the_rest_of_its_store_goes_on():
    estate = Estate(a_rule(), a_rule("up", "up_count", levels=Levels(under=1)))
    estate.record(USED, minutes([50] * 5))
    estate.record(Series("certify", "up_count"), minutes([1] * 60))
    assert estate.see(NOON + 19 * MINUTE) == []
    (found,) = estate.see(NOON + 20 * MINUTE)
    assert (found.cause, found.severity) == ("no_data", "P3")
    assert found.text == "connections_used_percent has no number since 2024-04-05 12:04 UTC"
    estate.record(USED, [Sample(NOON + 21 * MINUTE, 50)])
    assert estate.see(NOON + 21 * MINUTE) == []


def gone(rule, value, **more):
    """An estate of which one number has ended at noon, while the rest of its store goes on for three days."""
    estate = Estate(rule, **more)
    estate.record(Series("certify", rule.metric), [Sample(NOON, value)])
    estate.record(Series("certify", "up_count"), minutes([1] * 3 * 24 * 12, every=5 * MINUTE))
    return estate


def test_what_is_missing_is_missing_until_numbers_come_however_long():
    estate = gone(a_rule(), 50)
    for hours in (1, 23, 25, 48, 70):
        (found,) = estate.see(NOON + hours * HOUR)
        assert found.text == "connections_used_percent has no number since 2024-04-05 12:00 UTC"
    estate.record(USED, [Sample(NOON + 71 * HOUR, 50)])
    assert estate.see(NOON + 71 * HOUR) == []


def test_what_was_wrong_when_the_numbers_ended_is_wrong_days_later():
    estate = gone(a_rule(), 99)
    for hours in (0, 1, 25, 48):
        assert [one.rule for one in estate.see(NOON + hours * HOUR)] == ["busy"]


def test_a_store_that_left_the_file_misses_nothing():
    estate = gone(a_rule(), 50, stores=("certify", "shop"))
    estate.record(Series("shop", "up_count"), minutes([1] * 40, every=5 * MINUTE))
    assert estate.see(NOON + HOUR)
    del estate.stores["certify"]
    assert estate.see(NOON + HOUR + 5 * MINUTE) == []
    old = gone(a_rule(), 99, stores=("shop",))
    old.record(Series("shop", "up_count"), minutes([1] * 40, every=5 * MINUTE))
    assert old.see(NOON + HOUR) == old.see(NOON) == [], "it is judged no more from the first look on"


@pytest.mark.parametrize(
    ("metric", "watch"),
    [
        ("cpu_percent", {"cloud": {"connection": "aws", "instance": "shop"}}),
        ("pooler_up_count", {"pooler": "pooler"}),
        ("disk_used_percent", {"disk": {"size": "100 GB"}}),
        ("disk_used_percent", {"cloud": {"connection": "aws", "instance": "shop"}}),
    ],
)
def test_what_the_file_asks_for_no_more_is_missed_no_more(metric, watch):
    estate = gone(a_rule("busy", metric, levels=Levels(over=80)), 50)
    estate.stores["certify"] = a_store(watch=watch)
    assert [one.cause for one in estate.see(NOON + HOUR)] == ["no_data"]
    estate.stores["certify"] = a_store()
    assert estate.see(NOON + HOUR + 5 * MINUTE) == []


def test_that_nobody_measures_airflow_is_told_on_the_second_day_too():
    estate = Estate(stores=("certify",))
    estate.record(Series("airflow", "metadata_up_count"), [Sample(NOON, 1)])
    estate.record(Series("certify", "up_count"), minutes([1] * 3 * 24 * 12, every=5 * MINUTE))
    assert estate.see(NOON + HOUR) == []
    for hours in (2, 23, 25, 48):
        assert [one.series.store for one in estate.see(NOON + hours * HOUR)] == ["airflow"]


def test_a_question_that_gets_no_answer_twice_is_told_until_it_gets_one():
    estate = Estate(replace(a_rule("queue"), metric="own_queue", sql="SELECT 1 AS value", store="certify"))
    estate.record(Series("certify", "up_count"), minutes([1] * 60))
    estate.unanswered = {"queue": True}
    assert estate.see(NOON) == [], "too slow once is no fault"
    (found,) = estate.see(NOON + 5 * MINUTE)
    assert found.text == "the question of rule queue gives no number since 2024-04-05 12:00 UTC"
    estate.unanswered = {"queue": False}
    assert len(estate.see(NOON + 10 * MINUTE)) == 1, "who could not be asked has said nothing new"
    estate.unanswered = {}
    assert estate.see(NOON + 15 * MINUTE) == []


def test_what_was_wrong_when_the_numbers_ended_is_wrong_still():
    estate = Estate(a_rule())
    estate.record(USED, [Sample(NOON, 99)])
    estate.record(Series("certify", "up_count"), minutes([1] * 30))
    assert estate.see(NOON)[0].rule == "busy"
    assert [one.rule for one in estate.see(NOON + 20 * MINUTE)] == ["busy"]


def test_a_store_that_nobody_measures_is_told_and_nothing_else_of_it():
    estate = Estate(a_rule(), stores=("certify", "shop"))
    estate.record(USED, [Sample(NOON, 50)])
    estate.record(Series("shop", "up_count"), minutes([1] * 60))
    assert estate.see(NOON + 6 * MINUTE) == estate.see(NOON + 10 * MINUTE) == []
    (found,) = estate.see(NOON + 10 * MINUTE + SECOND)
    assert (found.rule, found.series.store, found.severity) == (SILENT, "certify", "P2")


def test_where_nobody_measures_anything_that_is_one_trouble_and_the_worst():
    stores = tuple(f"store{n}" for n in range(30))
    estate = Estate(a_rule(), stores=stores)
    for store in stores:
        estate.record(Series(store, "up_count"), [Sample(NOON, 1)])
    assert estate.see(NOON + HOUR) == []
    for hours in (2, 23, 25, 48):
        (found,) = estate.see(NOON + hours * HOUR)
        assert (found.severity, found.series.store, found.cause) == ("P1", "", "watching")
        assert found.text == "Nobody measures any store since 2024-04-05 12:00 UTC, or before"


@pytest.mark.parametrize("offset", range(5))
def test_that_nobody_measures_is_told_within_a_quarter_of_an_hour(offset):
    estate = Estate()
    estate.record(Series("certify", "up_count"), minutes([1] * 60))
    for at in range(offset, 76 + 1, 5):
        found = estate.see(NOON + at * MINUTE)
        assert bool(found) == (at > 69), at
    assert [one.severity for one in found] == ["P1"]


def test_after_a_pause_of_everything_the_watch_waits_for_another_look_before_it_says_that_nobody_measures():
    estate = Estate(stores=("certify", "shop"))
    for store in estate.stores:
        estate.record(Series(store, "up_count"), minutes([1] * 30))
        estate.record(Series(store, "up_count"), minutes([1] * 30, NOON + 12 * HOUR + MINUTE))
    for at in (0, 5, 10, 15, 20):
        assert estate.see(NOON + at * MINUTE) == []
        assert estate.see(NOON + 12 * HOUR + at * MINUTE) == []


def test_a_first_start_is_no_alarm_and_what_is_still_not_measured_later_is_one_with_words_that_are_true():
    estate = Estate(stores=("certify", "shop"))
    for at in (0, 1, 5, 9):
        assert estate.see(NOON + at * MINUTE) == [], "the watch may look before the collector does"
    (found,) = estate.see(NOON + 10 * MINUTE)
    assert (found.severity, found.series.store, found.cause) == ("P1", "", "watching")
    assert found.text == "No store was ever measured, or not for a day before it was missed, at 2024-04-05 12:00 UTC"
    assert found.do.startswith("Is collect_samples switched on?")
    estate.record(Series("certify", "up_count"), minutes([1] * 90, NOON + 11 * MINUTE))
    (found,) = estate.see(NOON + 11 * MINUTE)
    assert (found.severity, found.series.store) == ("P2", "shop")
    assert found.text == "shop was never measured, or not for a day before it was missed, at 2024-04-05 12:00 UTC"
    estate.record(Series("shop", "up_count"), minutes([1] * 90, NOON + 15 * MINUTE))
    assert estate.see(NOON + 15 * MINUTE) == [] and estate.states == {}


def test_a_store_that_is_new_and_never_measured_is_told_once_it_has_had_the_time():
    estate = Estate(a_rule(), stores=("certify", "new"))
    estate.record(USED, minutes([50] * 60))
    assert estate.see(NOON) == estate.see(NOON + 5 * MINUTE) == []
    assert [one.series.store for one in estate.see(NOON + 10 * MINUTE)] == ["new"]


def test_a_new_store_that_is_looked_at_once_an_hour_has_the_time_of_two_looks_more():
    estate = Estate(stores=("certify", "asleep"))
    estate.record(Series("certify", "up_count"), minutes([1] * 180))
    estate.stores["asleep"] = a_store(watch={"every": HOUR, "pooler": "pooler"})
    assert estate.see(NOON) == estate.see(NOON + HOUR) == estate.see(NOON + 2 * HOUR) == []
    assert [one.series.store for one in estate.see(NOON + 2 * HOUR + 10 * MINUTE)] == ["asleep"]
    estate.states.clear()
    estate.record(Series("asleep", "pooler_up_count"), minutes([1] * 180))
    assert estate.see(NOON) == estate.see(NOON + HOUR) == estate.see(NOON + 2 * HOUR) == []
    (found,) = estate.see(NOON + 2 * HOUR + 4 * MINUTE)
    assert found.text.startswith("asleep says nothing itself")


@pytest.mark.parametrize(
    ("metric", "subject"), [("own_orders", ""), ("database_bytes", ""), ("dead_rows_percent", "app.thing")]
)
def test_numbers_that_others_keep_do_not_hide_that_the_collector_is_dead(metric, subject):
    own = replace(a_rule("orders"), metric=metric, sql="SELECT 1 AS value", store="certify", lasts=Lasting.parse("5m"))
    estate = Estate(own)
    estate.record(Series("certify", "up_count"), minutes([1] * 21))
    estate.record(Series("certify", metric, subject), minutes([3] * 60 + [99] * 60, every=5 * MINUTE))
    for at in range(0, 180, 5):
        found = estate.see(NOON + at * MINUTE)
        assert [one.severity for one in found] == (["P1"] if at > 30 else [])
    estate.see(NOON + 6 * HOUR)
    assert {one.rule for one in estate.see(NOON + 6 * HOUR)} == {SILENT, "orders"}, (
        "its own numbers are judged all the same"
    )


def test_one_store_with_a_question_of_its_own_does_not_make_it_less_urgent_that_nobody_measures():
    estate = Estate(stores=("certify", "shop"))
    for store in estate.stores:
        estate.record(Series(store, "up_count"), [Sample(NOON, 1)])
    estate.record(Series("shop", "own_orders"), minutes([3] * 60))
    estate.see(NOON + 10 * MINUTE)
    assert [(one.severity, one.series.store) for one in estate.see(NOON + 15 * MINUTE)] == [("P1", "")]


def test_a_store_that_others_tell_of_and_that_says_nothing_itself_is_told_and_the_rest_is_judged():
    estate = Estate(a_rule("disk", "disk_used_percent", levels=Levels(over=80)), stores=("certify", "tyler"))
    estate.stores["tyler"] = a_store(engine="dynamodb")
    estate.speaks = False
    for metric in ("disk_used_percent", "collection_seconds"):
        estate.record(Series("certify", metric), minutes([90] * 60))
    estate.record(Series("tyler", "collection_seconds"), minutes([1] * 60))
    assert [one.rule for one in estate.see(NOON)] == ["disk"], "one look is too few"
    (found,) = (one for one in estate.see(NOON + 5 * MINUTE) if one.rule == SILENT)
    assert (found.series.store, found.severity, found.cause) == ("certify", "P2", "watching"), "no table is no fault"
    text = "certify says nothing itself since 2024-04-05 12:00 UTC, or before: no up_count, though others tell of it"
    assert found.text == text
    estate.record(Series("certify", "up_count"), [Sample(NOON + 6 * MINUTE, 0)])
    assert [one.rule for one in estate.see(NOON + 10 * MINUTE)] == ["disk"], "that it is down is said, too"


def test_a_pooler_that_refuses_us_from_its_first_day_is_told():
    estate = Estate()
    estate.record(Series("certify", "up_count"), minutes([1] * 60))
    assert estate.see(NOON) == estate.see(NOON + 5 * MINUTE) == []
    estate.stores["certify"] = a_store(watch={"pooler": "pooler"})
    assert estate.see(NOON + 10 * MINUTE) == []
    (found,) = estate.see(NOON + 15 * MINUTE)
    assert (found.rule, found.severity, found.cause) == (SILENT, "P2", "watching")
    assert found.text.startswith(
        "the PgBouncer before certify says nothing itself since 2024-04-05 12:10 UTC, or before: no"
    )
    estate.record(Series("certify", "pooler_up_count"), [Sample(NOON + 16 * MINUTE, 0)])
    assert estate.see(NOON + 20 * MINUTE) == []


@pytest.mark.parametrize("kept", [False, True])
def test_a_mistake_in_a_person_s_file_ends_nothing_that_is_wrong_by_their_rules(kept):
    mine = a_rule("mine", levels=Levels(over=60))
    estate = Estate(mine)
    estate.record(USED, minutes([65] * 10 + [50] * 60))
    estate.look(NOON)
    shipped = replace(mine, levels=Levels(over=80))  # what comes along, or nothing
    estate.rules, estate.mistakes, estate.unsure = ({"mine": shipped} if kept else {}), 1, frozenset({"mine"})
    for at in range(5, 60, 5):
        found = {one.rule: one for one in estate.see(NOON + at * MINUTE)}
        estate.carry([*found.values()], NOON + at * MINUTE)
        words = "over 60, since 2024-04-05 12:00 UTC; its rule cannot be judged while include/estate/health.yaml has mistakes"
        assert found["mine"].text.endswith(words) and found["mine"].severity == "P2"
    assert estate.told == ["opened P2 certify: mine (#1)", "opened P2 the estate: rules (#2)"]
    estate.rules, estate.mistakes = {"mine": mine}, 0
    for at in (60, 65, 70, 75):
        estate.look(NOON + at * MINUTE)
    assert estate.open == [] and estate.told[2:] == [
        "cleared well again: P2 certify: mine (#1)", "cleared well again: P2 the estate: rules (#2)"
    ]  # fmt: skip


def test_that_a_store_says_nothing_itself_keeps_nothing_from_being_told_well_again():
    estate = Estate(a_rule("disk", "disk_used_percent", levels=Levels(over=80)))
    estate.speaks = False
    estate.record(Series("certify", "disk_used_percent"), minutes([90] * 10 + [50] * 50))
    estate.record(Series("certify", "collection_seconds"), minutes([1] * 60))
    for at in range(0, 60, 5):
        estate.look(NOON + at * MINUTE)
    assert estate.open == [("certify", "watching")]
    assert estate.told[-1] == "cleared well again: P2 certify: disk (#1)"


def test_an_hourly_number_is_missing_after_hours_and_not_after_minutes():
    estate = Estate(
        a_rule("wraparound", "cpu_percent"), replace(a_rule("rows", "dead_rows_percent"), levels=Levels(over=20))
    )
    estate.record(USED, minutes([1] * 300))
    estate.record(Series("certify", "dead_rows_percent", "app.thing"), [Sample(NOON, 30)])
    assert [one.rule for one in estate.see(NOON + 2 * HOUR)] == ["rows"]
    (found,) = estate.see(NOON + 4 * HOUR)
    assert found.text.endswith("since 2024-04-05 12:00 UTC, and has no number since 2024-04-05 12:00 UTC")


@pytest.mark.parametrize(
    ("text", "count", "seconds"), [("5m", 0, 300), ("0s", 0, 0), ("2 x 300s", 2, 300), ("12 x 60s", 12, 60)]
)
def test_how_long_is_read_and_written_back(text, count, seconds):
    read = Lasting.parse(text)
    assert (read.count, read.period.total_seconds()) == (count, seconds)
    assert Lasting.parse(str(read)) == read


@pytest.mark.parametrize("text", ["5", "2x300s", "13 x 60s", "2 x 10s", "25h", "0 x 60s", "ever"])
def test_how_long_it_cannot_be(text):
    with pytest.raises(ValueError, match="allowed"):
        Lasting.parse(text)


def test_what_is_usual_at_an_hour_is_known_from_the_third_day_on() -> None:
    nights = [Span(NOON - timedelta(days=day), 0, 9, 100.0 * day, 0, 60) for day in (1, 2, 3)]
    assert _by_hour(nights[:2]) == {}
    assert _by_hour(nights) == {12: 200.0}
