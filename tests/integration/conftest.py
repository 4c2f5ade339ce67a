"""What several tests share: a table of one's own that is moved, and a DynamoDB design with its tables."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sluice.ledger.samples import Samples
from sluice.local import databases
from sluice.local.ports import free_port
from sluice.migration.kinds.single_table import SingleTable
from sluice.stores.cluster import Cluster
from sluice.stores.postgres import connect

from tests.conftest import Database
from tests.documents import Documents
from tests.few_items import Few, copy, few_items, item, lying, settled, to_shadowing
from tests.firing import NAME, PLACES, Load, Server
from tests.integration.accessing import Tyler, tyler_on
from tests.integration.moved import Moved
from tests.people import Told, listening
from tests.rowed import Stage, staged
from tests.streams_that_lie import StreamThatLies


@pytest.fixture(scope="session")
def tyler_tables(documents: Documents) -> Iterator[Tyler]:
    """The tables of a single-table design, made once: that takes half a second."""
    with tyler_on(documents, "access-") as made:
        yield made


@pytest.fixture
def tyler(tyler_tables: Tyler) -> Iterator[Tyler]:
    """Those tables, empty, and what an application has of the design."""
    yield replace(tyler_tables)
    tyler_tables.empty()


@pytest.fixture
def people() -> Iterator[tuple[Told, int]]:
    """Who takes alerts: what it was told, and its port."""
    with listening() as made:
        yield made


@pytest.fixture
def moving(make_database: Callable[[], Database]) -> Iterator[Callable[..., Moved]]:
    """A function: `moving(into, *statements, accept=())` makes a database with `app.thing` in it, to be moved."""
    made: list[Moved] = []

    def move(into: dict[str, Any], *statements: str, accept: tuple[str, ...] = ()) -> Moved:
        made.append(Moved(make_database(), into, accept))
        made[-1].own(*statements)
        return made[-1]

    yield move
    for moved in made:
        moved.close()


@pytest.fixture
def few(documents: Documents, make_table: Callable[..., str]) -> Iterator[Few]:
    """Two items to move."""
    with few_items(documents, make_table, item("one"), item("two")) as made:
        yield made


@pytest.fixture
def kind(few: Few) -> SingleTable:
    """The kind that moves them, shadowing."""
    return to_shadowing(few.opened())


@pytest.fixture
def torn(few: Few) -> tuple[SingleTable, StreamThatLies, StreamThatLies]:
    """The kind, shadowing, and the streams of the old table and of the records, which can be trimmed."""
    made = few.opened()
    made.expand()
    made.start_capture()
    old = lying(made)
    made._ways.__dict__["target_stream"] = new = StreamThatLies(made._ways.target_stream, 1)
    made.plan_chunks()
    copy(made)
    made.verify(settled(made))
    made.shadow()
    made.replicate(5)
    return made, old, new


@pytest.fixture
def stage(
    documents: Documents, make_table: Callable[..., str], database: Database, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stage]:
    """A legacy audit trail that becomes rows of a PostgreSQL table. What differs is looked at again after moments only."""
    monkeypatch.setattr("sluice.migration.kinds.into_postgres.comparing.WAITS", (0.1, 0.2))
    with staged(documents, make_table, database) as made:
        yield made


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A server of its own, with few places for sessions: what is counted here is nobody else's."""
    cluster = Cluster(tmp_path_factory.mktemp("fires") / "own", free_port(), secrets.token_urlsafe(), durable=False)
    cluster.create()
    cluster.start()
    try:
        databases.create_database(cluster, NAME, owner="postgres")
        with psycopg.connect(cluster.dsn(NAME), autocommit=True) as c:
            c.execute(f"ALTER SYSTEM SET superuser_reserved_connections = {200 - PLACES}")
            for setting in ("autovacuum = off", "deadlock_timeout = '20ms'", "max_wal_size = '4GB'",
                            "client_connection_check_interval = '50ms'"):  # fmt: skip
                c.execute(f"ALTER SYSTEM SET {setting}")
        cluster.stop()
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def c(own: Cluster) -> Iterator[psycopg.Connection]:
    """A session on it, and no table `thing`."""
    with psycopg.connect(own.dsn(NAME), autocommit=True) as opened:
        opened.execute("DROP TABLE IF EXISTS thing")
        yield opened


@pytest.fixture
def kept_samples(database: Database) -> Iterator[Samples]:
    """A ledger for numbers."""
    with connect(database.dsn("sluice_ledger"), purpose="test") as opened:
        yield Samples(opened).prepare()


@pytest.fixture
def watched(own: Cluster, kept_samples: Samples) -> Server:
    """The server as it is looked at: at rest."""
    made = Server(kept_samples, own.dsn(NAME))
    assert made.minutes(2) == set(), "a server at rest is well"
    return made


@pytest.fixture
def load(own: Cluster, tmp_path: Path) -> Load:
    """Its application."""
    return Load(tmp_path, own.dsn(NAME), own.dsn(NAME))
