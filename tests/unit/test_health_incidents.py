"""What becomes of incidents: one for each cause, few of a storm, no flapping, silence, and what people are told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sluice.estate.calendar import Window
from sluice.estate.health import Levels, Silence
from sluice.insight.health.incidents import MOST_NEW
from sluice.insight.health.troubles import WATCHING
from sluice.ledger.samples import Sample, Series

from tests.watched import HOUR, MINUTE, NOON, Estate, a_rule, a_trouble, minutes

LOCKS = a_trouble(cause="locks", severity="P2")
SLOW = a_trouble(cause="slow", explained_by=("locks",))
LATE = a_trouble(cause="replication", severity="P2", explained_by=("locks", "slow"))
POOL = a_trouble(cause="pool", explained_by=("slow", "locks"))


@pytest.fixture
def estate():
    return Estate()


def test_lag_slow_statements_and_locks_of_one_store_are_one_incident(estate):
    outcome = estate.carry([LATE, SLOW, LOCKS, POOL], NOON, {("certify", "locks"): "pid 7 holds it"})
    (message,) = outcome.messages
    assert estate.open == [("certify", "locks")]
    assert message.subject == "P2 certify: locks (#1)"
    assert message.text.splitlines() == [
        "P2 certify locks is wrong",
        "Incident 1, locks, since 2024-04-05 12:00 UTC. Somebody is at it within 15 minutes.",
        "· replication is wrong",
        "· pool is wrong",
        "· slow is wrong",
        "pid 7 holds it",
        "Do first: Look.",
        "docs/howto/know-what-is-wrong.md (in the project's folder) · me",
    ]


def test_a_page_with_an_address_is_a_link_that_can_be_followed(estate):
    at = "https://pages.shop.example/docs/howto/know-what-is-wrong.md#locks"
    (message,) = estate.carry([replace(LOCKS, runbook=at)], NOON).messages
    assert message.text.splitlines()[-1] == f"{at} · me"


def test_who_waited_for_whom_is_not_shown_below_a_server_that_went_down(estate):
    waiting = replace(LOCKS, explained_by=("unreachable",))
    estate.carry([waiting], NOON, {("certify", "locks"): "pid 7"})
    assert estate.board.incidents[0].evidence == "pid 7"
    estate.carry([waiting, a_trouble(cause="unreachable", severity="P1")], NOON + 5 * MINUTE)
    (one,) = estate.board.incidents
    assert (one.cause, one.evidence) == ("unreachable", ""), "its sessions are gone with it"


def test_a_mistake_that_is_mended_is_over_though_a_store_is_measured_by_nobody(estate):
    silent = a_trouble("lab", WATCHING)
    estate.carry([a_trouble("", "rules"), silent], NOON)
    for minute in (5, 16):
        estate.carry([silent], NOON + minute * MINUTE)
    assert estate.open == [("lab", WATCHING)]


def test_what_is_wrong_at_another_store_or_for_another_cause_is_another(estate):
    estate.carry([LOCKS, a_trouble("shop", "slow", explained_by=("locks",)), a_trouble(cause="bloat")], NOON)
    assert sorted(estate.open) == [("certify", "bloat"), ("certify", "locks"), ("shop", "slow")]


def test_an_incident_takes_the_name_of_what_turns_out_to_explain_it(estate):
    estate.carry([SLOW], NOON)
    estate.carry([SLOW, LOCKS], NOON + 5 * MINUTE)
    assert estate.open == [("certify", "locks")]
    assert estate.told == ["opened P3 certify: slow (#1)", "worse worse: P2 certify: locks (#1)"]
    estate.carry([SLOW], NOON + 10 * MINUTE)
    assert estate.open == [("certify", "locks")], "what is left of it is no new one"


def test_what_was_explained_stays_where_it_is_when_what_explained_it_is_gone(estate):
    last = a_trouble(cause="pool", explained_by=("slow",))
    estate.carry([LOCKS, SLOW, last], NOON)
    estate.carry([LOCKS, last], NOON + 5 * MINUTE)
    assert estate.open == [("certify", "locks")] and len(estate.told) == 1


def test_causes_that_explain_each_other_are_one_all_the_same(estate):
    one = a_trouble(cause="memory", explained_by=("connections",))
    other = a_trouble(cause="connections", explained_by=("slow",))
    ring = a_trouble(cause="slow", severity="P2", explained_by=("memory",))
    estate.carry([one, other, ring], NOON)
    assert estate.open == [("certify", "slow")]


def test_of_two_incidents_that_turn_out_to_be_one_the_other_goes_on_as_it_and_nobody_waits_for_its_end(estate):
    estate.carry([replace(SLOW, explained_by=()), LOCKS], NOON)
    assert len(estate.open) == 2
    estate.told.clear()
    (message,) = estate.carry([SLOW, LOCKS], NOON + 5 * MINUTE).messages
    assert message.text.startswith("certify goes on as incident 1: slow, incident 2")
    assert (message.incident, message.details["ended"], message.details["goes_on_as"]) == (2, "joined", 1)
    estate.carry([], NOON + 10 * MINUTE)
    estate.carry([], NOON + 20 * MINUTE)
    assert estate.told == ["cleared goes on as #1: P3 certify: slow (#2)", "cleared well again: P2 certify: locks (#1)"]


def test_symptoms_that_came_before_their_root_are_ended_when_it_takes_them(estate):
    replicas = a_trouble(cause="replication", severity="P1", explained_by=("unreachable",))
    estate.carry([SLOW], NOON)
    estate.carry([SLOW, replicas], NOON + 5 * MINUTE)
    root = a_trouble(cause="unreachable", severity="P1")
    slow = replace(SLOW, explained_by=("unreachable",))
    estate.carry([slow, replicas, root], NOON + 10 * MINUTE)
    (open_one,) = (one for one in estate.board.incidents if one.cleared is None)
    other = ({1, 2} - {open_one.id}).pop()
    assert [one for one in estate.told if one.endswith(f"(#{other})") and one.startswith("cleared")]


@given(st.lists(st.sets(st.integers(0, 9), max_size=6), max_size=30))
def test_whatever_comes_and_goes_every_incident_that_was_told_is_told_to_end(looks):
    causes = ("locks", "slow", "unreachable", "pool", "replication")
    above = {"slow": ("locks", "unreachable"), "pool": ("slow",), "replication": ("unreachable",)}
    estate, told, ended = Estate(), set(), set()
    for n, found in enumerate([*looks, *[set()] * 24]):
        ones = [
            a_trouble(f"s{one % 2}", causes[one // 2], severity="P1", explained_by=above.get(causes[one // 2], ()))
            for one in found
        ]
        for message in estate.carry(ones, NOON + n * 5 * MINUTE).messages:
            (ended.add if message.kind == "cleared" else told.add)(message.incident)
            if message.kind != "cleared":
                ended.discard(message.incident)
    assert told == ended and estate.open == []


def test_a_rule_that_is_switched_off_ends_its_incident_and_nobody_reads_that_it_is_well(estate):
    estate.judged = {"rule_slow", "rule_locks"}
    estate.carry([SLOW, a_trouble("shop", "locks")], NOON)
    estate.told.clear()
    estate.judged = {"rule_locks"}
    (message,) = estate.carry([a_trouble("shop", "locks")], NOON + 5 * MINUTE).messages
    assert message.subject.startswith("judged no more: P3 certify: slow")
    assert message.text.startswith("certify is judged no more, its rule is off or gone: slow, incident ")
    assert message.details["ended"] == "unjudged"
    assert estate.open == [("shop", "locks")]
    estate = Estate()
    estate.judged = {"rule_slow"}
    estate.carry([SLOW], NOON + HOUR)
    estate.carry([], NOON + HOUR + 5 * MINUTE)
    estate.judged = set()
    estate.carry([], NOON + HOUR + 16 * MINUTE)
    assert estate.told[-1].startswith("cleared well again"), "it was well before its rule was switched off"


def test_the_same_cause_at_more_than_three_stores_is_the_estate_s(estate):
    three = [a_trouble(f"s{n}", "unreachable", severity="P1") for n in range(3)]
    estate.carry(three, NOON)
    assert len(estate.open) == 3
    estate = Estate()
    estate.carry([a_trouble(f"s{n}", "unreachable", severity="P1") for n in range(4)], NOON)
    assert estate.open == [("", "unreachable")]
    estate.carry([a_trouble(f"s{n}", "unreachable", severity="P1") for n in (0, 1, 2, 7)], NOON + 5 * MINUTE)
    assert estate.open == [("", "unreachable")], "one more store is of it as long as it is of more than three"
    assert estate.told[1:] == ["more more: P1 the estate: unreachable (#1)"]
    estate.carry([a_trouble(f"s{n}", "unreachable", severity="P1") for n in (1, 8)], NOON + 10 * MINUTE)
    assert estate.open == [("", "unreachable"), ("s8", "unreachable")], (
        "what is left of it stays it, another is its own"
    )


def test_when_a_fourth_store_follows_the_three_go_on_as_the_estate_s_and_nobody_reads_that_they_are_well(estate):
    ones = [a_trouble(f"s{n}", "unreachable", severity="P1") for n in range(4)]
    estate.carry(ones[:3], NOON)
    estate.told.clear()
    estate.carry(ones, NOON + 5 * MINUTE)
    assert estate.open == [("", "unreachable")]
    ends = [f"cleared goes on as #4: P1 s{n}: unreachable (#{n + 1})" for n in range(3)]
    assert estate.told == [*ends, "opened P1 the estate: unreachable (#4)"]


def storm(size):
    return [
        a_trouble(f"store{n % 50}", f"cause{n // 50}_{n}", subject=str(n), severity=("P1", "P2", "P3", "P4")[n % 4])
        for n in range(size)
    ]


def test_a_storm_of_500_is_five_incidents_and_one_of_them_lists_the_rest(estate):
    outcome = estate.carry(storm(500), NOON)
    assert len(estate.open) == len(outcome.messages) == MOST_NEW == 5
    assert sum(len(one.members) for one in estate.board.incidents) == 500
    assert {message.severity for message in outcome.messages} == {"P1"}
    rest = next(message for message in outcome.messages if "storm" in message.subject)
    assert "· and 476 more" in rest.text
    for n in range(1, 10):
        assert estate.carry(storm(500), NOON + n * MINUTE).messages == ()
    assert len(estate.open) == 5


def test_one_cause_everywhere_is_one_incident_of_a_storm(estate):
    estate.carry([a_trouble(f"store{n}", "unreachable", severity="P1") for n in range(500)], NOON)
    assert estate.open == [("", "unreachable")]


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.sampled_from(["P1", "P2", "P3", "P4"])), max_size=200)
)
def test_whatever_goes_wrong_at_most_five_are_new_and_nothing_is_lost(faults):
    found = {
        (s, c): a_trouble(f"s{s}", f"c{c}", severity=severity, explained_by=(f"c{(c * 3 + 1) % 10}",))
        for s, c, severity in faults
    }
    estate = Estate()
    outcome = estate.carry([*found.values()], NOON)
    assert len(outcome.messages) == len(estate.open) <= 5
    members = [member.key for one in estate.board.incidents for member in one.members]
    assert sorted(members) == sorted(one.key for one in found.values()), "each is in one incident"
    assert len(set(estate.open)) == len(estate.open)


def test_it_is_cleared_when_it_has_been_well_for_a_while_and_told_once(estate):
    estate.carry([LOCKS], NOON)
    estate.carry([], NOON + 5 * MINUTE)
    assert estate.open
    estate.carry([], NOON + 15 * MINUTE)
    estate.carry([], NOON + 20 * MINUTE)
    assert not estate.open
    assert estate.told == ["opened P2 certify: locks (#1)", "cleared well again: P2 certify: locks (#1)"]


def test_what_flaps_is_one_incident_and_is_told_a_few_times_in_a_day(estate):
    for n in range(24 * 12):
        estate.carry([LOCKS] if n % 2 else [], NOON + n * 5 * MINUTE)
    assert estate.told == ["opened P2 certify: locks (#1)"]
    slowly = Estate()
    for n in range(24 * 12):
        slowly.carry([LOCKS] if n % 4 == 0 else [], NOON + n * 5 * MINUTE)  # well for 15 minutes, again and again
    assert {one.id for one in slowly.board.incidents} == {1}
    assert slowly.told == [
        "opened P2 certify: locks (#1)",
        "cleared well again: P2 certify: locks (#1)",
        "back back: P2 certify: locks (#1)",
    ]


def test_what_comes_back_much_later_is_a_new_one(estate):
    for at, found in ((0, [LOCKS]), (5, []), (20, []), (60, [LOCKS])):
        estate.carry(found, NOON + at * MINUTE)
    assert [one.id for one in estate.board.incidents] == [1, 2]


def test_it_is_told_when_it_gets_worse_and_not_when_it_gets_better_and_worse_again(estate):
    worse = replace(LOCKS, severity="P1")
    for n, found in enumerate((LOCKS, worse, LOCKS, worse)):
        estate.carry([found], NOON + n * 5 * MINUTE)
    assert estate.told == ["opened P2 certify: locks (#1)", "worse worse: P1 certify: locks (#1)"]


def test_of_a_p1_that_stays_open_people_are_reminded(estate):
    for n in range(9 * 12):
        estate.carry([replace(LOCKS, severity="P1")], NOON + n * 5 * MINUTE)
    assert estate.told == ["opened P1 certify: locks (#1)", *["reminder reminder: P1 certify: locks (#1)"] * 2]


def test_a_second_run_of_the_same_look_changes_nothing_and_tells_nobody(estate):
    estate.carry([LOCKS, SLOW], NOON)
    before = estate.board
    assert estate.carry([LOCKS, SLOW], NOON).messages == ()
    assert estate.board == before


WINDOW = Window(days=("fri",), opens=(NOON - HOUR).time(), closes=(NOON + HOUR).time())


def test_in_a_maintenance_window_it_is_kept_and_told_when_the_window_ends_if_it_is_there_still():
    estate = Estate(maintenance=[WINDOW])
    estate.carry([LOCKS, a_trouble(cause="bloat")], NOON)
    estate.carry([LOCKS], NOON + 55 * MINUTE)
    assert estate.told == []
    assert {one.hushed for one in estate.board.incidents} == {"maintenance: fri 11:00–13:00 UTC"}
    estate.carry([LOCKS], NOON + HOUR)
    assert estate.told == ["opened P2 certify: locks (#1)"]
    estate.carry([LOCKS], NOON + 2 * HOUR)
    assert len(estate.told) == 1, "that the bloat is gone nobody is told: they never knew"


def test_a_maintenance_window_silences_neither_that_a_store_is_gone_nor_that_nobody_measures():
    estate = Estate(maintenance=[WINDOW])
    watching = a_trouble("shop", "watching", severity="P2")
    gone = a_trouble(cause="unreachable", severity="P1")
    missing = a_trouble("tyler", "unreachable", severity="P2")
    estate.carry([gone, watching, missing, LOCKS], NOON)
    assert estate.told == ["opened P1 certify: unreachable (#1)", "opened P2 shop: watching (#2)"]
    assert [one.place for one in estate.board.incidents if one.hushed] == [
        ("certify", "locks"),
        ("tyler", "unreachable"),
    ]
    day = Silence(store="certify", until=NOON.date(), why="it is moved")
    asked = Estate(maintenance=[WINDOW], silences=[day])
    asked.carry([gone], NOON)
    assert asked.told == [], "a silence that somebody asked for holds for it, too"


def test_what_was_told_before_the_window_is_told_when_it_is_well_even_within(estate):
    estate.hushes = {"maintenance": [WINDOW]}
    before = NOON - 2 * HOUR
    for at in (0, 65, 80):
        estate.carry([LOCKS] if at == 0 else [], before + at * MINUTE)
    assert estate.told[-1].startswith("cleared")


def test_our_own_work_silences_what_it_causes_alone(estate):
    by_us = {("certify", "locks"): "sluice:cutover orders"}
    mine = replace(LOCKS, ours=True)
    estate.carry([mine], NOON, ours=by_us)
    assert estate.told == []
    assert estate.board.incidents[0].hushed == "Sluice's own work: sluice:cutover orders"
    estate.carry([mine], NOON + 5 * MINUTE)
    assert len(estate.told) == 1, "it is somebody else's now"
    unreachable = a_trouble(cause="unreachable", severity="P1")
    estate.carry([unreachable], NOON + 5 * MINUTE, ours={("certify", "unreachable"): "sluice:cutover orders"})
    assert estate.told[-1] == "opened P1 certify: unreachable (#2)", "a rule that is not marked so is told all the same"


def test_an_incident_is_as_urgent_as_what_of_it_is_told(estate):
    hushed = replace(LOCKS, severity="P1", ours=True)
    outcome = estate.carry([hushed, SLOW], NOON, ours={("certify", "locks"): "sluice:x"})
    assert [message.severity for message in outcome.messages] == ["P3"]


def test_what_nobody_is_told_of_takes_no_place_of_what_somebody_is(estate):
    hushed = [a_trouble(f"s{n}", f"c{n}", severity="P1") for n in range(10)]
    estate.hushes = {"silences": [Silence(store=f"s{n}", until=NOON.date(), why="x") for n in range(10)]}
    outcome = estate.carry([*hushed, LOCKS], NOON)
    assert [message.subject for message in outcome.messages] == ["P2 certify: locks (#1)"]


def test_people_s_own_silence_holds_until_the_end_of_its_day():
    day = Silence(store="certify", rule="rule_locks", until=NOON.date(), why="we know")
    estate = Estate(silences=[day])
    estate.carry([LOCKS], NOON)
    assert estate.board.incidents[0].hushed == "silenced until 2024-04-05: we know"
    estate.carry([LOCKS, SLOW, a_trouble("shop", "locks")], NOON)
    assert len(estate.told) == 2, "another rule, and another store, are told"
    estate.carry([LOCKS], NOON + timedelta(days=1))
    assert estate.told[2:] == ["worse worse: P2 certify: locks (#1)"]
    late = Estate(silences=[day])
    late.carry([LOCKS], NOON + timedelta(days=1))
    assert len(late.told) == 1


def test_a_flapping_number_and_a_dead_collector_through_the_whole_look():
    rule = a_rule(levels=Levels(over=80, clear=70))
    estate = Estate(rule, stores=("certify", "shop"))
    used = Series("certify", rule.metric)
    estate.record(Series("shop", rule.metric), minutes([10] * 61))
    estate.record(used, minutes([85 if n % 2 else 65 for n in range(61)]))
    for n in range(13):
        estate.look(NOON + n * 5 * MINUTE)
    assert estate.told == ["opened P2 certify: busy (#1)"]
    estate.told.clear()
    for n in range(13, 40):
        estate.look(NOON + n * 5 * MINUTE)
    assert estate.told == ["opened P1 the estate: watching (#2)"], "while nobody measures, nothing is called well"
    for series in (used, Series("shop", rule.metric)):
        estate.record(series, minutes([10] * 80, NOON + 200 * MINUTE))
    for n in range(40, 55):
        estate.look(NOON + n * 5 * MINUTE)
    assert estate.told[1:] == [
        "cleared well again: P1 the estate: watching (#2)",
        "cleared well again: P2 certify: busy (#1)",
    ]


def test_no_data_of_a_store_that_is_down_hangs_below_that_it_is_down():
    estate = Estate(
        a_rule(),
        a_rule("unreachable", "up_count", severity="P1", levels=Levels(under=1)),
        a_rule("waits", "lock_waits_count"),
    )
    for metric in ("connections_used_percent", "lock_waits_count"):
        estate.record(Series("certify", metric), [Sample(NOON, 50)])
    estate.record(Series("certify", "up_count"), minutes([1] * 5 + [0] * 30))
    for n in range(7):
        estate.look(NOON + n * 5 * MINUTE)
    assert estate.open == [("certify", "unreachable")]
    assert len(estate.board.incidents[0].members) == 3
    assert len(estate.told) == 1
