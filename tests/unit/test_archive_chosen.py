"""Which months go is a matter of bounds, of what is kept and of holds; two years of it can be looked at beforehand."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sluice.estate.dataset import Dataset
from sluice.estate.retention import Hold, Keep, Retention
from sluice.upkeep.archive.choosing import cutoff, holding, is_old
from sluice.upkeep.archive.simulating import simulate, tonight
from sluice.upkeep.partitions.spans import BEGIN, END, Span, span_at, spans

MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))


def at(*numbers: int) -> datetime:
    return datetime(*numbers, tzinfo=UTC)  # type: ignore[misc]


def month(year: int, number: int) -> Span:
    return span_at(at(year, number, 1), "month")


def retention(**rest: Any) -> Retention:
    return Retention.model_validate({"keep": "12 months", **rest})


def dataset(every: str = "month") -> Dataset:
    return Dataset.model_validate(
        {"dataset": "t", "store": "s", "table": "app.t", "partition": {"range": "at", "every": every}}
    )


@pytest.mark.parametrize(
    ("keep", "now", "before"),
    [
        (Keep(12, "months"), at(2026, 3, 31, 5), at(2025, 3, 31, 5)),
        (Keep(1, "months"), at(2026, 3, 31, 5), at(2026, 2, 28, 5)),
        (Keep(1, "months"), at(2024, 3, 31), at(2024, 2, 29)),
        (Keep(13, "months"), at(2026, 1, 15), at(2024, 12, 15)),
        (Keep(90, "days"), at(2026, 3, 31), at(2025, 12, 31)),
        (Keep(8, "weeks"), at(2026, 3, 31, 5), at(2026, 2, 3, 5)),
    ],
)
def test_the_cutoff_goes_by_the_calendar(keep: Keep, now: datetime, before: datetime):
    assert cutoff(keep, now) == before


def test_a_month_goes_when_its_end_is_old_and_not_a_moment_before():
    keep = Keep(12, "months")
    assert not is_old(month(2025, 2), keep, at(2026, 2, 28, 23, 59))
    assert is_old(month(2025, 2), keep, at(2026, 3, 1))


def test_an_open_end_never_goes_and_an_open_beginning_does():
    keep = Keep(1, "days")
    assert not is_old(Span(at(2000, 1, 1), END), keep, at(2026, 1, 1))
    assert is_old(Span(BEGIN, at(2000, 1, 1)), keep, at(2026, 1, 1))


@given(MOMENTS, MOMENTS, st.builds(Keep, st.integers(1, 60), st.sampled_from(["months", "weeks", "days"])))
def test_what_is_old_stays_old(one: datetime, other: datetime, keep: Keep):
    earlier, later = sorted((one, other))
    assert cutoff(keep, earlier) <= cutoff(keep, later) < later


def test_a_hold_touches_its_months_and_their_weeks():
    holds = [Hold.model_validate({"from": "2024-01", "until": "2024-06", "because": "case 12"})]
    assert holding(month(2024, 6), holds) == "case 12"
    assert holding(month(2023, 12), holds) is holding(month(2024, 7), holds) is None
    assert holding(span_at(at(2024, 1, 1), "week"), holds) == "case 12"
    assert holding(span_at(at(2024, 6, 30), "week"), holds) == "case 12"
    endless = [Hold.model_validate({"from": "2024-01", "because": "for good"})]
    assert holding(month(2199, 1), endless) == "for good"


def test_two_years_are_foreseen():
    there = list(spans(at(2024, 11, 1), at(2026, 7, 1), "month"))
    held = ({"from": "2024-12", "until": "2024-12", "because": "case 12"},)
    foreseen = simulate(there, dataset(), retention(holds=held), at(2026, 3, 10))
    assert len(foreseen) == 24
    assert foreseen[0].goes == (month(2024, 11), month(2025, 1), month(2025, 2), month(2025, 3))
    assert foreseen[0].held == ((month(2024, 12), "case 12"),)
    assert (
        str(foreseen[1]) == "2026-04: 2025-04-01 to 2025-05-01 goes; 2024-12-01 to 2025-01-01 is held: case 12; 16 stay"
    )
    assert {one.stays for one in foreseen[1:]} == {16}, "one comes and one goes, and the held one stays"


def test_what_goes_tonight_is_told_apart_from_what_goes_by_the_end_of_the_month():
    there = list(spans(at(2024, 11, 1), at(2026, 7, 1), "month"))
    held = ({"from": "2024-12", "until": "2024-12", "because": "case 12"},)
    first = tonight(there, retention(holds=held, then="drop", approve=True), at(2026, 3, 10), [month(2024, 9)])
    assert first.goes == (month(2024, 11), month(2025, 1), month(2025, 2)), "of March 2025 some is younger than a year"
    assert str(first) == (
        "tonight: 3 leave the table, 2024-11-01 to 2025-03-01; 1 that has cooled is dropped, after a person's yes; 1 is held"
    )
    assert str(tonight(there[-3:], retention(), at(2026, 3, 10), [])) == "tonight: nothing goes"


@pytest.mark.parametrize("every", ["month", "week", "day"])
def test_nothing_goes_twice_nor_is_forgotten(every: str):
    there = list(spans(at(2024, 1, 1), at(2026, 7, 1), every))  # type: ignore[arg-type]
    foreseen = simulate(there, dataset(every), retention(), at(2026, 3, 10))
    gone = [span for one in foreseen for span in one.goes]
    assert all(before.upper == after.lower for before, after in pairwise(gone))
    assert gone[0] == min(there)
    assert not is_old(span_at(gone[-1].upper, every), Keep(12, "months"), foreseen[-1].month.upper)  # type: ignore[arg-type]
