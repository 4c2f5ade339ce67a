"""Rows of COPY become row groups and columns, whatever is in them; and what is made ahead comes in order, and ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sluice.proof.diff.portable import row_hash
from sluice.upkeep.archive import groups
from sluice.upkeep.archive.ahead import ahead
from sluice.upkeep.archive.columns import Stored
from sluice.upkeep.archive.groups import FIRST, as_batch, group
from sluice.upkeep.archive.hashing import sum_of_hashes

from tests.unit.csv_rows import csv_of, csv_row

SAID = st.none() | st.text(st.sampled_from("ab \",;\\N.'\x1e\x1f\t\r\n\ufeff\u0085\u2028é😀"), max_size=6)
ONE, TWO = ([Stored(f"c{n}", "text", "string") for n in range(count)] for count in (1, 2))


@given(st.lists(st.tuples(SAID, SAID), max_size=5))
def test_any_text_is_read_as_it_was_written(rows: list[tuple[str | None, str | None]]):
    read = as_batch(csv_of(rows), TWO)
    assert list(zip(*(column.to_pylist() for column in read.columns), strict=True)) == rows


@given(st.lists(SAID, max_size=5))
def test_a_table_of_one_column_keeps_its_nulls(rows: list[str | None]):
    assert as_batch(csv_of([[one] for one in rows]), ONE).column(0).to_pylist() == rows


@settings(deadline=None)  # the first asks pyarrow for its functions
@given(st.lists(st.tuples(SAID, SAID), max_size=5))
def test_rows_hash_together_as_they_do_alone(rows: list[tuple[str | None, str | None]]):
    columns = [pa.array([row[place] for row in rows], pa.string()) for place in (0, 1)]
    assert sum_of_hashes(columns) == sum(map(row_hash, rows))
    assert sum_of_hashes([column[1:] for column in columns]) == sum(map(row_hash, rows[1:])), "of a slice as well"


def test_a_value_is_as_long_as_it_is():
    long = "a\nlong\x1eone" * 200_000
    assert as_batch(csv_of([["first"], [long], [None]]), ONE).column(0).to_pylist() == ["first", long, None]


def test_an_unquoted_mark_at_the_very_beginning_stays():
    body = bytearray(FIRST + "\ufeffa\n".encode())
    assert as_batch(groups.Group(body, 1), ONE).column(0).to_pylist() == ["\ufeffa"]


def test_what_is_not_what_its_form_says_is_an_error():
    for said in ("12a", "9223372036854775808", ""):
        with pytest.raises(pa.ArrowInvalid):
            as_batch(csv_of([[said]]), [Stored("n", "bigint", "int64")])
    with pytest.raises(pa.ArrowInvalid, match="1 rows were read of 2"):
        as_batch(groups.Group(csv_of([["a"]]).body, 2), ONE)


def test_a_group_ends_by_its_rows_and_by_its_bytes(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(groups, "GROUP_ROWS", 3)
    monkeypatch.setattr(groups, "GROUP_BYTES", 20)
    rows = [csv_row([one]) for one in ("a", "b", "c", "d", "e" * 30, "f")]
    made = list(group(rows))
    assert [one.rows for one in made] == [3, 2, 1]
    assert b"".join(bytes(one.body[len(FIRST) :]) for one in made) == b"".join(rows)
    assert list(group([])) == []


def counting(made: list[int], closed: list[bool]) -> Iterator[int]:
    try:
        for number in range(5):
            made.append(number)
            yield number
    finally:
        closed.append(True)


def test_one_thing_is_made_ahead_and_no_more():
    made: list[int] = []
    closed: list[bool] = []
    with ahead(counting(made, closed)) as items:  # type: ignore[arg-type]
        for number in items:
            assert len(made) <= number + 2
    assert (made, closed) == ([0, 1, 2, 3, 4], [True])


def test_who_stops_early_leaves_nothing_open():
    made: list[int] = []
    closed: list[bool] = []
    before = threading.active_count()
    with pytest.raises(KeyError), ahead(counting(made, closed)) as items:  # type: ignore[arg-type]
        next(items)
        raise KeyError
    assert (len(made), closed, threading.active_count()) == (2, [True], before)


def test_what_a_maker_raises_is_raised_where_it_would_have_been_given():
    def failing() -> Iterator[int]:
        yield 1
        raise ValueError("no more")

    seen = []
    with pytest.raises(ValueError, match="no more"), ahead(failing()) as items:  # type: ignore[arg-type]
        for number in items:
            seen.append(number)
    assert seen == [1]
