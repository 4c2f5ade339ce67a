"""What lasts from run to run is told when it begins, gets worse, has lasted for hours as a P1, and is over; pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sluice.flow.lasting import QUIET, REMIND, Known, Wrong, due

NOON = datetime(2024, 4, 5, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LATE = Wrong("P2", "shop/b", "P2: shop/b: is 7.3 s behind, and 2 s are allowed")
GONE = Wrong("P1", "shop/b", "P1: shop/b: does not answer: no route to 10.0.0.7:5432 at 0/30001F8")


def told(found: Sequence[Wrong], known: dict[str, Known], at: datetime = NOON) -> list[str]:
    return [one.wrong.text for one in due(found, known, at)]


def knowing(*ones: Wrong, at: datetime = NOON) -> dict[str, Known]:
    return {one.key: Known(one, at, at) for one in ones}


def test_what_is_new_is_told_and_what_is_known_is_not_whatever_its_numbers() -> None:
    other = Wrong("P1", "shop/b", "P1: shop/b: does not answer: no route to 10.0.0.8:5433 at 0/4A")
    slower = Wrong("P2", "shop/b", "P2: shop/b: is 1,250.1 s behind, and 2 s are allowed")
    assert told([GONE, LATE], {}) == [GONE.text, LATE.text]
    assert told([other, slower], knowing(GONE, LATE), NOON + MINUTE) == []


def test_another_fault_of_the_same_server_is_told() -> None:
    fenced = Wrong("P1", "shop/b", "P1: shop/b: was fenced and left, and 1 transaction has written there")
    assert told([GONE, fenced], knowing(GONE), NOON + MINUTE) == [fenced.text]
    assert told([Wrong("P1", "shop/c", GONE.text)], knowing(GONE), NOON + MINUTE) == [GONE.text]


def test_what_gets_more_urgent_is_told_and_what_gets_less_is_not() -> None:
    short = {how: Wrong(how, "shop/t", f"{how}: t has partitions for 20 more days") for how in ("P1", "P2")}
    assert told([short["P1"]], knowing(short["P2"]), NOON + MINUTE) == [short["P1"].text]
    assert told([short["P2"]], knowing(short["P1"]), NOON + MINUTE) == []


def test_of_a_p1_alone_people_are_reminded() -> None:
    known = knowing(GONE, LATE)
    assert told([GONE, LATE], known, NOON + REMIND - MINUTE) == []
    assert told([GONE, LATE], known, NOON + REMIND) == [GONE.text]


def test_it_is_over_when_it_has_been_gone_for_a_while() -> None:
    known = knowing(GONE)
    assert told([], known, NOON + QUIET - MINUTE) == []
    assert told([], known, NOON + QUIET) == [f"It is over: {GONE.text}"]
    assert [one.known for one in due([], known, NOON + QUIET)] == [None]
