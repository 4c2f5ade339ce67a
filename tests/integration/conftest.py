"""What several tests share: a table of one's own that is moved, and a DynamoDB design with its tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from sluice.migration.kinds.single_table import SingleTable

from tests.conftest import Database
from tests.documents import Documents
from tests.few_items import Few, copy, few_items, item, lying, settled, to_shadowing
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
