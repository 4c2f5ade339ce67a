"""Whatever a text is made of goes out of PostgreSQL, through a file, and comes back: with the hash that PostgreSQL gave it."""

from __future__ import annotations

import io
from collections.abc import Iterator

import psycopg
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sluice.stores.catalogue import find_table
from sluice.stores.postgres import Connection, Table, connect
from sluice.upkeep.archive import exporting, groups, ledger
from sluice.upkeep.archive.census import OtherEncoding, snapshot, take_census
from sluice.upkeep.archive.columns import texts
from sluice.upkeep.archive.counting import count_and_hash
from sluice.upkeep.archive.exporting import make_files, read_rows
from sluice.upkeep.archive.hashing import sum_of_hashes

from tests.conftest import Database

ODD = "ab \",;\\N.'\x1e\x1f\t\r\n\x01\ufeff\u0085\u2028é😀"
SAID = st.none() | st.text(st.sampled_from(ODD), max_size=6)


@pytest.fixture
def session(database: Database) -> Iterator[Connection]:
    with connect(database.dsn("admin"), purpose="texts") as c:
        ledger.prepare(c)
        c.execute("CREATE TABLE public.one (said text)")
        c.execute("CREATE TABLE public.two (number serial PRIMARY KEY, said text, more text)")
        yield c


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(SAID, SAID), max_size=6))
@example([("", None), (None, ""), ("\\N", "\\."), ("\ufeff", "\n"), ('"', '""'), (None, None)])
def test_every_text_comes_back_with_its_hash(session: Connection, rows: list[tuple[str | None, str | None]]):
    session.execute("TRUNCATE public.one, public.two")
    said, more = [row[0] for row in rows], [row[1] for row in rows]
    session.execute("INSERT INTO public.one SELECT unnest(%s::text[])", [said])  # type: ignore[arg-type]
    two = "INSERT INTO public.two (said, more) SELECT * FROM unnest(%s::text[], %s::text[])"
    session.execute(two, [said, more])  # type: ignore[arg-type]
    assert sorted(brought_back(session, "one"), key=str) == sorted([(one,) for one in said], key=str)
    assert [row[1:] for row in brought_back(session, "two")] == rows


def brought_back(c: Connection, name: str) -> list[tuple[str | None, ...]]:
    """Take a table's census and files, two rows a group; hold them against each other, and give the rows."""
    shape = find_table(c, Table("public", name))
    assert shape is not None
    with pytest.MonkeyPatch.context() as patch, snapshot(c):
        patch.setattr(groups, "GROUP_ROWS", 2)
        patch.setattr(exporting, "PART_BYTES", 1500)
        counted = count_and_hash(c, shape.oid)
        census = take_census(c, shape.oid, "said", None)
        files = [pq.ParquetFile(io.BytesIO(body)) for body, _ in make_files(groups.group(read_rows(c, census)), census)]
    found: list[tuple[str | None, ...]] = []
    total = 0
    for group in (file.read_row_group(number) for file in files for number in range(file.num_row_groups)):
        told = zip(group.columns, census.columns, strict=True)
        columns = [texts(column.combine_chunks(), one.form) for column, one in told]
        total += sum_of_hashes(columns)
        found += zip(*(column.to_pylist() for column in columns), strict=True)
    assert (len(found), str(total)) == (counted.rows, counted.hash)
    return found


def test_a_database_in_another_encoding_is_refused(database: Database):
    """The hash is made of bytes: it would be another one in UTF-8, and nothing that was stored would ever be proven."""
    name = f"{database.name}_latin1"
    with psycopg.connect(database.dsn("admin"), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING latin1 LOCALE 'C'")  # type: ignore[arg-type]
    dsn = make_conninfo(**{**conninfo_to_dict(database.dsn("admin")), "dbname": name})
    with connect(dsn, purpose="texts") as c, pytest.raises(OtherEncoding, match="LATIN1"), snapshot(c):
        pass
