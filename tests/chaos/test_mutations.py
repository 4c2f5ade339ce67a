"""Take one part of the protocol away, and the same interleaving must go red: so each part is needed, and the diff sees.

Each drill is played twice: whole, where it ends equal, and mutilated, where the comparison must find what it lost. The table of
all of them is `mutations.py` beside this file.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from threading import Event
from typing import Any

import psycopg
import pytest
from psycopg import errors, sql
from sluice.estate import Migration
from sluice.ledger.marks import Marks
from sluice.local.databases import MOVER
from sluice.migration.engine import steps
from sluice.migration.engine.contract import Fenced, Phase, Window
from sluice.migration.engine.steps import NotDrained
from sluice.migration.kinds.same_cluster import backfill, capture, kind, swap
from sluice.proof.diff import rows, settled
from sluice.proof.diff.portable import PortableSide
from sluice.stores import postgres, statements
from sluice.stores.postgres import Refused, StoreDown, Table, connect

from tests.chaos import moments
from tests.chaos.moments import Scene
from tests.chaos.stage import wait_until
from tests.harness import advance

pytestmark = pytest.mark.parametrize("mutilated", (False, True), ids=("whole", "mutilated"))

Mutilate = Callable[[str, str, str], None]


@pytest.fixture
def migration(migration: Migration) -> Migration:
    """Without the shadow read, which is another verifier than the one that is asked here."""
    return migration.model_copy(update={"gates": migration.gates.model_copy(update={"shadow": None})})


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
    mutilate("capture.create_forward", " OR (TG_OP = 'UPDATE' AND (gone OR {moves}))")
    scene = Scene.set(stage, "change the partition key")
    moments.the_writer_waits_for_the_chunk(scene)
    # The id is there twice, in two months; a diff by id sees one row that is not as it was.
    diff = stage.diff_at_the_end()
    assert diff.clean is not mutilated, diff
    assert diff.target_rows - diff.source_rows == int(mutilated)


def test_a_delete_that_trusts_an_old_snapshot_leaves_rows_behind(stage, mutilate, mutilated):
    looks = "IN ('repeatable read', 'serializable') THEN\n                    INSERT INTO {target}"
    mutilate("capture.create_forward", looks, looks.replace("repeatable read", "never"))
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


OVERWRITES = ("copy.fill_chunk", "({key}) DO NOTHING", "({key}) DO UPDATE SET note = excluded.note")


def test_a_copy_that_overwrites_turns_users_away(stage, mutilate, mutilated):
    mutilate(*OVERWRITES)
    stage.lay_out(chunk_rows=1_000_000)
    stage.ask("UPDATE app.user_sessions SET note = 'captured' WHERE id = 700")
    user = stage.person()
    user.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    user.execute("SELECT 1")
    stage.copy_rest()
    # Its row is in the target since before its snapshot: the copy had nothing to bring.
    update = "UPDATE app.user_sessions SET note = 'mine' WHERE id = 700"
    if mutilated:
        with pytest.raises(errors.SerializationFailure):
            user.execute(update)
    else:
        user.execute(update)
        user.commit()
    assert found(stage.open().diff()) == (0, 0, 0)


def test_without_the_row_lock_a_copy_that_overwrites_brings_old_values_back(stage, monkeypatch, mutilate, mutilated):
    texts = statements._domain("copy")
    monkeypatch.setitem(texts, "fill_chunk", texts["fill_chunk"].replace("FOR NO KEY UPDATE\n", ""))
    mutilate(*OVERWRITES)
    stage.lay_out(chunk_rows=1_000_000)  # one chunk: a later one would find the changed row on its new page
    ids = stage.rows_of_first_chunk()
    scene = Scene(stage, stage.person(), "update", True, ids[0], ids[len(ids) // 2], ids[-1])
    somebody = stage.person()
    somebody.execute("UPDATE app.user_sessions SET note = 'open' WHERE id = %s", [scene.first])
    with stage.chunk_held():
        scene.act()
        scene.end()
        somebody.commit()
    # The one that it waited for, and the one that was changed meanwhile.
    assert found(stage.diff_at_the_end()) == ((0, 0, 2) if mutilated else (0, 0, 0))


def test_a_half_that_an_abort_does_not_see_outlives_it(stage, monkeypatch, mutilated):
    stage.lay_out(chunk_rows=1_000)
    halver, aborter, somebody = stage.worker(), stage.worker(), stage.person("admin")
    if mutilated:

        @contextmanager
        def unfenced(marks: Marks, c: postgres.Connection) -> Iterator[postgres.Row]:
            with c.transaction():
                yield marks.under_fence(c)

        monkeypatch.setattr(Marks, "shared", unfenced)
    stage.ask(
        "CREATE FUNCTION app.dally() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NULL; END'"
    )
    stage.ask("CREATE TRIGGER dally AFTER INSERT ON sluice.chunk FOR EACH STATEMENT EXECUTE FUNCTION app.dally()")
    somebody.execute("SELECT pg_advisory_xact_lock(4711)")
    number = stage.ask("SELECT min(number) FROM sluice.chunk")[0][0]
    # The new half is inserted and not committed when the abort begins.
    with (
        stage.background(halver.pid, lambda: halver.kind.halve_chunk(number)) as halving,
        stage.background(aborter.pid, aborter.kind.abort) as aborting,
    ):
        somebody.rollback()
        assert halving.result() is None
        assert "is planned again" in aborting.result()
    stage.ask("DROP TRIGGER dally ON sluice.chunk")
    assert stage.open().progress().chunks == int(mutilated)
    stage.lay_out()
    missing, *others = found(stage.diff_at_the_end())
    assert (missing > 0, others) == (mutilated, [0, 0])


def test_a_capture_of_another_age_trusts_its_own_bounds(stage, monkeypatch, mutilated):
    advance(stage.open, Phase.EXPANDED)
    late, patiently = stage.open(), swap.patiently
    route, marked = late._route(), late.marks.row(late._c)

    def interrupted(*arguments: Any) -> Any:
        monkeypatch.undo()
        advance(stage.open, Phase.PLANNED)
        stage.ask(
            "INSERT INTO app.user_sessions (tenant_id, user_id, started_at)"
            " VALUES ('tenant-001', gen_random_uuid(), now() + interval '8 months')"
        )
        advance(stage.open, Phase.EXPANDED)
        if mutilated:
            monkeypatch.setattr(late, "_route", lambda: route)
            monkeypatch.setattr(Marks, "row", lambda *_: marked)
        return patiently(*arguments)

    monkeypatch.setattr(swap, "patiently", interrupted)
    late.start_capture()
    monkeypatch.undo()
    if mutilated:  # the next step would find that this is not the capture that it would make, and mend it
        monkeypatch.setattr(kind, "renew_capture", lambda *_: False)
    advance(stage.open, Phase.BACKFILLED)
    stage.ask("UPDATE app.user_sessions SET note = 'again' WHERE started_at > now() + interval '7 months'")
    assert found(stage.open().diff()) == ((0, 0, 1) if mutilated else (0, 0, 0))


def test_a_comparison_of_another_age_proves_nothing(stage, mutilated):
    advance(stage.open, Phase.BACKFILLED)
    late = stage.open()
    diff = late.diff()
    advance(stage.open, Phase.PLANNED)
    advance(stage.open, Phase.BACKFILLED)
    stage.ask("DELETE FROM app.user_sessions_by_month WHERE id = 700")
    if mutilated:
        # Capture was made anew as well, which is seen by itself: both parts are out.
        late.verify(replace(diff, epoch=2, under=late.marks.begin_comparison(late._c)["under"]))
    else:
        with pytest.raises(Fenced, match="that was epoch 1, this is 2"):
            late.verify(diff)
    assert stage.open().position().phase is (Phase.VERIFIED if mutilated else Phase.BACKFILLED)
    assert found(stage.open().diff()) == (1, 0, 0)


def test_a_role_that_sees_less_copies_less_and_says_nothing(stage, monkeypatch, mutilated):
    stage.lay_out()
    name, admin = stage.database.name, psycopg.connect(stage.database.dsn("admin"), autocommit=True)
    if mutilated:
        monkeypatch.setitem(postgres.PINNED, "row_security", "on")
    admin.execute(f"ALTER DATABASE {name} SET app.tenant_id = 'tenant-001'")
    admin.execute(f"ALTER ROLE {MOVER} NOBYPASSRLS")
    try:
        if mutilated:
            stage.copy_rest()
        else:
            with pytest.raises(Refused, match="row-level security"):
                stage.copy_rest()
    finally:
        admin.execute(f"ALTER ROLE {MOVER} BYPASSRLS")
        admin.close()
    assert (stage.open().progress().done > 0) is mutilated
    missing, *others = found(stage.diff_at_the_end())
    assert (missing > 0, others) == (mutilated, [0, 0])


def test_pages_that_were_counted_too_early_are_never_copied(stage, mutilate, mutilated):
    advance(stage.open, Phase.EXPANDED)
    counting = "pg_relation_size(%(oid)s::oid) / current_setting('block_size')::bigint"
    ((pages,),) = stage.ask("SELECT pg_relation_size('app.user_sessions') / current_setting('block_size')::bigint")
    stage.ask(
        "INSERT INTO app.user_sessions (tenant_id, user_id, started_at)"
        " SELECT 'tenant-001', gen_random_uuid(), now() FROM generate_series(1, 500)"
    )
    mutilate("copy.count_pages", counting, str(pages))
    stage.lay_out()
    missing, *others = found(stage.diff_at_the_end())
    assert (missing > 0, others) == (mutilated, [0, 0])


def test_a_mark_apart_from_its_rows_outlives_them(stage, monkeypatch, mutilated):
    stage.lay_out(chunk_rows=1_000_000)
    last = stage.rows_of_first_chunk()[-1]
    worker, fence, somebody = stage.worker(), stage.fence(), stage.person()
    always = Window(datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))

    def work() -> object:
        return worker.kind.backfill_window(always) if mutilated else worker.kind.copy_chunk(0, fence)

    if mutilated:
        with monkeypatch.context() as without_rows:
            without_rows.setattr(backfill, "fill", lambda *_: 0)
            worker.kind.copy_chunk(0, fence)
    somebody.execute("SELECT FROM app.user_sessions WHERE id = %s FOR UPDATE", [last])
    with stage.background(worker.pid, work) as working:
        stage.ask("SELECT pg_terminate_backend(%s)", worker.pid)
        with pytest.raises(StoreDown):
            working.result()
    somebody.rollback()
    assert found(stage.diff_at_the_end()) == ((2_000, 0, 0) if mutilated else (0, 0, 0))


def test_a_cutover_that_waits_for_nobody_empties_the_table_for_an_old_snapshot(stage, monkeypatch, mutilated):
    reader = stage.person()
    reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    reader.execute("SELECT 1")
    advance(stage.open, Phase.VERIFIED)
    if mutilated:
        stage.open().cut_over()
    else:
        monkeypatch.setattr(steps, "DRAIN_SECONDS", 0.1)
        with pytest.raises(NotDrained, match=f"session {reader.info.backend_pid} "):
            steps.cut_over(stage.open())
    assert reader.execute("SELECT count(*) FROM app.user_sessions").fetchone() == (0 if mutilated else 2_000,)


def test_a_swap_without_reverse_capture_leaves_the_old_table_behind(stage, monkeypatch, mutilated):
    advance(stage.open, Phase.VERIFIED)
    if mutilated:
        monkeypatch.setattr(capture, "install_reverse", lambda *_: None)
    stage.open().cut_over()
    stage.ask("UPDATE app.user_sessions SET note = 'after the cutover' WHERE id = 700")
    assert found(stage.open().diff()) == ((0, 0, 1) if mutilated else (0, 0, 0))


def test_a_reverse_capture_that_keeps_the_old_id_loses_the_row(stage, mutilate, mutilated):
    mutilate("capture.create_reverse", " AND NOT ({moves})")
    advance(stage.open, Phase.CUT_OVER)
    stage.ask("UPDATE app.user_sessions SET id = DEFAULT WHERE id = 700")
    stage.ask("UPDATE app.user_sessions SET note = 'after it moved' WHERE id = (SELECT max(id) FROM app.user_sessions)")
    assert found(stage.open().diff()) == ((1, 0, 0) if mutilated else (0, 0, 0))


def test_a_comparison_of_two_snapshots_is_not_exact(stage, monkeypatch, mutilated):
    advance(stage.open, Phase.BACKFILLED)
    read, written, stop = rows.sum_buckets, itertools.count(1), Event()
    writes = [0]

    def write() -> None:
        with stage.person(autocommit=True) as writer:
            while not stop.is_set():
                writes[0] = next(written)
                writer.execute("UPDATE app.user_sessions SET note = %s WHERE id = 700", [f"write {writes[0]}"])

    def in_two(*arguments: Any) -> list[dict[str, Any]]:
        earlier, before = read(*arguments), writes[0]
        wait_until(lambda: writes[0] > before + 1)
        both = zip(earlier, read(*arguments), strict=True)
        return [{**now, "left_rows": then["left_rows"], "left_hash": then["left_hash"]} for then, now in both]

    if mutilated:
        monkeypatch.setattr(rows, "sum_buckets", in_two)
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        try:
            wait_until(lambda: writes[0] or writing.done())
            looks = [found(stage.open().diff()) for _ in range(10)]
        finally:
            stop.set()
        writing.result()
    assert (set(looks) == {(0, 0, 0)}) is not mutilated, looks
    assert writes[0] > 10


def test_a_capture_that_trusts_a_row_that_was_overtaken_keeps_it_stale(stage, mutilate, mutilated):
    mutilate("capture.latest_forward", "NEW := live;", "")
    stage.ask(
        "CREATE FUNCTION app.spread() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " UPDATE app.user_sessions SET score = 555 WHERE id = NEW.id + 1; RETURN NULL; END $$"
    )
    stage.ask(
        "CREATE TRIGGER spread AFTER UPDATE OF note ON app.user_sessions FOR EACH ROW EXECUTE FUNCTION app.spread()"
    )
    advance(stage.open, Phase.BACKFILLED)
    stage.ask("UPDATE app.user_sessions SET note = 'both' WHERE id IN (700, 701)")
    assert found(stage.open().diff()) == ((0, 0, 1) if mutilated else (0, 0, 0))


def test_a_hash_without_lengths_takes_one_row_for_another(stage, mutilate, mutilated):
    mutilate("portable.column_text", "octet_length(({value})::text)::text || ':' || ")
    with connect(stage.database.dsn(), purpose="drill") as c:
        for name, values in (("here", ("ab", "c")), ("there", ("a", "bc"))):
            c.execute(f"CREATE TEMPORARY TABLE {name} (id int PRIMARY KEY, a text, b text)")
            c.execute(f"INSERT INTO {name} VALUES (1, %s, %s)", values)
        columns = tuple(sql.Identifier("t", column) for column in ("id", "a", "b"))
        here, there = (
            PortableSide(c, Table("pg_temp", name), (("id", "integer"),), columns) for name in ("here", "there")
        )
        seen = settled.compare(here, there, pause=lambda: None)
    assert seen.rows == 1
    assert (seen.different == ()) is mutilated
