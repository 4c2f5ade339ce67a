"""The zoo's options, and a database for each source: loaded once, filled, cloned for the run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from sluice.local import databases

from tests.conftest import Database, Server
from tests.zoo import catalogue, rows
from tests.zoo.journey import Outcome
from tests.zoo.report import write
from tests.zoo.sources import Source

TABLES = 12
"""As many tables of each foreign database are taken, spread over all; `--zoo-all` takes every one, in about an hour."""
ROWS = 300
"""A table with fewer rows than this is filled up to about as many."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("zoo")
    group.addoption("--zoo-report", type=Path, default=None, help="the folder for zoo.md and zoo.json")
    group.addoption("--zoo-tables", type=int, default=TABLES, help="so many tables of each foreign database")
    group.addoption("--zoo-all", action="store_true", help="every table of every database")
    group.addoption("--zoo-only", default=None, help="only tables whose name holds this")


@dataclass(frozen=True)
class Menagerie:
    """A source's database: `pristine` is filled and never changed, clones of it are used up."""

    server: Server
    source: Source
    pristine: str
    unfilled: dict[str, str]

    def clone(self, number: int) -> Database:
        """A fresh copy."""
        name = f"{self.pristine}_{number}"
        with psycopg.connect(self.server.cluster.dsn(), autocommit=True) as c:
            made = {
                "name": Identifier(name),
                "template": Identifier(self.pristine),
                "owner": Identifier(databases.OWNER),
            }
            c.execute(SQL("CREATE DATABASE {name} TEMPLATE {template} OWNER {owner} STRATEGY FILE_COPY").format(**made))
        databases.create_certify(self.server.cluster, name)
        return Database(self.server, name)

    def drop(self, database: Database) -> None:
        databases.drop_database(self.server.cluster, database.name)


@pytest.fixture(scope="session")
def book(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Outcome]]:
    """Every outcome of the run; written down at the end."""
    outcomes: list[Outcome] = []
    yield outcomes
    folder = request.config.getoption("zoo_report") or tmp_path_factory.mktemp("zoo")
    write(folder, outcomes)
    print(f"\nThe zoo's table: {folder / 'zoo.md'}")


def stock(server: Server, source: Source) -> Menagerie:
    """Load a source and fill its tables."""
    name = f"zoo_{source.name}"
    databases.create_certify(server.cluster, name)
    source.load(server.cluster, name)
    _let_in(server.cluster.dsn(name))
    unfilled = {}
    dsn = server.cluster.dsn(name)
    with catalogue.look(dsn) as look:
        for thing in catalogue.in_order(catalogue.tables(look)):
            with catalogue.work(dsn, thing.schema, "fill", source.settings) as c:
                c.execute("SELECT set_config('statement_timeout', '0', false)")
                said = _fill(c, thing, source)
            if said:
                unfilled[thing.name] = said
    return Menagerie(server, source, name, unfilled)


def _let_in(dsn: str) -> None:
    """Let the application into every schema that the source made."""
    with psycopg.connect(dsn, autocommit=True) as c:
        made = c.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname <> 'information_schema' AND nspname NOT LIKE 'pg\\_%'"
        ).fetchall()
        for (schema,) in made:
            c.execute(
                SQL("GRANT USAGE ON SCHEMA {} TO {}").format(Identifier(schema), Identifier(databases.APPLICATION))
            )


def _fill(c: catalogue.Connection, thing: catalogue.Thing, source: Source) -> str:
    row = c.execute(f"SELECT count(*) AS n FROM {thing.name}").fetchone()  # type: ignore[arg-type]
    here = row["n"] if row else 0
    wanted = source.grow.get(f"{thing.schema}.{thing.table}", 0 if not source.foreign else ROWS)
    if here >= min(wanted, ROWS) and wanted <= ROWS:
        return ""
    return rows.fill(c, thing, wanted - here)[1]
