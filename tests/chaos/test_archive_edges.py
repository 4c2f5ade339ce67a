"""Killed at each edge on the way into the vault and back: a row is in the database or in a verified object, the next run ends."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator

import pytest
from sluice.failpoints import EDGES
from sluice.upkeep.archive.ledger import months_of
from sluice.upkeep.archive.reading_back import batches
from sluice.upkeep.archive.supplements import whole

from tests.archived import Stage, kept, months, staged
from tests.chaos.archivist import Process, copy
from tests.conftest import Database

OURS = [edge.name for edge in EDGES if edge.name.startswith("month.")]
BACK = ("month.loaded", "month.brought_back")
COPIED, UNCOPIED = ("beside.loaded", "beside.made"), ("beside.dropping", "beside.dropped")
LATE = ("month.detached", "month.stored", "month.exported", "month.read_back", "month.dropped")
"""Those at which it matters that what came late is not all of a month."""
ROOM = ("ahead.attached", "ahead.made")
OUT = [name for name in OURS if name not in BACK]
ROWS = 40


@pytest.fixture
def stage(database: Database, vault, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    # What the processes are forked from finds its modules by the environment alone; else each of them reads all of it again.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    with staged(database, vault, *months(ROWS)) as made:
        yield made


def rows_in_postgres(stage: Stage) -> set[str]:
    """Every row that a table has: the one whose months they are, or one beside it."""
    found = {said for (said,) in stage.ask("SELECT at || said FROM app.event")}
    for (name,) in stage.ask("SELECT relname FROM pg_class WHERE relname ~ '^event_y2024' AND relkind = 'r'"):
        found |= {said for (said,) in stage.ask(f"SELECT at || said FROM app_partitions.{name}")}
    return found


def rows_in_verified_objects(stage: Stage) -> set[str]:
    """Every row of an export that the ledger says was read back."""
    found: set[str] = set()
    with stage.connection() as c:
        for month in months_of(c, stage.table):
            proven = month.export if month.state in ("verified", "cooling", "dropped") else month.supplement_of
            for _, manifest in whole(stage.vault, proven) if proven else ():
                for part in manifest.parts:
                    for _, at, _, said in batches(stage.vault, manifest, part):
                        found |= {f"{a}{s}" for a, s in zip(at, said, strict=True)}
    return found


def test_at_every_edge_each_row_is_in_the_database_or_in_a_verified_object(stage: Stage, vault):
    every = rows_in_postgres(stage)
    assert len(every) == 2 * ROWS
    process = Process(stage, vault)
    for edge in OUT:
        assert process.run(f"{edge}=kill@1") == -signal.SIGKILL, f"nobody passed {edge}"
        here = rows_in_postgres(stage)
        assert here | rows_in_verified_objects(stage) == every, edge
        assert here == every or edge == "month.dropped", f"{edge}: nothing is dropped but by a drop"
    assert process.run() == 0
    assert stage.states() == ["dropped", "dropped"]
    assert (rows_in_postgres(stage), rows_in_verified_objects(stage)) == (set(), every)
    for edge in BACK:
        assert process.run(f"{edge}=kill@1", restores=True) == -signal.SIGKILL, f"nobody passed {edge}"
        assert rows_in_postgres(stage) | rows_in_verified_objects(stage) == every, edge
    assert process.run(restores=True) == 0
    assert stage.states() == ["restored", "dropped"]
    assert len(rows_in_postgres(stage)) == ROWS


def test_at_every_edge_a_late_row_is_in_the_database_or_in_a_supplement(stage: Stage, vault) -> None:
    stage.dataset = kept(late="side").model_copy(update={"store": stage.dataset.store})
    process, late = Process(stage, vault), "INSERT INTO app.event (at, said) VALUES ('2024-01-20', '{}') RETURNING id"
    every = rows_in_postgres(stage)
    assert process.run() == 0
    stage.ask(late.format("late"))
    every |= rows_in_postgres(stage)
    for edge in (*LATE, *ROOM):
        assert process.run(f"{edge}=kill@1") == -signal.SIGKILL, f"nobody passed {edge}"
        assert rows_in_postgres(stage) | rows_in_verified_objects(stage) == every, edge
        if edge == LATE[-1]:
            stage.ask(late.format("later"))
            every |= rows_in_postgres(stage)
    assert process.run() == 0
    assert (stage.states(), rows_in_postgres(stage)) == (["dropped", "dropped"], set())
    stage.ask(late.format("last"))
    every |= rows_in_postgres(stage)
    for edge in BACK:
        assert process.run(f"{edge}=kill@1", restores=True) == -signal.SIGKILL, f"nobody passed {edge}"
        assert rows_in_postgres(stage) | rows_in_verified_objects(stage) == every, edge
    assert process.run(restores=True) == 0
    assert len(rows_in_postgres(stage)) == ROWS + 3


def test_a_copy_that_is_broken_off_is_there_whole_or_not_at_all_and_goes_so(stage: Stage, vault) -> None:
    process = Process(stage, vault)
    assert process.run() == 0
    tables = "SELECT count(*) FROM pg_class WHERE relname = 'event_y2024m01_copy'"
    noted = "SELECT count(*) AS noted, count(dropped_at) AS dropped FROM sluice_archive.copy"
    seen = []
    for drops, edges in ((False, COPIED), (True, UNCOPIED)):
        for edge in edges:
            assert process.run(f"{edge}=kill@1", drops, copy) == -signal.SIGKILL, f"nobody passed {edge}"
            seen.append((*stage.ask(tables)[0], *stage.ask(noted)[0]))
        assert process.run("", drops, copy) == 0
        seen.append((*stage.ask(tables)[0], *stage.ask(noted)[0]))
    assert seen == [(0, 0, 0), (1, 1, 0), (1, 1, 0), (1, 1, 0), (0, 1, 1), (0, 1, 1)]
    assert stage.states() == ["dropped", "dropped"]


def test_the_list_of_edges_is_whole() -> None:
    assert {edge.name for edge in EDGES if edge.name.startswith("beside.")} == {*COPIED, *UNCOPIED}
    assert len(OUT) >= 10
    assert set(BACK) <= set(OURS)
