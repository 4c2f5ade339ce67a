"""What joins an incident that is open: told once, with the incident that it belongs to, and nothing is swallowed for ever."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sluice.estate.health import Silence

from tests.watched import HOUR, MINUTE, NOON, Estate, a_trouble


@pytest.fixture
def estate():
    return Estate()


def down(*names: str):
    return [a_trouble(name, "unreachable", severity="P1") for name in names]


def throttled(*tables: str, severity: str = "P2"):
    return [
        a_trouble("shop", "throttles", subject=table, severity=severity, text=f"{table}: throttles is wrong")
        for table in tables
    ]


FOUR = down("a", "b", "c", "d")


def test_a_store_that_follows_others_down_is_told_alone_and_with_the_incident_it_belongs_to(estate):
    estate.carry(FOUR, NOON)
    outcome = estate.carry([*FOUR, *down("payments")], NOON + HOUR)
    (message,) = outcome.messages
    assert (message.kind, message.subject, message.severity) == ("more", "more: P1 the estate: unreachable (#1)", "P1")
    assert message.text.splitlines()[:3] == [
        "P1 the estate has more: payments: unreachable is wrong",
        "Incident 1, unreachable, since 2024-04-05 12:00 UTC, 5 wrong by now. Somebody is at it at once.",
        "Do first: Look.",
    ]
    assert message.details["wrong"] == 5 and message.details["rules"] == ["rule_unreachable"]
    assert estate.carry([*FOUR, *down("payments")], NOON + HOUR + 5 * MINUTE).messages == ()


def test_all_that_join_at_one_look_are_one_message(estate):
    estate.carry(throttled("orders"), NOON)
    (message,) = estate.carry(throttled("orders", "items", "users"), NOON + 5 * MINUTE).messages
    assert message.text.count("throttles is wrong") == 2
    assert "orders" not in message.text


def test_another_table_is_told_though_the_first_is_well_by_then(estate):
    estate.carry(throttled("orders"), NOON)
    estate.carry(throttled("items"), NOON + 5 * MINUTE)
    assert estate.told == ["opened P2 shop: throttles (#1)", "more more: P2 shop: throttles (#1)"]


def test_what_follows_from_what_people_were_told_of_is_not_told(estate):
    locks, pool = (
        a_trouble(cause="locks", severity="P2"),
        a_trouble(cause="pool", severity="P2", explained_by=("locks",)),
    )
    estate.carry([locks], NOON)
    estate.carry([locks, pool], NOON + 5 * MINUTE)
    assert estate.told == ["opened P2 certify: locks (#1)"]
    estate.carry([pool], NOON + 10 * MINUTE)
    assert estate.told[1:] == ["more more: P2 certify: locks (#1)"], "nothing that is there explains it any more"


def test_what_follows_from_what_is_silenced_is_told(estate):
    estate.hushes = {"silences": [Silence(rule="rule_locks", until=NOON.date(), why="we know")]}
    locks, slow = (
        a_trouble(cause="locks", severity="P2"),
        a_trouble(cause="slow", severity="P2", explained_by=("locks",)),
    )
    pool = a_trouble(cause="pool", severity="P2", explained_by=("locks",))
    estate.carry([locks, slow], NOON)
    estate.carry([locks, slow, pool], NOON + 5 * MINUTE)
    assert [one.partition(" ")[0] for one in estate.told] == ["opened", "more"]


def test_what_was_silenced_when_the_incident_opened_is_told_when_the_silence_ends(estate):
    day = Silence(rule="rule_quiet", until=NOON.date(), why="we know")
    ones = [a_trouble(severity="P2"), a_trouble(rule="rule_quiet", severity="P2")]
    estate.hushes = {"silences": [day]}
    estate.carry(ones, NOON)
    estate.carry(ones, NOON + 24 * HOUR)
    assert estate.told == ["opened P2 certify: slow (#1)", "more more: P2 certify: slow (#1)"]


def test_what_flaps_within_an_incident_is_told_once_and_what_comes_back_much_later_again(estate):
    for n in range(12):
        estate.carry(throttled("orders", *(["items"] if n % 2 else [])), NOON + n * 5 * MINUTE)
    assert estate.told[1:] == ["more more: P2 shop: throttles (#1)"]
    for n in range(12, 24):
        estate.carry(throttled("orders"), NOON + n * 5 * MINUTE)
    estate.carry(throttled("orders", "items"), NOON + 2 * HOUR)
    assert estate.told[2:] == ["more more: P2 shop: throttles (#1)"]


def test_what_can_wait_is_told_every_four_hours_so_that_what_never_ends_swallows_nothing(estate):
    for n in range(12 * 12):
        slow = [a_trouble(f"s{m}") for m in range(6 + n // 12)]  # one store more each hour
        estate.carry(slow, NOON + n * 5 * MINUTE)
    assert estate.open == [("", "slow")]
    assert estate.told == ["opened P3 the estate: slow (#1)", *["more more: P3 the estate: slow (#1)"] * 2]


def test_what_is_urgent_at_a_store_that_is_slow_with_all_others_is_an_incident_of_its_own(estate):
    slow = [a_trouble(f"s{n}", explained_by=("locks",)) for n in range(6)]
    estate.carry(slow, NOON)
    estate.carry([*slow, a_trouble("s1", "locks", severity="P2")], NOON + 5 * MINUTE)
    assert estate.told == ["opened P3 the estate: slow (#1)", "opened P2 s1: locks (#2)"]


def test_a_p1_that_joins_puts_off_no_reminder(estate):
    for n in range(49):
        estate.carry([*FOUR, *down(*(f"s{m}" for m in range(n // 6)))], NOON + n * 5 * MINUTE)
    kinds = [one.partition(" ")[0] for one in estate.told]
    assert kinds == ["opened", *["more"] * 7, "reminder"]


def test_what_people_read_of_in_an_incident_that_is_part_of_the_estate_s_now_is_not_told_again(estate):
    estate.carry(FOUR, NOON)
    estate.carry(FOUR[:2], NOON + 5 * MINUTE)
    estate.carry([*FOUR[:2], *down("payments")], NOON + 10 * MINUTE)
    estate.carry([*FOUR, *down("payments")], NOON + 15 * MINUTE)
    assert estate.open == [("", "unreachable")]
    opened = ["opened P1 the estate: unreachable (#1)", "opened P1 payments: unreachable (#2)"]
    assert estate.told == [*opened, "cleared goes on as #1: P1 payments: unreachable (#2)"]


TABLES = ("orders", "items", "users", "carts")


@given(st.lists(st.sets(st.sampled_from(TABLES)), max_size=40))
def test_whatever_joins_and_leaves_nothing_is_wrong_that_people_have_not_read_of(looks):
    estate, named = Estate(), {}
    for n, tables in enumerate(looks):
        now = NOON + n * 5 * MINUTE
        (text,) = [
            one.text for one in estate.carry(throttled(*sorted(tables)), now).messages if one.kind != "cleared"
        ] or [""]
        for table in tables:
            assert table in text or table in named, "nobody has read of it"
        named |= dict.fromkeys((table for table in TABLES if table in text), now)


def test_two_looks_at_one_moment_tell_it_once(estate):
    estate.carry(throttled("orders"), NOON)
    estate.carry(throttled("orders", "items"), NOON + 5 * MINUTE)
    before = estate.board
    assert estate.carry(throttled("orders", "items"), NOON + 5 * MINUTE).messages == ()
    assert estate.board == before
    assert replace(before.incidents[0], named=()) != before.incidents[0]
