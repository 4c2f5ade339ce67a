"""Months go into the vault and are dropped only when the database agrees, on a real PostgreSQL and a real S3."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from psycopg import sql
from sluice.proof.diff.portable import PortableSide
from sluice.stores.catalogue import find_table
from sluice.stores.postgres import Table
from sluice.upkeep.archive import ledger
from sluice.upkeep.archive.reading_back import read_manifest

from tests.archived import MONTHS, Stage, months, staged
from tests.conftest import Database
from tests.odd_rows import ODD, ROWS

NAMES = [name for name, _, _ in MONTHS]


@pytest.fixture
def stage(database: Database, vault) -> Iterator[Stage]:
    with staged(database, vault, *months()) as made:
        yield made


def test_old_months_go_the_whole_way_and_a_second_run_has_nothing_to_do(stage: Stage):
    told: list[str] = []
    archive = stage.archive()
    assert archive.archive(told.append) == {"cooling": 2}
    assert stage.ask("SELECT count(*) FROM app_partitions.event_y2024m01") == [(50,)], "it stands beside"
    assert archive.archive(told.append) == {"cooling": 2}
    assert archive.drop(told.append) == 2
    assert stage.states() == ["dropped", "dropped"]
    assert stage.ask("SELECT to_regclass('app_partitions.event_y2024m01')") == [(None,)]
    assert (archive.drop(told.append), archive.archive(told.append)) == (0, {"dropped": 2})
    assert len(told) == len(set(told)), "nothing was done twice"


CALM = """INSERT INTO app.event (at, tenant, short, small, big, whole, yes, said, bytes, day, plain, precise)
 SELECT '2024-02-01'::timestamptz + i * '1.000001 hours'::interval, NULL, i / 100.0 - 3, i, -i,
 (random() - 0.5) * 10.0 ^ (i - 300), i % 2 = 0, 's', '\\x01', '2024-02-01'::date - i * 1000,
 '0001-01-01'::timestamp + i * '17 days 00:00:00.1'::interval, '9999-12-31 23:59:59.99+00' FROM generate_series(1, 600) i"""


@pytest.fixture
def odd(database: Database, vault) -> Iterator[Stage]:
    """Values of every sort in January, under names and settings that are odd; plain ones in February."""
    made = months()
    rows = [ROWS.format(i=i) for i in (1, 2)]
    with staged(database, vault, *ODD.split(";"), *made[1:5], *rows, CALM, made[-1]) as stage:
        yield stage


def test_the_database_s_word_for_the_hash_is_the_portable_one(odd: Stage):
    c = odd.connection()
    for name in NAMES:
        table = Table("app_partitions", name)
        shape = find_table(c, table)
        assert shape is not None
        values = tuple(sql.SQL("t.{}").format(sql.Identifier(column.name)) for column in shape.columns)
        rows, total = PortableSide(c, table, (), values).summary(None, None)
        found = c.execute("SELECT * FROM sluice_archive.count_and_hash(%s)", [shape.oid]).fetchone()
        assert found == {"rows": rows, "hash": str(total)}


def test_every_type_comes_back_to_the_bit(odd: Stage):
    before = {name: odd.ask(f"SELECT t::text FROM app_partitions.{name} t ORDER BY 1") for name in NAMES}
    assert [len(rows) for rows in before.values()] == [6, 600]
    archive = odd.archive()
    archive.exporter.execute("SET search_path = app")
    archive.archive(print)
    forms = [
        {column.name: column.form for column in read_manifest(odd.vault, month.export).columns}
        for month in ledger.months_of(archive.keeper, odd.table)
    ]
    assert [form["plain"] for form in forms] == ["string", "timestamp"], (
        "text where there is an infinity, and there alone"
    )
    assert [form["short"] for form in forms] == ["string", "decimal(12,2)"]
    assert archive.drop(print) == 2
    for month in (1, 2):
        archive.restore(datetime(2024, month, 3, tzinfo=UTC), timedelta(days=3), print)
    assert odd.states() == ["restored", "restored"]
    assert {name: odd.ask(f"SELECT t::text FROM app_partitions.{name} t ORDER BY 1") for name in NAMES} == before
    assert odd.ask("SELECT count(*) FROM app.event") == [(606,)], "and it is in its table"
    closed = (
        "SELECT relrowsecurity AND relforcerowsecurity FROM pg_class WHERE relname ~ 'event_y2024' AND relkind = 'r'"
    )
    assert odd.ask(closed) == [(True,), (True,)]
