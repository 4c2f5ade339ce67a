"""A seeded database for every drill, cloned in a moment, and the stage upon it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from sluice.estate import Migration, read_estate
from sluice.local import databases
from sluice.local.certify import seed
from sluice.stores.postgres import connect

from tests.chaos.stage import Stage
from tests.conftest import Database, Server

ROOT = Path(__file__).parents[2]
ROWS = 2_000
_COUNT = itertools.count(1)


@pytest.fixture(scope="session")
def seeded(server: Server) -> Iterator[str]:
    """A database that is only cloned, never changed."""
    name = "chaos_seeded"
    databases.create_certify(server.cluster, name)
    with connect(server.cluster.dsn(name), purpose="seed") as c:
        seed(c, rows=ROWS, months=3)
    yield name
    databases.drop_database(server.cluster, name)


@pytest.fixture
def database(server: Server, seeded: str) -> Iterator[Database]:
    """A clone of the seeded database: tables keep their OIDs and files."""
    name = f"chaos_{next(_COUNT)}"
    with psycopg.connect(server.cluster.dsn(), autocommit=True) as c:
        made = {"name": Identifier(name), "template": Identifier(seeded), "owner": Identifier(databases.OWNER)}
        c.execute(SQL("CREATE DATABASE {name} TEMPLATE {template} OWNER {owner}").format(**made))
    databases.create_certify(server.cluster, name)
    yield Database(server, name)
    databases.drop_database(server.cluster, name)


@pytest.fixture
def migration() -> Migration:
    """The sample's migration, with less patience: three tries for a lock; and without the shadow read."""
    found = read_estate(ROOT).migrations["user_sessions"]
    hasty = found.cutover.model_copy(update={"tries": 3, "lock_timeout": timedelta(milliseconds=50)})
    gates = found.gates.model_copy(update={"shadow": None})
    return found.model_copy(update={"cutover": hasty, "gates": gates})


@pytest.fixture
def stage(database: Database, migration: Migration) -> Iterator[Stage]:
    """The stage, empty again afterwards."""
    made = Stage(database, migration)
    yield made
    made.close()
