"""The kind `same_cluster` on real PostgreSQL, under the sample application's writes."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sluice.estate import read_estate
from sluice.local.certify import Workload, seed, verify
from sluice.migration.engine import steps
from sluice.migration.engine.contract import Fence, Fenced, NotYet, Phase, Window
from sluice.migration.engine.steps import PreflightRefused, check_findings
from sluice.migration.engine.way import Step
from sluice.migration.kinds import open_kind
from sluice.proof.diff import rows as diff_rows
from sluice.stores.postgres import connect

from tests.harness import advance, unhurried

ROOT = Path(__file__).parents[2]


@pytest.fixture
def migration():
    return unhurried(read_estate(ROOT).migrations["user_sessions"])


@pytest.fixture
def opened(database, migration):
    """A function that opens the kind on a seeded database, each time with a connection of its own."""
    with connect(database.dsn("admin"), purpose="seed") as c:
        seed(c, rows=5_000)
    connections = []

    def open_one():
        def opening(purpose):
            connections.append(connect(database.dsn(), purpose=purpose))
            return connections[-1]

        return open_kind(migration, opening)

    yield open_one
    for connection in connections:
        connection.close()


def test_forward_back_and_forward_again_loses_no_acknowledged_write(database, opened):
    workload = Workload(database.dsn("certify_app"), seed=7, writers=3, rate=300)
    workload.start()
    try:
        first = advance(opened, Phase.CUT_OVER)
        workload.burst(300)
        back = advance(opened, Phase.VERIFIED)
        workload.burst(300)
        again = advance(opened, Phase.CUT_OVER)
        workload.burst(100)
        kept = advance(opened, Phase.RETIRED)
        workload.burst(100)
    finally:
        workload.stop()
    assert first[Step.VERIFY]["rows_compared"] >= 4_000
    for facts in (first[Step.CUT_OVER], back[Step.CUT_BACK], again[Step.CUT_OVER]):
        assert (facts["rows_missing"], facts["rows_extra"], facts["rows_different"]) == (0, 0, 0), facts
        assert facts["sequence_behind"] == 0
    assert kept[Step.RETIRE]["old_kept"] == 1
    with connect(database.dsn(), purpose="oracle") as c:
        report = verify(c, workload.acknowledged)
    assert report.ok, report
    assert report.checked > 500
    assert workload.snapshot().total.user_errors == 0, workload.snapshot()


def test_abort_leaves_the_source_as_it_was(opened):
    advance(opened, Phase.VERIFIED)
    said = advance(opened, Phase.PLANNED)[Step.ABORT]["said"]
    assert "was not touched" in said
    assert opened().position().phase is Phase.PLANNED
    assert advance(opened, Phase.VERIFIED)[Step.VERIFY]["rows_different"] == 0


def test_a_worker_of_an_older_epoch_is_fenced(opened):
    advance(opened, Phase.CAPTURING)
    late = opened()
    late.plan_chunks()
    fence = Fence(late.position().epoch)
    advance(opened, Phase.PLANNED)
    advance(opened, Phase.CAPTURING)
    opened().plan_chunks()
    with pytest.raises(Fenced, match="started for epoch 1"):
        opened().copy_chunk(0, fence)


def test_a_missed_row_makes_the_diff_red_and_keeps_the_phase(database, opened):
    advance(opened, Phase.BACKFILLED)
    with connect(database.dsn(), purpose="saboteur") as c:
        c.execute("DELETE FROM app.user_sessions_by_month WHERE id = (SELECT min(id) FROM app.user_sessions_by_month)")
        c.execute("UPDATE app.user_sessions_by_month SET note = 'x' WHERE id = (SELECT max(id) FROM app.user_sessions)")
    facts = advance(opened, Phase.VERIFIED)[Step.VERIFY]
    assert (facts["rows_missing"], facts["rows_different"]) == (1, 1)
    assert "note" in facts["diff_samples"]
    assert opened().position().phase is Phase.BACKFILLED
    with pytest.raises(NotYet):
        opened().cut_over()


def test_preflight_lists_everything_at_once(database, opened, migration):
    with connect(database.dsn("admin"), purpose="saboteur") as c:
        c.execute("CREATE VIEW app.seen AS SELECT * FROM app.user_sessions")
        c.execute("CREATE UNIQUE INDEX odd ON app.user_sessions (user_id, id)")
    with pytest.raises(PreflightRefused) as refused:
        check_findings(migration.name, opened().preflight(), ())
    assert all(code in str(refused.value) for code in ("[weaker_key]", "[dependent]", "[unique_index]"))


def test_a_repaired_window_is_a_copy_that_the_cutover_waits_for(database, opened):
    advance(opened, Phase.VERIFIED)
    with connect(database.dsn(), purpose="saboteur") as c:
        month = c.execute("SELECT date_trunc('month', min(started_at)) AS lower FROM app.user_sessions").fetchone()[
            "lower"
        ]
        c.execute("DELETE FROM app.user_sessions_by_month WHERE started_at < %s", (month + timedelta(days=28),))
    with connect(database.dsn(), purpose="old snapshot") as reader, reader.transaction():
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT count(*) FROM app.user_sessions")
        done = opened().backfill_window(Window(month, month + timedelta(days=28)))
        assert done.filled > 0
        assert done.diff.clean
        assert "old snapshot" in opened().drain(0).held_by
    assert opened().drain(5).pending == 0


def test_a_red_diff_takes_back_the_proof_of_an_earlier_green_one(database, opened):
    advance(opened, Phase.SHADOWING)
    with connect(database.dsn(), purpose="saboteur") as c:
        c.execute("DELETE FROM app.user_sessions_by_month WHERE id = (SELECT min(id) FROM app.user_sessions_by_month)")
    assert steps.verify(opened())["rows_missing"] == 1
    with pytest.raises(NotYet, match="last clean diff"):
        opened().cut_over()


def test_a_verification_that_died_goes_on_behind_the_ranges_it_had_proven(opened, monkeypatch):
    monkeypatch.setattr(diff_rows, "RANGE_ROWS", 500)
    advance(opened, Phase.BACKFILLED)
    asked = []
    sum_buckets = diff_rows.sum_buckets

    def dies_at_the_fourth(*what):
        asked.append(what[2])
        if len(asked) == 4:
            raise KeyboardInterrupt
        return sum_buckets(*what)

    monkeypatch.setattr(diff_rows, "sum_buckets", dies_at_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        opened().diff()
    assert advance(opened, Phase.VERIFIED)[Step.VERIFY]["rows_compared"] >= 4_000
    # The verifier's own planted rows are compared in between; the table itself only behind what was proven.
    assert len([part for part in asked[4:] if part.after == asked[3].after]) == 1
    assert not [part for part in asked[4:] if part.after in (asked[1].after, asked[2].after) and part.after is not None]
    opened().diff()
    assert asked[-1].after is not None and len(asked) > 14, "a finished comparison is begun anew"
