"""Long transactions, two hands on one step, locks that do not come: wait, name who is in the way, change nothing."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sluice.migration.engine import steps
from sluice.migration.engine.contract import Kind, NotYet, Phase
from sluice.migration.engine.steps import NotDrained
from sluice.stores.postgres import LockBusy

from tests.chaos.moments import Scene
from tests.harness import advance

TABLES = "SELECT oid::bigint, relname::text FROM pg_class WHERE relnamespace = 'app'::regnamespace ORDER BY oid"
TRIGGERS = "SELECT tgrelid::bigint, tgname::text FROM pg_trigger WHERE tgname LIKE '!%' ORDER BY 1, 2"


def both_at_once(stage, verb: Callable[[Kind], object]) -> list[object]:
    """Let two connections do the same at the same instant; gives what each answered or raised."""
    kinds, ready = [stage.worker().kind, stage.worker().kind], Barrier(2)

    def one(kind: Kind) -> object:
        ready.wait()
        try:
            return verb(kind)
        except Exception as error:
            return error

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(one, kinds))


def test_capture_waits_for_a_writer_that_is_open_already(stage):
    advance(stage.open, Phase.EXPANDED)
    writer = stage.person()
    writer.execute("UPDATE app.user_sessions SET note = 'before capture' WHERE id = 700")
    with pytest.raises(LockBusy, match=f"session {writer.info.backend_pid} .*Nothing was changed"):
        stage.open().start_capture()
    assert stage.open().position().phase is Phase.EXPANDED
    assert stage.ask(TRIGGERS) == []
    writer.execute("UPDATE app.user_sessions SET note = 'still at it' WHERE id = 701")
    writer.commit()
    stage.lay_out()
    assert stage.diff_at_the_end().clean


def test_a_cutover_that_gets_no_lock_changes_nothing_and_names_who_is_in_the_way(stage):
    advance(stage.open, Phase.VERIFIED)
    before = stage.ask(TABLES), stage.ask(TRIGGERS)
    writer = stage.person()
    writer.execute("UPDATE app.user_sessions SET note = 'long' WHERE id = 700")
    with pytest.raises(LockBusy, match=f"session {writer.info.backend_pid} .*Nothing was changed"):
        stage.open().cut_over()
    assert stage.open().position().phase is Phase.VERIFIED
    assert (stage.ask(TABLES), stage.ask(TRIGGERS)) == before
    writer.execute("UPDATE app.user_sessions SET note = 'longer' WHERE id = 701")
    writer.commit()
    assert stage.open().cut_over().failed_tries_ms == ()
    assert stage.ask("SELECT note FROM app.user_sessions WHERE id IN (700, 701) ORDER BY id") == [
        ("long",),
        ("longer",),
    ]
    assert stage.open().diff().clean


def test_a_writer_queued_behind_the_swap_goes_on_in_the_new_table(stage):
    advance(stage.open, Phase.VERIFIED)
    somebody, writer, swapper = stage.person(), stage.person(), stage.worker()
    patient = stage.migration.cutover.model_copy(update={"tries": 100})
    object.__setattr__(swapper.kind, "migration", stage.migration.model_copy(update={"cutover": patient}))
    somebody.execute("SELECT FROM app.user_sessions WHERE id = 1 FOR SHARE")
    with stage.background(swapper.pid, swapper.kind.cut_over) as swapping:
        writer.execute("UPDATE app.user_sessions SET note = 'queued' WHERE id = 700")
        writer.commit()
        somebody.commit()
        assert swapping.result().failed_tries_ms
    writer.execute("UPDATE app.user_sessions SET note = note || ' twice' WHERE id = 700")
    writer.commit()
    diff = stage.open().diff()
    assert diff.clean, diff.samples
    assert stage.ask("SELECT note FROM app.user_sessions__old WHERE id = 700") == [("queued twice",)]


def test_a_reader_with_an_old_snapshot_holds_the_cutover_up_and_is_named(stage, monkeypatch):
    stage.lay_out()
    reader = stage.person()
    reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    seen = reader.execute("SELECT count(*) FROM app.user_sessions").fetchone()
    advance(stage.open, Phase.VERIFIED)
    monkeypatch.setattr(steps, "DRAIN_SECONDS", 0.1)
    with pytest.raises(NotDrained, match=f"session {reader.info.backend_pid} .*a person"):
        steps.cut_over(stage.open())
    assert stage.open().position().phase is Phase.VERIFIED
    assert reader.execute("SELECT count(*) FROM app.user_sessions").fetchone() == seen
    reader.commit()
    assert steps.cut_over(stage.open())["rows_missing"] == 0


def test_a_snapshot_taken_during_the_last_copy_is_old_too(stage):
    stage.lay_out(chunk_rows=1_000_000)
    somebody, reader = stage.person(), stage.person()
    # A lock that needs no transaction id: the chunk is the oldest transaction that runs, so exactly the reader's horizon.
    somebody.execute("LOCK TABLE app.user_sessions_by_month IN SHARE ROW EXCLUSIVE MODE")
    with stage.chunk_held():
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT 1")
        somebody.rollback()
    assert reader.execute("SELECT count(*) FROM app.user_sessions_by_month").fetchone() == (0,)
    lag = stage.open().drain(0)
    assert lag.pending == 1, "it sees an empty table, and nobody waits for it"
    assert f"session {reader.info.backend_pid} " in lag.held_by
    reader.commit()
    assert stage.open().drain(0).pending == 0


def test_expanding_twice_at_once_expands_once(stage):
    first, second = both_at_once(stage, lambda kind: kind.expand())
    assert first == second, (first, second)
    assert stage.open().position().phase is Phase.EXPANDED
    advance(stage.open, Phase.VERIFIED)


def test_capturing_twice_at_once_captures_once(stage):
    advance(stage.open, Phase.EXPANDED)
    first, second = both_at_once(stage, lambda kind: kind.start_capture())
    assert (
        first
        == second
        == {
            "capture_enabled": 1,
            "capture_triggers": 3,
            "capture_first_trigger": 1,
            "fingerprint_differs": 0,
            "quarantined": 0,
            "quarantined_told": "",
        }
    )


@pytest.mark.parametrize("around", range(3))
def test_cutting_over_and_back_twice_at_once_swaps_once(stage, around):
    advance(stage.open, Phase.VERIFIED)
    for verb, arrives in (("cut_over", Phase.CUT_OVER), ("cut_back", Phase.VERIFIED)):
        answers = both_at_once(stage, lambda kind, verb=verb: getattr(kind, verb)())
        raised = [answer for answer in answers if isinstance(answer, Exception)]
        assert len(raised) < 2, raised
        assert all(isinstance(error, NotYet | LockBusy) for error in raised), raised
        assert stage.open().position().phase is arrives
        assert stage.open().diff().clean
    assert stage.open().position().epoch == 2


def test_a_whole_backfill_by_two_runs_at_once_copies_each_row_once(stage):
    stage.lay_out(chunk_rows=50)
    both_at_once(stage, lambda _: stage.copy_rest())
    assert stage.open().progress().rows == 2_000
    assert stage.open().diff().clean


def test_a_writer_that_waits_for_a_chunk_is_never_the_victim_of_a_deadlock(stage):
    # The chunk holds the writer's second row and will want its first. Whoever waits longest is chosen: it must be the chunk.
    scene = Scene.set(stage, "update")
    between = stage.rows_of_first_chunk()[5]
    scene.writer.execute("UPDATE app.user_sessions SET note = 'first' WHERE id = %s", [scene.last])
    scene.row = scene.first
    worker, fence = stage.worker(), stage.fence()
    somebody = stage.person()
    somebody.execute("SELECT FROM app.user_sessions WHERE id = %s FOR UPDATE", [between])
    with stage.background(worker.pid, lambda: worker.kind.copy_chunk(0, fence)) as copying:
        with stage.background(scene.writer.info.backend_pid, scene.act) as acting:
            somebody.rollback()
            acting.result()  # no error
        scene.end()
        with pytest.raises(LockBusy):
            copying.result()
    diff = stage.diff_at_the_end()
    assert diff.clean, diff.samples
