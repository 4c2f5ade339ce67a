"""The SQL of the documentation runs: each block of each page, by a server that has what the page speaks of.

Each runs in a transaction that is taken back. What must be refused there, as it speaks of something that the reader has and we
have not, stands in `REFUSED`: then the refusal is the proof that the statement is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sluice.ledger.reference import RELEASED
from sluice.ledger.releases import bring_up_to_date
from sluice.local.databases import create_database
from sluice.stores.cluster import ADMIN
from sluice.stores.postgres import connect

from tests.conftest import Server
from tests.unit.test_docs import PAGES, ROOT, blocks

SQL = [(page, number, said) for page in PAGES for number, said in enumerate(blocks(page.read_text(), "sql"), 1)]
LEDGER = re.compile(r"\b(insight|control)\b")
REFUSED = {
    "sluice.abort('orders')": "there is no migration orders",
    "sluice.abort('user_sessions')": "there is no migration user_sessions",
    "sluice_archive.forget_month": "is in no archive|no month|does not know",
    "pg_drop_replication_slot": 'replication slot "sluice_log_shop" does not exist',
    "CREATE DATABASE": "cannot run inside a transaction block",
    "FINALIZE": "cannot complete detaching|is not|must be",
}
THERE = """
    CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
    CREATE ROLE shop_owner; CREATE ROLE tyler_app;
    CREATE SCHEMA app; CREATE SCHEMA sluice_attic;
    CREATE TABLE app.orders_2026_01 (id int); CREATE TABLE sluice_attic.orders__old (id int);
    CREATE TABLE app.event (at timestamptz) PARTITION BY RANGE (at);
    CREATE TABLE app.event_y2024m04 PARTITION OF app.event FOR VALUES FROM ('2024-04-01') TO ('2024-05-01');
    CREATE TABLE dag_run (id int); CREATE TABLE _airflow_deleted__dag_run__20260301033107__b1 (id int);
"""
"""What the pages' readers have."""


@pytest.fixture(scope="module")
def dsns(server: Server) -> Iterator[dict[str, str]]:
    """The store and the ledger of somebody who reads: databases of the names that the pages use."""
    names = {"store": "shop", "ledger": "sluice"}
    for name in (*names.values(), "orders"):
        create_database(server.cluster, name, owner=ADMIN)
    for which, name in names.items():
        with connect(server.cluster.dsn(name), purpose="pages") as c:
            for release_set in RELEASED[which]:
                bring_up_to_date(c, release_set)
    with psycopg.connect(server.cluster.dsn("shop"), autocommit=True) as c:
        c.execute(THERE)
    yield {which: server.cluster.dsn(name) for which, name in names.items()}
    with psycopg.connect(server.cluster.dsn(), autocommit=True) as c:
        for name in (*names.values(), "orders"):
            c.execute(f"DROP DATABASE {name} WITH (FORCE)")
        c.execute("DROP ROLE shop_owner; DROP ROLE tyler_app")


@pytest.mark.parametrize(("page", "number", "said"), SQL, ids=[f"{page.relative_to(ROOT)}-{n}" for page, n, _ in SQL])
def test_a_page_s_sql_runs(page: Path, number: int, said: str, dsns: dict[str, str]) -> None:
    expected = next((message for part, message in REFUSED.items() if part in said), None)
    with psycopg.connect(dsns["ledger" if LEDGER.search(said) else "store"], autocommit=True) as c:
        for role in re.findall(r"CREATE ROLE (\w+)", said):  # those of this machine's own server have the pages' names
            if c.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone():
                said = re.sub(rf"\b{role}\b", f"{role}_of_a_page", said)
        c.execute("BEGIN")
        try:
            for statement in filter(str.strip, re.sub(r"--.*", "", said).split(";\n")):
                c.execute(statement)
        except psycopg.Error as error:
            assert expected and re.search(expected, str(error)), f"{page.name}, {statement.strip()}: {error}"
        else:
            assert expected is None, "this was to be refused"
        finally:
            c.execute("ROLLBACK")


def test_there_is_sql_to_run() -> None:
    assert len(SQL) > 25
