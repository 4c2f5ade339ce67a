"""Partitions are planned as of a moment, by the calendar of UTC; where all is there, nothing is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sluice.estate.dataset import Dataset
from sluice.stores.postgres import Table
from sluice.upkeep.partitions.actions import Finish, Make
from sluice.upkeep.partitions.auditing import gaps, odd_spans
from sluice.upkeep.partitions.headroom import headroom
from sluice.upkeep.partitions.planning import Misfit, Strays, TooMany, plan
from sluice.upkeep.partitions.spans import END, Span, span_at, spans, without
from sluice.upkeep.partitions.there import Branch, Partition, span_of

MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))
EVERY = st.sampled_from(["month", "week", "day"])


def at(*numbers: int) -> datetime:
    return datetime(*numbers, tzinfo=UTC)  # type: ignore[misc]


def dataset(ahead: int = 1, **partition: Any) -> Dataset:
    return Dataset.model_validate(
        {"dataset": "thing", "store": "certify", "table": "app.thing", "partition": partition, "months_ahead": ahead}
    )


MONTHS = dataset(range="at", every="month")


def part(name: str, bounds: str, number: int = 0, branch: Branch | None = None, **rest: Any) -> Partition:
    return Partition(number, Table("app_partitions", name), bounds, rest.pop("leaving", False), branch, **rest)


def months(*numbers: int, name: str = "thing_y2026m{:02}") -> tuple[Partition, ...]:
    bounds = "FOR VALUES FROM ('2026-{:02}-01 00:00:00+00') TO ('2026-{:02}-01 00:00:00+00')"
    return tuple(part(name.format(month), bounds.format(month, month + 1), month) for month in numbers)


def ranged(*parts: Partition, column: str = "at", name: str = "thing") -> Branch:
    return Branch(1, Table("app", name), "range", (column,), "timestamp with time zone", parts)


def made(actions: list[Any]) -> list[str]:
    return [f"{one.partition.name}: {one.holds}" for one in actions if isinstance(one, Make)]


def test_what_is_missing_until_the_last_month_wanted():
    there = ranged(*months(1, 2, 3))
    assert made(plan(there, MONTHS, at(2026, 2, 10))) == []
    assert made(plan(there, MONTHS, at(2026, 3, 31, 23, 59))) == ["thing_y2026m04: 2026-04-01 to 2026-05-01"]


def test_an_empty_table_begins_with_this_month():
    assert made(plan(ranged(), MONTHS, at(2024, 2, 29))) == [
        "thing_y2024m02: 2024-02-01 to 2024-03-01",
        "thing_y2024m03: 2024-03-01 to 2024-04-01",
    ]


def test_months_that_were_slept_through_are_made_too():
    found = plan(ranged(*months(1, 2)), MONTHS, at(2026, 8, 1))
    assert [one.holds.lower.month for one in found if isinstance(one, Make)] == [3, 4, 5, 6, 7, 8, 9]


def test_months_gone_by_stay_gone():
    assert made(plan(ranged(*months(1, 5, 6)), MONTHS, at(2026, 5, 3))) == []


def test_an_odd_bound_leaves_no_hole_and_no_overlap():
    odd = part("odd", "FOR VALUES FROM ('2026-02-01 00:00:00+00') TO ('2026-03-01 05:00:00+00')")
    there = ranged(*months(1), odd)
    found = plan(there, MONTHS, at(2026, 2, 3))
    assert [str(one.holds) for one in found] == ["2026-03-01 05:00:00+00 to 2026-04-01"]
    assert odd_spans(there, MONTHS) == [odd.span]


@settings(deadline=None)
@given(MOMENTS, EVERY, st.integers(1, 12), st.sets(st.integers(0, 400), max_size=30))
def test_whatever_is_there_a_second_plan_is_empty_and_nothing_overlaps(now, every, ahead, kept):
    asked = dataset(ahead, range="at", every=every)
    whole = plan(ranged(), asked, now)
    some = [one for number, one in enumerate(whole) if number in kept]
    there = ranged(*(_attached(one) for one in some))
    rest = plan(there, asked, now)
    full = ranged(*there.partitions, *(_attached(one) for one in rest))
    assert plan(full, asked, now) == []
    assert all(a.upper <= b.lower for a, b in zip(full.spans, full.spans[1:], strict=False))
    assert headroom(full, now) >= 27 * ahead


def _attached(one: Any) -> Partition:
    form = "%Y-%m-%d %H:%M:%S+00"
    return part(one.partition.name, f"FOR VALUES FROM ('{one.holds.lower:{form}}') TO ('{one.holds.upper:{form}}')")


@given(MOMENTS, EVERY)
def test_a_span_holds_its_moment_and_the_next_begins_where_it_ends(moment, every):
    span = span_at(moment, every)
    assert span.holds(moment)
    assert span_at(span.upper, every).lower == span.upper
    assert span.lower.weekday() == 0 or every != "week"


@given(MOMENTS, MOMENTS, st.lists(st.tuples(MOMENTS, MOMENTS).map(sorted), max_size=5))
def test_what_is_left_of_a_span_is_in_none_of_those_taken(one, other, taken):
    span, others = Span(*sorted((one, other))), [Span(*pair) for pair in taken]
    left = list(without(span, others))
    assert not any(a.lower < b.upper and b.lower < a.upper for a in left for b in others if a.lower < a.upper)
    held = sum(
        ((min(b.upper, span.upper) - max(b.lower, span.lower)) for b in merged(others, span)),
        start=span.upper - span.upper,
    )
    assert sum((a.upper - a.lower for a in left), start=held) == span.upper - span.lower


def merged(others: list[Span], span: Span) -> list[Span]:
    """Those that reach into a span, as runs without overlap."""
    runs: list[Span] = []
    for one in sorted(others):
        if one.upper <= span.lower or one.lower >= span.upper or one.lower >= one.upper:
            continue
        if runs and one.lower <= runs[-1].upper:
            runs[-1] = Span(runs[-1].lower, max(runs[-1].upper, one.upper))
        else:
            runs.append(one)
    return runs


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("thing_y2026m{:02}", "thing_y2026m05"),
        ("thing_2026_{:02}", "thing_2026_05"),
        ("p2026{:02}_thing", "p202605_thing"),
        ("thing_p{:01}", "thing_y2026m05"),
    ],
)
def test_new_ones_are_named_as_those_that_are_there(name, wanted):
    there = ranged(*months(1, 2, 3, 4, name=name))
    assert [one.partition.name for one in plan(there, MONTHS, at(2026, 4, 1))] == [wanted]


def test_a_detach_that_was_broken_off_is_finished_first():
    there = ranged(*months(1, 2), part("old", "FOR VALUES FROM ('2025-01-01') TO ('2025-02-01')", leaving=True))
    first, *_ = plan(there, MONTHS, at(2026, 2, 1))
    assert first == Finish(there.table, Table("app_partitions", "old"))


def test_rows_in_a_default_partition_get_months_of_their_own():
    there = ranged(*months(1, 2, 3), part("rest", "DEFAULT", 99))
    found = plan(there, MONTHS, at(2026, 2, 1), Strays({99: [at(2025, 6, 1), at(2026, 2, 1)]}, {}))
    assert made(found) == ["thing_y2025m06: 2025-06-01 to 2025-07-01"]
    assert found[0].drains == Table("app_partitions", "rest")


def test_every_value_found_gets_its_months_below_it():
    cut = dataset(list="tenant", then={"range": "at", "every": "month"})
    one = ranged(*months(1, name="thing_one_y2026m{:02}"), name="thing_one")
    there = Branch(1, Table("app", "thing"), "list", ("tenant",), "integer",
                   (part("thing_one", "FOR VALUES IN ('1')", 2, one), part("rest", "DEFAULT", 9)))  # fmt: skip
    found = plan(there, cut, at(2026, 1, 5), Strays({}, {9: ["2", "a b"]}))
    assert [str(action) for action in found] == [
        "make app_partitions.thing_2 for value '2', moving its rows out of app_partitions.rest, with 2 partitions below",
        "make app_partitions.thing_a_b for value 'a b', moving its rows out of app_partitions.rest, with 2 partitions below",
        "make app_partitions.thing_one_y2026m02 for 2026-02-01 to 2026-03-01",
    ]


def test_a_part_of_a_hash_that_is_missing():
    there = Branch(1, Table("app", "thing"), "hash", ("id",), "bigint",
                   (part("thing_h0", "FOR VALUES WITH (modulus 3, remainder 0)"),))  # fmt: skip
    assert made(plan(there, dataset(hash="id", parts=3), at(2026, 1, 1))) == [
        "thing_h1: part 1 of 3",
        "thing_h2: part 2 of 3",
    ]
    with pytest.raises(Misfit, match="into 3 parts by hash, and its file says 4"):
        plan(there, dataset(hash="id", parts=4), at(2026, 1, 1))


@pytest.mark.parametrize("cut", [{"range": "other", "every": "month"}, {"hash": "at", "parts": 2}, {"list": "at"}])
def test_a_table_that_is_cut_otherwise_is_left_alone(cut):
    with pytest.raises(Misfit, match=r"app\.thing is cut by range of at, and its file says"):
        plan(ranged(*months(1)), dataset(**cut), at(2026, 1, 1))


@pytest.mark.parametrize("every", ["week", "day"])
def test_a_table_of_months_gets_no_weeks(every: str):
    """Whoever mistook it had nine weekly partitions among the months, and a gate that blamed the months."""
    there = ranged(*months(1, 2, 3))
    with pytest.raises(Misfit, match=rf"thing is cut by month, and its file says every: {every}\. Mend .*thing\.yaml"):
        plan(there, dataset(range="at", every=every), at(2026, 3, 10))
    odd = part("odd", "FOR VALUES FROM ('2026-04-01 00:00:00+00') TO ('2026-04-20 00:00:00+00')", 9)
    assert plan(ranged(*months(1, 2), odd), MONTHS, at(2026, 4, 1)), "one odd bound is none of that"


def test_too_many_at_once_are_refused():
    with pytest.raises(TooMany, match=r"app\.thing lacks 1,"):
        day = part("day", "FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2026-01-02 00:00:00+00')")
        plan(ranged(day), dataset(range="at", every="day"), at(2030, 1, 1))


def test_gaps_and_headroom():
    there = ranged(*months(1, 3, 4))
    assert [str(gap) for gap in gaps(there)] == ["2026-02-01 to 2026-03-01"]
    assert headroom(there, at(2026, 3, 31)) == 31
    assert headroom(there, at(2026, 2, 3)) == 0


@pytest.mark.parametrize(
    ("bounds", "span"),
    [
        ("FOR VALUES FROM ('2026-01-01') TO (MAXVALUE)", Span(at(2026, 1, 1), END)),
        ("FOR VALUES FROM ('2026-01-01 00:00:00') TO ('12026-01-01 00:00:00')", Span(at(2026, 1, 1), END)),
        ("FOR VALUES FROM ('2026-01-01 05:30:00+05:30') TO ('infinity')", Span(at(2026, 1, 1), END)),
        ("FOR VALUES FROM (1) TO (9)", None),
        ("FOR VALUES IN ('2026-01-01')", None),
        ("DEFAULT", None),
    ],
)
def test_bounds_are_read(bounds, span):
    assert span_of(bounds) == span


def test_months_follow_each_other():
    found = list(spans(at(2027, 11, 30), at(2028, 3, 1), "month"))
    assert [str(span) for span in found][-1] == "2028-02-01 to 2028-03-01"
    assert len(found) == 4
