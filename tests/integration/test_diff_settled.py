"""Two databases that share no snapshot: the portable hash, and differences that count only when they stay."""

from __future__ import annotations

import threading
from itertools import count
from types import SimpleNamespace

import pytest
from psycopg import sql
from sluice.proof.diff import settled
from sluice.proof.diff.portable import PortableSide, row_hash
from sluice.proof.diff.settled import compare
from sluice.stores.postgres import Table, connect

COLUMNS = ("id", "a", "b", "n", "at", "raw")
MADE = """
CREATE SCHEMA lab; CREATE TABLE lab.rows (id bigint PRIMARY KEY, a text, b text, n numeric, at timestamptz, raw bytea);
INSERT INTO lab.rows SELECT i, 'a' || i, nullif('b' || i % 3, 'b0'), i * 1.10, '2026-01-01'::timestamptz + i * interval '1 hour',
    decode(md5(i::text), 'hex') FROM generate_series(1, 400) i
"""


@pytest.fixture
def pair(make_database, monkeypatch):
    """The same 400 rows in two databases, compared in ranges of 50."""
    monkeypatch.setattr(settled, "RANGE_ROWS", 50)
    opened = [connect(make_database().dsn(), purpose="settled") for _ in range(2)]
    for c in opened:
        c.execute(MADE)
    yield SimpleNamespace(left=side(opened[0]), right=side(opened[1]), here=opened[0], there=opened[1])
    for c in opened:
        c.close()


def side(c, key=(("id", "bigint"),)) -> PortableSide:
    return PortableSide(c, Table("lab", "rows"), key, tuple(sql.Identifier("t", name) for name in COLUMNS))


def compared(pair):
    return compare(pair.left, pair.right, pause=lambda: None)


def test_equal_tables_of_two_databases_are_equal(pair):
    found = compared(pair)
    assert (found.rows, found.clean, found.races) == (400, True, 0)


def test_what_differs_is_named(pair):
    pair.there.execute("DELETE FROM lab.rows WHERE id = 7")
    pair.there.execute("INSERT INTO lab.rows (id) VALUES (0), (9000)")
    pair.there.execute("UPDATE lab.rows SET n = 330.0 WHERE id = 300")  # 330.00 to the other side
    found = compared(pair)
    assert (found.missing, found.extra, found.different) == ((("7",),), (("0",), ("9000",)), (("300",),))
    assert not found.clean


def test_an_empty_pair_proves_nothing(pair):
    for c in (pair.here, pair.there):
        c.execute("TRUNCATE lab.rows")
    assert not compared(pair).clean


@pytest.mark.parametrize(
    ("here", "there"),
    (
        (("ab", "c"), ("a", "bc")),
        ((None, "x"), ("", "x")),
        (("1:a", ""), ("1", ":a")),
        (("a", None), ("a", "-")),
        (("a ", "b"), ("a", " b")),
    ),
)
def test_the_hash_knows_where_a_column_ends(pair, here, there):
    for c, values in ((pair.here, here), (pair.there, there)):
        c.execute("UPDATE lab.rows SET a = %s, b = %s WHERE id = 5", values)
    assert compared(pair).different == (("5",),)


def test_python_makes_the_same_hash(pair):
    texts = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in COLUMNS)
    listed = pair.here.execute(sql.SQL("SELECT ARRAY[{}] AS texts FROM lab.rows").format(texts)).fetchall()
    made = {(row["texts"][0],): row_hash(row["texts"]) for row in listed}
    assert made == pair.left.hashes(None, None)
    assert sum(made.values()) == pair.left.summary(None, None)[1]


def test_a_row_in_flight_is_a_race_and_no_difference(pair):
    pair.here.execute("UPDATE lab.rows SET a = 'late' WHERE id IN (3, 9)")
    asked = count()

    def deliver() -> None:
        if next(asked) == 1:
            pair.there.execute("UPDATE lab.rows SET a = 'late' WHERE id IN (3, 9)")

    found = compare(pair.left, pair.right, pause=deliver)
    assert (found.clean, found.races) == (True, 2)


def test_a_row_that_never_stands_still_is_unsettled_and_not_equal(pair):
    turns = count()

    def meddle() -> None:
        pair.here.execute("UPDATE lab.rows SET a = %s WHERE id = 3", [f"turn {next(turns)}"])

    meddle()
    found = compare(pair.left, pair.right, pause=meddle)
    assert (found.unsettled, found.different, found.clean) == ((("3",),), (), False)


def test_a_compound_key_is_walked_in_its_order(pair):
    for c in (pair.here, pair.there):
        c.execute("UPDATE lab.rows SET b = 'z' WHERE b IS NULL")
        c.execute("ALTER TABLE lab.rows DROP CONSTRAINT rows_pkey, ADD PRIMARY KEY (b, id)")
    key = (("b", "text"), ("id", "bigint"))
    pair.there.execute("DELETE FROM lab.rows WHERE id IN (1, 400)")
    found = compare(side(pair.here, key), side(pair.there, key), pause=lambda: None)
    assert found.missing == (("b1", "1"), ("b1", "400"))


def test_under_writes_that_arrive_late_nothing_real_is_hidden(pair):
    """A slow delivery of every write, one write lost: that one is found, and only that one."""
    stop = threading.Event()
    writer, late = (
        connect(c.info.dsn + f" password={c.info.password}", purpose="flow") for c in (pair.here, pair.there)
    )

    def flow() -> None:
        for turn in count():
            if stop.is_set():
                return
            for c in (writer, late):
                if not (turn == 20 and c is late):
                    c.execute(
                        "UPDATE lab.rows SET a = %s WHERE id = %s", [f"t{turn}", 1 + turn % 300 if turn != 20 else 350]
                    )
                stop.wait(0.002)

    thread = threading.Thread(target=flow)
    thread.start()
    try:
        stop.wait(0.3)
        found = compare(pair.left, pair.right, pause=lambda: stop.wait(0.02) and None)
    finally:
        stop.set()
        thread.join()
        writer.close()
        late.close()
    assert (found.missing, found.extra, found.different, found.unsettled) == ((), (), (("350",),), ())
