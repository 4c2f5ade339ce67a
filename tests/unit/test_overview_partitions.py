"""Months as a look writes them down: which state stands for a month, what goes next and when, and what is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sluice.estate.dataset import Dataset
from sluice.estate.retention import Keep
from sluice.overview.partitions.months import MOST, STATES, Piece, by_month, leaves_at, named, read, written
from sluice.overview.partitions.of_tables import table_found
from sluice.stores.postgres import Table
from sluice.upkeep.archive.choosing import cutoff
from sluice.upkeep.archive.ledger import Export, Month, Reading
from sluice.upkeep.partitions.spans import BEGIN, END, Every, Span, spans
from sluice.upkeep.partitions.there import Branch, Partition

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)


def on(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def months(first: str, end: str, every: Every = "month") -> list[Span]:
    return list(spans(on(first), on(end), every))


def dataset(every: Every = "month", **retention: Any) -> Dataset:
    told: dict[str, Any] = {
        "dataset": "event",
        "store": "shop",
        "table": "app.event",
        "partition": {"range": "at", "every": every},
    }
    if retention:
        told["retention"] = {"then": "drop", "cooling": "7d", **retention}
    return Dataset.model_validate(told)


def branch(*attached: Span, leaving: Span | None = None) -> Branch:
    parts = tuple(
        Partition(
            number,
            Table("app", f"event_{one.lower:%Y%m%d}"),
            f"FOR VALUES FROM ('{one.lower:%Y-%m-%d %H:%M:%S}+00') TO ('{one.upper:%Y-%m-%d %H:%M:%S}+00')",
            one == leaving,
        )
        for number, one in enumerate(attached)
    )
    return Branch(1, Table("app", "event"), "range", ("at",), "timestamp with time zone", parts)


def known(span: Span, state: str, **more: Any) -> Month:
    told: dict[str, Any] = {
        "parent": Table("app", "event"), "span": span, "bounds": "", "partition": Table("app", f"event_{span.lower:%Y%m%d}"),
        "oid": 9, "state": state, "held": None, "export": Export(1200, "1", "archive/m.json", "ab", None),
        "reading": Reading(1200, "1", NOW - timedelta(days=3)), "cools_until": None, "expires_at": None, "now": NOW,
    }  # fmt: skip
    return Month(**{**told, **more})


def states(found: dict[str, Any]) -> dict[str, str]:
    return {one.month: one.state for one in read(found["months"])}


def test_each_month_stands_where_it_is() -> None:
    held = ({"from": "2025-02", "until": "2025-02", "because": "case 7"},)
    attached = months("2025-01-01", "2026-06-01")
    gone, cooling = months("2024-11-01", "2025-01-01")
    ledger = [
        known(gone, "dropped"),
        known(cooling, "cooling", cools_until=NOW + timedelta(days=1)),
        known(attached[2], "restored"),
    ]
    found = table_found(dataset(keep="12 months", holds=held), [(branch(*attached), ledger)], [], NOW)
    assert states(found) == {
        "2024-11": "gone", "2024-12": "cooling", "2025-01": "due", "2025-02": "held", "2025-03": "back",
        **{f"2025-{number:02}": "live" for number in range(4, 13)},
        **{f"2026-{number:02}": "live" for number in range(1, 4)}, "2026-04": "ahead", "2026-05": "ahead",
    }  # fmt: skip
    assert found["wrong"] == []
    assert found["leaves"] == {"what": "2025-04", "at": "2026-05-01T00:00:00+00:00"}
    assert found["drops"] == {"what": "2024-12", "at": (NOW + timedelta(days=4)).isoformat()}, (
        "7 days after it was read back"
    )
    assert (found["until"], found["wanted"]) == ("2026-06-01T00:00:00+00:00", "2026-07-01T00:00:00+00:00")
    assert found["policy"] == "a partition a month, 3 months ahead; kept for 12 months, then archived and dropped"


def test_what_nobody_archives_stays_and_nothing_goes_next() -> None:
    found = table_found(dataset(), [(branch(*months("2020-01-01", "2026-06-01")), [])], [], NOW)
    assert set(states(found).values()) == {"live", "ahead"}
    assert (found["leaves"], found["drops"], found["archives"]) == (None, None, False)
    assert found["policy"].endswith("everything stays")


def test_a_gap_is_wrong_and_a_month_that_has_left_is_none() -> None:
    there = months("2025-01-01", "2026-06-01")
    without_two = [one for one in there if one not in (there[3], there[5])]
    found = table_found(dataset(keep="24 months"), [(branch(*without_two), [known(there[3], "dropped")])], [], NOW)
    assert states(found)["2025-04"] == "gone"
    assert states(found)["2025-06"] == "gap"
    assert found["wrong"] == ["app.event has no partition for 2025-06-01 to 2025-07-01"]


def test_odd_bounds_a_lost_month_and_rows_in_a_default_are_wrong() -> None:
    odd = Span(on("2026-01-01"), on("2026-01-31 23:00"))
    lost = known(Span(on("2024-01-01"), on("2024-02-01")), "lost", note="the disk burnt", export=None)
    found = table_found(
        dataset(keep="12 months"), [(branch(*months("2025-10-01", "2026-01-01"), odd), [lost])], ["app.rest"], NOW
    )
    assert found["wrong"] == [
        "app.event_20260101 is from 2026-01-01 to 2026-01-31 23:00:00+00: it follows no calendar in UTC",
        "app.event_20240101 is lost: lost; the disk burnt",
        "rows lie in the default partition app.rest",
    ]
    assert states(found)["2026-01"] == "odd"


def test_a_broken_off_detaching_is_wrong_and_one_that_the_ledger_knows_is_not() -> None:
    there = months("2025-01-01", "2026-06-01")
    table = branch(*there, leaving=there[0])
    told = dataset(keep="12 months")
    broken = table_found(told, [(table, [])], [], NOW)
    assert broken["wrong"] == ["the detaching of app.event_20250101 was begun and not ended"]
    going = table_found(told, [(table, [known(there[0], "detaching")])], [], NOW)
    assert (going["wrong"], states(going)["2025-01"]) == ([], "leaving")


def test_days_are_put_together_and_a_month_is_gone_only_when_all_of_it_is() -> None:
    days = months("2024-12-01", "2024-12-06", "day")
    ledger = [known(one, "dropped") for one in days[:3]]
    found = table_found(dataset("day", keep="24 months"), [(branch(*days[3:]), ledger)], [], NOW)
    (month,) = read(found["months"])
    assert (month.state, month.told, month.name) == (
        "live",
        "5 partitions: 2 live, 3 in the vault alone",
        "app.event_20241203",
    )


def test_room_for_late_rows_does_not_hide_a_month_that_has_left() -> None:
    there = months("2025-01-01", "2026-06-01")
    found = table_found(
        dataset(keep="12 months", late="side"), [(branch(*there), [known(there[0], "dropped")])], [], NOW
    )
    assert states(found)["2025-01"] == "gone"


def test_a_table_that_no_time_cuts_has_no_months() -> None:
    found = table_found(dataset(), [], [], NOW)
    assert (found["months"], found["until"]) == ([], None)


def test_a_partition_of_years_is_each_of_its_months_and_an_open_end_one_alone() -> None:
    assert [one.month for one in by_month([Piece(Span(on("2020-01-01"), on("2021-01-01")), "live")])][::11] == [
        "2020-01",
        "2020-12",
    ]
    assert [one.month for one in by_month([Piece(Span(BEGIN, on("2020-01-01")), "live")])] == ["2019-12"]
    assert [one.month for one in by_month([Piece(Span(on("2020-01-01"), END), "live")])] == ["2020-01"]
    assert by_month([Piece(Span(BEGIN, END), "live")]) == []
    assert len(by_month([Piece(Span(on("1900-01-01"), on("2020-01-01")), "live")])) == MOST


def test_what_needs_somebody_first_stands_for_a_month() -> None:
    span = Span(on("2020-01-01"), on("2020-02-01"))
    for number, first in enumerate(STATES):
        rest = [Piece(span, state) for state in list(STATES)[number:]]
        assert by_month(rest[::-1])[0].state == first


def test_what_is_written_is_read_again() -> None:
    listed = by_month([Piece(Span(on("2020-01-01"), on("2020-02-01")), "gone", "12 rows", "app.event_202001")])
    assert read(written(listed)) == listed


@pytest.mark.parametrize("keep", [Keep(1, "months"), Keep(12, "months"), Keep(26, "weeks"), Keep(90, "days")], ids=str)
def test_a_month_goes_from_the_first_moment_on_at_which_it_is_old(keep: Keep) -> None:
    for day in spans(on("2023-12-25"), on("2025-03-05"), "day"):
        moment = leaves_at(day.lower, keep)
        assert cutoff(keep, moment) >= day.lower > cutoff(keep, moment - MOMENT)


def test_a_whole_month_has_a_short_name() -> None:
    assert named(Span(on("2026-03-01"), on("2026-04-01"))) == "2026-03"
    assert named(Span(on("2026-03-02"), on("2026-03-09"))) == "2026-03-02 to 2026-03-09"
