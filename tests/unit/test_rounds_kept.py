"""What goes of the log of a table's stream: planned from what there is, nothing of it read."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from sluice.safety.documents.base import Base, TableBase
from sluice.safety.documents.kept import Stored, plan_rounds
from sluice.safety.documents.log import Run
from sluice.safety.keeping.expiring import Expiry

FIRST = datetime(2026, 1, 1, 2, tzinfo=UTC)
DAY = timedelta(days=1)
ROUNDS_A_DAY = 4


def base(day: int, *tables: tuple[str, str]) -> Base:
    """A base of a day, begun with the day's first round of each run."""
    settings: Any = None
    whole = FIRST + day * DAY
    made = [
        TableBase(table, "id", ("id",), settings, Run(run, "s", True), day * ROUNDS_A_DAY, 0, "", ())
        for table, run in tables
    ]
    return Base("shop", f"{day:02}", whole.isoformat(), whole.isoformat(), tuple(made))


def log(table: str, run: str, days: Iterable[int]) -> list[Stored]:
    """Some rounds each day, the first of which is what makes that day's base consistent."""
    return [
        Stored(
            table,
            run,
            day * ROUNDS_A_DAY + number,
            f"{table}/{run}/{day}.{number}",
            FIRST + day * DAY + number * DAY / ROUNDS_A_DAY,
        )
        for day in days
        for number in range(ROUNDS_A_DAY)
    ]


def gone(
    bases: Iterable[Base], kept: Iterable[int], anchor: int, rounds: list[Stored], unread: Iterable[int] = ()
) -> list[str]:
    """Plan; give what goes, by its key."""
    known = {one.id: one for one in bases}
    expiry = Expiry({f"{day:02}": "" for day in kept}, {}, {}, (), f"{anchor:02}", FIRST + (anchor + 1) * DAY)
    noted = {one.id: one.whole + timedelta(hours=1) for one in known.values() if int(one.id) not in unread}
    return [key for drop in plan_rounds(known, expiry, rounds, noted) for key in drop.files.values()]


def test_an_old_base_keeps_what_makes_it_consistent_and_the_window_all_behind_its_first() -> None:
    bases = [base(day, ("orders", "000000")) for day in range(10)]
    found = gone(bases, (2, 7, 8, 9), 7, log("orders", "000000", range(10)))
    days = [key.removeprefix("orders/000000/") for key in found]
    assert days == [f"{day}.{number}" for day in range(7) for number in range(ROUNDS_A_DAY) if (day, number) != (2, 0)]


def test_of_a_base_that_nobody_has_read_all_that_follows_stays() -> None:
    bases = [base(day, ("orders", "000000")) for day in range(10)]
    found = gone(bases, (2, 7, 8, 9), 7, log("orders", "000000", range(10)), unread=(2,))
    assert found == [f"orders/000000/{day}.{number}" for day in range(2) for number in range(ROUNDS_A_DAY)]


def test_of_a_log_that_ended_only_its_kept_bases_and_its_last_round_stay() -> None:
    bases = [
        *(base(day, ("orders", "000000")) for day in range(4)),
        *(base(day, ("orders", "000001")) for day in range(4, 10)),
    ]
    rounds = [*log("orders", "000000", range(4)), *log("orders", "000001", range(4, 10))]
    found = gone(bases, (1, 7, 8, 9), 7, rounds)
    assert [key for key in found if key.startswith("orders/000000")] == [
        f"orders/000000/{day}.{number}"
        for day in range(4)
        for number in range(ROUNDS_A_DAY)
        if (day, number) not in ((1, 0), (3, 3))
    ]
    assert [key for key in found if key.startswith("orders/000001")][-1] == "orders/000001/6.3"


def test_a_table_that_came_later_keeps_its_log_from_its_own_first_base_on() -> None:
    bases = [
        *(base(day, ("orders", "000000")) for day in range(8)),
        *(base(day, ("orders", "000000"), ("new", "000000")) for day in (8, 9)),
    ]
    rounds = log("new", "000000", range(7, 10))
    assert gone(bases, (7, 8, 9), 7, rounds) == [f"new/000000/7.{number}" for number in range(ROUNDS_A_DAY)]


def test_within_the_window_all_stays_and_where_nothing_was_verified_too() -> None:
    bases = [base(day, ("orders", "000000")) for day in range(3)]
    rounds = log("orders", "000000", range(3))
    assert gone(bases, (0, 1, 2), 0, rounds) == []
    nothing = Expiry({one.id: "" for one in bases}, {}, {}, ())
    assert [*plan_rounds({one.id: one for one in bases}, nothing, rounds, {})] == []
