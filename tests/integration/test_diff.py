"""The row-by-row comparison on real PostgreSQL: what it finds, where, and what makes it blind."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from itertools import pairwise
from typing import NamedTuple

import psycopg
import pytest
from psycopg import sql
from sluice.proof.diff import buckets, rows
from sluice.proof.diff.buckets import RowDifference
from sluice.proof.diff.pair import Pair, Side, Window
from sluice.proof.diff.planted import DUPLICATE, FAULTS, plant_and_find
from sluice.proof.diff.rows import Checked, compare
from sluice.stores.postgres import Connection, Table, connect

COUNT = 200
LEFT, RIGHT = Table("lab", "Left"), Table("lab", "right")


class Key(NamedTuple):
    """A key's columns with their types as the catalogue has them, how they are declared and made from i."""

    columns: tuple[tuple[str, str], ...]
    declared: str
    made: str

    @property
    def quoted(self) -> str:
        return ", ".join(f'"{name}"' for name, _ in self.columns)


WORDS = "(ARRAY['a', 'B', 'c-', 'Ä', 'é', '_', 'Z', 'ß'])[1 + i % 8] || md5(i::text)"
LANGUAGES = (("icu", "en"), ("libc", "en_US.utf8"), ("libc", "en_US.UTF-8"))
BIGINT = Key((("id", "bigint"),), "id bigint", "i")
INTEGER = Key((("id", "integer"),), "id integer", "i")
KEYS = {
    "bigint": BIGINT,
    "uuid": Key((("id", "uuid"),), "id uuid", "md5(i::text)::uuid"),
    "text whose order is not that of its bytes": Key((("id", "lab.citext"),), "id lab.citext", WORDS),
    "text in a language's order": Key((("id", "text"),), "id text COLLATE lab.language", WORDS),
    "composite": Key(
        (("tenant", "character varying(20)"), ("At", "timestamp with time zone"), ("no", "integer")),
        'tenant varchar(20), "At" timestamptz, no int',
        "'tenant ' || i % 3, '2026-01-01'::timestamptz + (i % 7) * interval '1 day', i",
    ),
}


@pytest.fixture
def c(database):
    with connect(database.dsn(), purpose="test") as connection:
        connection.execute("CREATE SCHEMA lab")
        connection.execute("CREATE EXTENSION citext SCHEMA lab")
        connection.execute("SET search_path = public, lab")  # or its operators would be those of text
        yield connection


def add_language(c: Connection) -> None:
    """Make the collation lab.language, of whatever this build and machine can sort by."""
    for provider, locale in LANGUAGES:
        with suppress(psycopg.Error):
            c.execute(f"CREATE COLLATION lab.language (provider = {provider}, locale = '{locale}')")
            if c.execute("SELECT 'a' < 'B' COLLATE lab.language AS sorted").fetchone()["sorted"]:
                return
            c.execute("DROP COLLATION lab.language")
    pytest.skip("this PostgreSQL knows no language to sort by: neither ICU nor a locale of the machine")


@pytest.fixture(
    params=[(1_000_000, 256, 500_000), (64, 8, 500_000), (7, 1, 500_000), (1_000_000, 8, 0)],
    ids=["one range", "many", "a few rows each", "finer buckets"],
)
def ranges(request, monkeypatch) -> None:
    """The answer is the same, however the keys are cut."""
    monkeypatch.setattr(rows, "RANGE_ROWS", request.param[0])
    monkeypatch.setattr(buckets, "BUCKETS", request.param[1])
    monkeypatch.setattr(buckets, "JOINED_ROWS", request.param[2])


def twins(c: Connection, key: Key) -> Pair:
    """Two equal tables of COUNT rows; `i` is not compared, so that a test may say which row it spoils."""
    for table in (LEFT, RIGHT):
        c.execute(
            f'CREATE TABLE lab."{table.name}" ({key.declared}, i int, note text, n numeric, moment timestamptz,'
            f" PRIMARY KEY ({key.quoted}))"
        )
        c.execute(
            f"INSERT INTO lab.\"{table.name}\" SELECT {key.made}, i, 'note ' || i, i * 1.10,"
            f" '2026-01-01'::timestamptz + i * interval '1 hour' FROM generate_series(1, {COUNT}) i"
        )
    return Pair.alike(LEFT, RIGHT, key.columns, (*(name for name, _ in key.columns), "note", "n", "moment"))


def window_of(lower: datetime, upper: datetime) -> Window:
    moment = sql.Identifier("t", "moment")
    return Window(moment, moment, lower, upper)


def key_of(c: Connection, key: Key, table: str, i: int) -> str:
    found = c.execute(f"SELECT concat_ws(', ', {key.quoted}) AS key FROM lab.\"{table}\" WHERE i = {i}").fetchone()
    assert found is not None
    return str(found["key"])


@pytest.mark.usefixtures("ranges")
@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_every_difference_is_found_and_its_columns_are_named(c, key):
    if "language" in key.declared:
        add_language(c)
    pair = twins(c, key)
    equal = compare(c, pair)
    assert (equal.rows, equal.left_rows, equal.right_rows, equal.samples) == (COUNT, COUNT, COUNT, ())
    gone = [key_of(c, key, "Left", i) for i in (1, 100, COUNT)]
    spare = [key_of(c, key, "right", i) for i in (2, 101)]
    changed = {key_of(c, key, "right", 3): ("note",), key_of(c, key, "right", 199): ("n", "moment")}
    c.execute("DELETE FROM lab.right WHERE i IN (1, 100, 200)")
    c.execute('DELETE FROM lab."Left" WHERE i IN (2, 101)')
    c.execute("UPDATE lab.right SET note = note || ' ' WHERE i = 3")
    c.execute("UPDATE lab.right SET n = n + 0.000, moment = moment + interval '1 microsecond' WHERE i = 199")
    found = compare(c, pair)
    assert (found.missing, found.extra, found.different) == (3, 2, 2)
    assert (found.left_rows, found.right_rows) == (COUNT - 2, COUNT - 3)
    assert set(found.samples) == {
        *(RowDifference(k, "missing", ()) for k in gone),
        *(RowDifference(k, "extra", ()) for k in spare),
        *(RowDifference(k, "different", columns) for k, columns in changed.items()),
    }


@pytest.mark.usefixtures("ranges")
@pytest.mark.parametrize("kind", ["bigint", "numeric"])
def test_a_key_that_gets_another_type_is_the_same_key(c, kind):
    pair = twins(c, INTEGER)
    c.execute(sql.SQL("ALTER TABLE lab.right ALTER id TYPE {kind} USING id::text::{kind}").format(kind=sql.SQL(kind)))
    made = tuple(
        sql.SQL("CAST({} AS {})").format(v, sql.SQL(kind)) if n == "id" else v
        for n, v in zip(pair.columns, pair.left.values, strict=True)
    )
    changed = Pair(Side(LEFT, INTEGER.columns, made), Side(RIGHT, (("id", kind),), pair.right.values), pair.columns)
    assert compare(c, changed).samples == ()
    c.execute("UPDATE lab.right SET note = 'x' WHERE i = 7")
    assert compare(c, changed).samples == (RowDifference("7", "different", ("note",)),)


@pytest.mark.usefixtures("ranges")
@pytest.mark.parametrize(("id", "where"), [(0, "before the first"), (100_000, "after the last")])
def test_a_row_beyond_the_left_keys_is_extra(c, id, where):
    pair = twins(c, BIGINT)
    c.execute(f"INSERT INTO lab.right VALUES ({id}, 0, '{where}', 0, now())")
    found = compare(c, pair)
    assert (found.missing, found.extra, found.different) == (0, 1, 0)
    assert found.samples == (RowDifference(str(id), "extra", ()),)


@pytest.mark.usefixtures("ranges")
@pytest.mark.parametrize(("emptied", "counts"), [("right", (COUNT, 0, 0)), ("Left", (0, COUNT, 0))])
def test_an_empty_side_differs_in_every_row(c, emptied, counts):
    pair = twins(c, BIGINT)
    c.execute(f'TRUNCATE lab."{emptied}"')
    found = compare(c, pair)
    assert (found.missing, found.extra, found.different) == counts
    assert len(found.samples) == 100


@pytest.mark.usefixtures("ranges")
@pytest.mark.parametrize("count", [1, 256], ids=["one bucket", "buckets"])
def test_values_exchanged_between_two_rows_are_seen(c, monkeypatch, count):
    """A row's hash must not be a sum over its columns: the table's hash is a sum over rows, and would be the same again."""
    monkeypatch.setattr(buckets, "BUCKETS", count)
    pair = twins(c, BIGINT)
    c.execute("UPDATE lab.right SET note = CASE i WHEN 20 THEN 'note 30' ELSE 'note 20' END WHERE i IN (20, 30)")
    assert {(s.key, s.columns) for s in compare(c, pair).samples} == {("20", ("note",)), ("30", ("note",))}


@pytest.mark.parametrize("times", [1, 2], ids=["twice", "three times"])
def test_identical_duplicates_are_counted(c, times):
    pair = twins(c, BIGINT)
    c.execute("ALTER TABLE lab.right DROP CONSTRAINT right_pkey")
    for _ in range(times):
        c.execute('INSERT INTO lab.right SELECT * FROM lab."Left" WHERE id = 100')
    found = compare(c, pair)
    assert found.different == 1
    assert found.samples == (RowDifference("100", "different", ()),)
    assert found.right_rows == COUNT + times


def test_a_comparison_that_was_broken_off_goes_on_where_it_stopped(c, monkeypatch):
    monkeypatch.setattr(rows, "RANGE_ROWS", 30)
    pair = twins(c, BIGINT)
    whole, kept = compare(c, pair), []

    def stumble(part: Checked) -> None:
        kept.append(part)
        if len(kept) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(c, pair, checked=stumble)
    asked = []
    sum_buckets = rows.sum_buckets
    monkeypatch.setattr(rows, "sum_buckets", lambda *what: asked.append(what[2]) or sum_buckets(*what))
    resumed = compare(c, pair, before=kept)
    assert (resumed.rows, resumed.hash) == (whole.rows, whole.hash) == (COUNT, whole.hash)
    assert asked[0].after == kept[2].until == ("93",)
    assert len(asked) == 4
    c.execute("UPDATE lab.right SET note = 'spoilt' WHERE i = 150")
    assert [s.key for s in compare(c, pair, before=kept).samples] == ["150"]


def test_a_table_wider_than_a_join_can_be_is_compared_and_its_column_named(c):
    columns = ", ".join(f"c{i} int DEFAULT {i}" for i in range(1000))
    for name in ("Left", "right"):
        c.execute(f'CREATE TABLE lab."{name}" (id bigint PRIMARY KEY, {columns})')
        c.execute(f'INSERT INTO lab."{name}" (id) SELECT generate_series(1, 20)')
    c.execute("UPDATE lab.right SET c777 = 0 WHERE id = 7")
    pair = Pair.alike(LEFT, RIGHT, (("id", "bigint"),), ("id", *(f"c{i}" for i in range(1000))))
    assert compare(c, pair).samples == (RowDifference("7", "different", ("c777",)),)


@pytest.mark.usefixtures("ranges")
def test_the_hash_tells_contents_not_order_nor_how_the_keys_are_cut(c, monkeypatch):
    pair = twins(c, BIGINT)
    cut = compare(c, pair).hash
    monkeypatch.setattr(rows, "RANGE_ROWS", 1_000_000)
    assert compare(c, pair).hash == cut
    assert compare(c, Pair.alike(RIGHT, LEFT, pair.left.key, pair.columns)).hash == cut
    c.execute("UPDATE lab.right SET n = n + 1 WHERE i = 7")
    assert compare(c, Pair.alike(RIGHT, LEFT, pair.left.key, pair.columns)).hash != cut


def test_a_window_sees_itself_and_nothing_else(c):
    pair = twins(c, BIGINT)
    day = window_of(datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC))
    assert compare(c, pair, day).rows == 24
    c.execute("UPDATE lab.right SET note = 'outside' WHERE i IN (23, 48)")
    assert compare(c, pair, day).samples == ()
    c.execute("UPDATE lab.right SET note = 'inside' WHERE i IN (24, 47)")
    found = compare(c, pair, day)
    assert (found.different, {s.key for s in found.samples}) == (2, {"24", "47"})


def test_a_row_that_left_its_window_on_one_side_is_missing_there(c):
    pair = twins(c, BIGINT)
    c.execute("UPDATE lab.right SET moment = moment + interval '1 day' WHERE i = 30")
    days = [datetime(2026, 1, n, tzinfo=UTC) for n in (2, 3, 4)]
    first, second = (compare(c, pair, window_of(*pair_of)) for pair_of in pairwise(days))
    assert (first.missing, first.extra, second.missing, second.extra) == (1, 0, 0, 1)


# ---- the verifier itself ----


def test_the_verifier_finds_everything_that_is_planted(c):
    planted = plant_and_find(c)
    assert planted.sees
    assert (planted.planted, planted.found) == (len(FAULTS) + 1, len(FAULTS) + 1)
    assert (planted.missed, planted.flagged_wrongly) == ((), ())
    assert c.execute("SELECT count(*) AS n FROM pg_class WHERE relname LIKE 'planted%'").fetchone()["n"] == 0


WEAKENED = {
    "only the key": ("hash_record_extended(ROW(t.id), 0)", set(FAULTS.values()) - {"missing", "extra"}),
    "without bin": (
        "hash_record_extended(ROW(record_send(ROW(t.id, t.a, t.b, t.n, t.at, t.j))), 0)",
        {"one bit of a bytea"},
    ),
    "values, not their bytes": (
        "hash_record_extended(ROW(t.id, t.a, t.b, t.n, t.at, t.j, t.bin), 0)",
        {"precision"},
    ),
    "glued together": (
        "hashtextextended(concat(t.id, t.a, t.b, t.n, t.at, t.j, t.bin), 0)",
        {"'ab','c' for 'a','bc'", "NULL for ''"},
    ),
    "trimmed and folded": (
        "hash_record_extended(ROW(t.id, lower(rtrim(normalize(t.a))), t.b, t.n::text, t.at, t.j, t.bin), 0)",
        {"trailing space", "letter case", "Unicode form"},
    ),
    "to the second": (
        "hash_record_extended(ROW(t.id, t.a, t.b, t.n::text, date_trunc('second', t.at), t.j, t.bin), 0)",
        {"a microsecond"},
    ),
}


@pytest.mark.parametrize(("weak", "missed"), WEAKENED.values(), ids=WEAKENED)
def test_a_weaker_hash_misses_what_it_does_not_see_and_is_not_believed(c, monkeypatch, weak, missed):
    monkeypatch.setattr(Side, "hash", lambda side: sql.SQL(weak))
    planted = plant_and_find(c)
    assert set(planted.missed) == missed
    assert planted.found == planted.planted - len(missed)
    assert not planted.sees


def test_a_hash_that_cannot_count_misses_the_pair_of_duplicates(c, monkeypatch):
    asked = buckets.statement

    def with_xor(name: str, **parts):
        if name != "diff.sum_buckets":
            return asked(name, **parts)
        text = asked(name, **parts).as_string(c).replace("sum(hash) AS hash", "bit_xor(hash) AS hash")
        # A pair of equal rows leaves an xor as it was; the count must not help it here.
        return sql.SQL(text.replace("count(*) AS rows", "0::bigint AS rows"))

    monkeypatch.setattr(buckets, "statement", with_xor)
    assert plant_and_find(c).missed == (DUPLICATE,)


def test_a_hash_that_calls_equal_rows_different_is_not_believed(c, monkeypatch):
    monkeypatch.setattr(Side, "hash", lambda side: sql.SQL("hashtextextended(t.id::text || t.tableoid, 0)"))
    planted = plant_and_find(c)
    assert "the order of JSON keys" in planted.flagged_wrongly
    assert not planted.sees
