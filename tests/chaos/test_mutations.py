"""Take one part of the protocol away, and the same interleaving must go red: so each part is needed, and the diff sees.

Each drill is played twice: whole, where it ends equal, and mutilated, where the comparison must find what it lost.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sluice.migration.engine.contract import Fenced, Phase
from sluice.migration.kinds.same_cluster import backfill
from sluice.stores import statements

from tests.chaos import moments
from tests.chaos.moments import Scene
from tests.harness import advance

pytestmark = pytest.mark.parametrize("mutilated", (False, True), ids=("whole", "mutilated"))

Mutilate = Callable[[str, str, str], None]


@pytest.fixture
def mutilate(monkeypatch, mutilated) -> Mutilate:
    """Replace a part of a named statement, in the drill's mutilated run."""

    def replace(name: str, part: str, by: str = "") -> None:
        domain, verb = name.split(".")
        texts = statements._domain(domain)
        assert texts[verb].count(part) == 1, f"{name} no longer holds {part!r}: mend this drill"
        if mutilated:
            monkeypatch.setitem(texts, verb, texts[verb].replace(part, by))

    return replace


def found(diff) -> tuple[int, int, int]:
    """Missing, extra and different rows."""
    assert diff.compared > 0
    return diff.missing, diff.extra, diff.different


def test_without_the_row_lock_deleted_rows_come_back(stage, mutilate, mutilated):
    mutilate("copy.fill_chunk", "FOR NO KEY UPDATE\n")
    scene = Scene.set(stage, "delete")
    # Without its lock the chunk stops only where a writer has an uncommitted row under the same key in the target.
    somebody = stage.person()
    somebody.execute("UPDATE app.user_sessions SET note = 'open' WHERE id = %s", [scene.first])
    with stage.chunk_held():
        scene.act()
        scene.end()
        somebody.commit()
    assert found(stage.diff_at_the_end()) == ((0, 1, 0) if mutilated else (0, 0, 0))


def test_without_the_fence_a_worker_of_another_age_writes_what_it_remembers(stage, monkeypatch, mutilated):
    stage.lay_out()
    late, fence = stage.open(), stage.fence()
    late.copy_chunk(0, fence)
    advance(stage.open, Phase.PLANNED)
    stage.ask("ALTER TABLE app.user_sessions ADD COLUMN mood text")
    stage.ask("UPDATE app.user_sessions SET mood = 'calm'")
    stage.lay_out(chunk_rows=1_000_000)
    if mutilated:
        monkeypatch.setattr(backfill, "check_fence", lambda *_: None)
        late.copy_chunk(0, fence)
    else:
        with pytest.raises(Fenced, match="started for epoch 1"):
            late.copy_chunk(0, fence)
    assert found(stage.diff_at_the_end()) == ((0, 0, 2_000) if mutilated else (0, 0, 0))


def test_without_a_look_at_the_file_rewritten_pages_are_skipped(stage, monkeypatch, mutilated):
    stage.lay_out(chunk_rows=200)
    stage.open().copy_chunk(0, stage.fence())
    stage.ask("DELETE FROM app.user_sessions WHERE id < 200")
    stage.ask("VACUUM FULL app.user_sessions")
    if mutilated:
        monkeypatch.setattr(backfill, "check_fence", lambda *_: None)
    else:
        stage.open().plan_chunks(200)
    missing, extra, different = found(stage.diff_at_the_end())
    assert (missing > 0) == mutilated
    assert (extra, different) == (0, 0)


def test_copying_before_capture_is_on_misses_what_was_written_between(stage, monkeypatch, mutilated):
    writer = stage.person(autocommit=True)
    write = "UPDATE app.user_sessions SET note = 'between' WHERE id = 700"
    advance(stage.open, Phase.EXPANDED)
    if mutilated:
        monkeypatch.setattr(backfill, "COPIES_IN", (Phase.EXPANDED,))
        stage.open().plan_chunks()
        stage.copy_rest()
        monkeypatch.undo()
    writer.execute(write)
    stage.lay_out()
    assert found(stage.diff_at_the_end()) == ((0, 0, 1) if mutilated else (0, 0, 0))


def test_an_upsert_that_forgets_the_old_key_leaves_rows_behind(stage, mutilate, mutilated):
    mutilate("capture.create_forward", " OR (TG_OP = 'UPDATE' AND ({old_key}) IS DISTINCT FROM ({new_key}))")
    scene = Scene.set(stage, "change the partition key")
    moments.the_writer_waits_for_the_chunk(scene)
    # The id is there twice, in two months; a diff by id sees one row that is not as it was.
    diff = stage.diff_at_the_end()
    assert diff.clean is not mutilated, diff
    assert diff.target_rows - diff.source_rows == int(mutilated)


def test_a_delete_that_trusts_an_old_snapshot_leaves_rows_behind(stage, mutilate, mutilated):
    mutilate("capture.create_forward", "IN ('repeatable read', 'serializable')", "IN ('never')")
    scene = Scene.set(stage, "delete")
    moments.the_writer_has_an_older_snapshot(scene)
    assert found(stage.diff_at_the_end()) == ((0, 1, 0) if mutilated else (0, 0, 0))


def test_a_capture_that_is_off_for_a_moment_is_seen(stage, mutilated):
    advance(stage.open, Phase.BACKFILLED)
    if mutilated:
        stage.ask('ALTER TABLE app.user_sessions DISABLE TRIGGER "!sluice_capture"')
    stage.ask("UPDATE app.user_sessions SET note = 'unseen' WHERE id = 700")
    stage.ask('ALTER TABLE app.user_sessions ENABLE ALWAYS TRIGGER "!sluice_capture"')
    assert found(stage.open().diff()) == ((0, 0, 1) if mutilated else (0, 0, 0))
