"""Killed at each edge on the way into the vault and back: a row is in the database or in a verified object, the next run ends."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator

import pytest
from sluice.failpoints import EDGES
from sluice.upkeep.archive.ledger import months_of
from sluice.upkeep.archive.reading_back import batches, read_manifest

from tests.archived import MONTHS, Stage, months, staged
from tests.chaos.archivist import Process, copy
from tests.conftest import Database

OURS = [edge.name for edge in EDGES if edge.name.startswith("month.")]
BACK = ("month.loaded", "month.brought_back")
COPIED, UNCOPIED = ("beside.loaded", "beside.made"), ("beside.dropping", "beside.dropped")
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
    for name, _, _ in MONTHS:
        if stage.ask(f"SELECT to_regclass('app_partitions.{name}')") != [(None,)]:
            found |= {said for (said,) in stage.ask(f"SELECT at || said FROM app_partitions.{name}")}
    return found


def rows_in_verified_objects(stage: Stage) -> set[str]:
    """Every row of an export that the ledger says was read back."""
    found: set[str] = set()
    with stage.connection() as c:
        for month in months_of(c, stage.table):
            if month.export and month.state in ("verified", "cooling", "dropped"):
                manifest = read_manifest(stage.vault, month.export)
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
