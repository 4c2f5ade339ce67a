"""Sluice itself is brought to another version while a migration is under way: forward with nothing lost, never by old rules."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sluice.ledger import marks as ledger_marks
from sluice.ledger import releases
from sluice.ledger.control import Control
from sluice.ledger.marks import Marks
from sluice.ledger.releases import Outdated
from sluice.local.certify import Workload, verify
from sluice.migration.engine import steps
from sluice.migration.engine.contract import Fence, Fenced, Kind, NotYet, Phase, Window
from sluice.migration.kinds.same_cluster.renewal import renew_capture
from sluice.stores.postgres import LockBusy, connect, translated
from sluice.stores.statements import SQL_ROOT

from tests.chaos.older import turn_back
from tests.harness import advance

SIGNED = "SELECT obj_description('sluice.{}__user_sessions'::regproc, 'pg_proc')"
EVERYTHING = (
    "SELECT * FROM sluice.migration",
    "SELECT count(*), count(done_at), sum(rows_written) FROM sluice.chunk",
    "SELECT relname::text, oid::bigint FROM pg_class WHERE relnamespace::regnamespace::text IN ('app', 'sluice') ORDER BY 2",
    "SELECT tgname::text, tgenabled::text, tgrelid::bigint, xmin::text FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1, 3",
    "SELECT proname::text, xmin::text FROM pg_proc WHERE pronamespace = 'sluice'::regnamespace ORDER BY 1",
    "SELECT relname::text, pg_relation_size(oid) FROM pg_class WHERE relname LIKE 'user_sessions%' ORDER BY 1",
)
BEFORE_CUTOVER = (Phase.EXPANDED, Phase.CAPTURING, Phase.BACKFILLED, Phase.VERIFIED, Phase.SHADOWING)


@contextmanager
def users(stage) -> Iterator[Workload]:
    """Writers who see no error, and at the end find everything that they were promised."""
    with Workload(stage.database.dsn("certify_app"), seed=11, writers=3, rate=200) as workload:
        workload.burst(30)
        yield workload
        workload.burst(30)
        workload.stop()
    with connect(stage.database.dsn(), purpose="oracle") as c:
        report = verify(c, workload.acknowledged)
    assert report.ok, report
    assert workload.snapshot().total.user_errors == 0, workload.snapshot()


@pytest.fixture
def newer(tmp_path, monkeypatch) -> Iterator[Callable[[], object]]:
    """A function that gives a context: within it, this is a Sluice of a release that is not written yet."""
    shutil.copytree(SQL_ROOT / "schema", tmp_path / "schema")
    (tmp_path / "schema/marks/V9_0_0__rules_of_tomorrow.sql").write_text("CREATE TABLE sluice.tomorrow (rule text)")

    @contextmanager
    def being() -> Iterator[None]:
        with monkeypatch.context() as tomorrow:
            tomorrow.setattr(releases, "SQL_ROOT", tmp_path)
            releases.releases.cache_clear()
            yield
        releases.releases.cache_clear()

    yield being
    releases.releases.cache_clear()


def snapshot(stage) -> list[object]:
    """All that Sluice owns in the store."""
    return [stage.ask(question) for question in EVERYTHING]


# ---- from 1.0 to here ----


@pytest.mark.parametrize("phase", (Phase.CAPTURING, Phase.BACKFILLED, Phase.VERIFIED))
def test_a_migration_of_1_0_is_taken_on_with_writers_on_and_loses_nothing(stage, phase):
    patient = stage.migration.cutover.model_copy(update={"tries": 100})
    stage.migration = stage.migration.model_copy(update={"cutover": patient})
    with users(stage):
        advance(stage.open, phase)
        if phase is Phase.CAPTURING:
            stage.open().plan_chunks(300)
            stage.open().copy_chunk(0, stage.fence())
        turn_back(stage)
        assert stage.open().position().epoch == 2, "the marks are brought up to date, and 1.0's workers are fenced off"
        assert stage.ask(SIGNED.format("capture")) == [(None,)]
        assert stage.open().position().phase is phase, "where it stood"
        advance(stage.open, Phase.CUT_OVER)
        advance(stage.open, Phase.VERIFIED)
    assert stage.ask(SIGNED.format("capture"))[0][0].startswith(f"Sluice {releases.versions('marks')[-1]}, ")
    assert stage.open().diff().clean


def test_capture_of_1_0_is_made_anew_before_a_comparison_counts(stage):
    advance(stage.open, Phase.BACKFILLED)
    turn_back(stage)
    kind = stage.open()
    kind.replicate(1)
    ((signed,),) = stage.ask(SIGNED.format("capture"))
    assert signed.startswith("Sluice ")
    assert stage.ask("SELECT count(*) FROM pg_trigger WHERE tgname = '!sluice_capture_insert'") == [(1,)]
    before = snapshot(stage)
    kind.replicate(1)
    assert snapshot(stage) == before, "once is enough"


def test_reverse_capture_of_1_0_is_made_anew_too(stage):
    advance(stage.open, Phase.CUT_OVER)
    turn_back(stage, "reverse")
    with users(stage):
        steps.validate(stage.open())
    assert stage.ask(SIGNED.format("reverse"))[0][0].startswith("Sluice ")
    assert stage.open().diff().clean
    advance(stage.open, Phase.VERIFIED)


@pytest.mark.parametrize("phase", (*BEFORE_CUTOVER, Phase.CUT_OVER))
def test_our_own_capture_is_never_made_anew(stage, phase):
    advance(stage.open, phase)
    kind, before = stage.open(), snapshot(stage)
    kind.replicate(1)
    assert snapshot(stage) == before
    if phase is Phase.CUT_OVER:
        advance(stage.open, Phase.VERIFIED)
        before = snapshot(stage)
        stage.open().replicate(1)
        assert snapshot(stage) == before, "nor after it was cut back"


def test_capture_that_somebody_switched_off_is_not_switched_on_by_an_upgrade(stage):
    advance(stage.open, Phase.VERIFIED)
    turn_back(stage)
    stage.ask('ALTER TABLE app.user_sessions DISABLE TRIGGER "!sluice_capture"')
    stage.open().replicate(1)
    assert stage.ask("SELECT tgenabled::text FROM pg_trigger WHERE tgname = '!sluice_capture'") == [("D",)]
    with pytest.raises(NotYet, match=r"capture on app\.user_sessions is off"):
        stage.open().cut_over()


def test_a_renewal_that_gets_no_lock_changes_nothing_and_names_who_is_in_the_way(stage):
    advance(stage.open, Phase.BACKFILLED)
    turn_back(stage)
    kind, writer = stage.open(), stage.person()
    kind.position()
    writer.execute("UPDATE app.user_sessions SET note = 'long' WHERE id = 700")
    before = snapshot(stage)
    with pytest.raises(LockBusy, match=f"session {writer.info.backend_pid} .*Nothing was changed"):
        kind.replicate(1)
    assert snapshot(stage) == before
    writer.commit()
    kind.replicate(1)
    assert kind.diff().clean


def test_two_that_renew_at_once_renew_once(stage):
    advance(stage.open, Phase.BACKFILLED)
    turn_back(stage)
    first, second = stage.worker(), stage.worker()
    somebody = stage.person()
    somebody.execute("SELECT FROM app.user_sessions WHERE id = 1 FOR SHARE")
    patient = stage.migration.model_copy(update={"cutover": stage.migration.cutover.model_copy(update={"tries": 200})})
    kinds = [worker.kind for worker in (first, second)]
    renewals = [lambda k=k: renew_capture(k._c, k.marks, patient) for k in kinds]
    with (
        stage.background(first.pid, renewals[0]) as one,
        stage.background(second.pid, renewals[1]) as other,
    ):
        somebody.commit()
    assert sorted((one.result(), other.result())) == [False, True]


def test_a_worker_of_1_0_that_is_still_there_writes_nothing_more(stage, monkeypatch):
    """It knows nothing of releases: what it looks at under the fence is the epoch."""
    stage.lay_out(chunk_rows=300)
    late, fence = stage.open(), stage.fence()
    late.copy_chunk(0, fence)
    turn_back(stage)
    stage.open().position()
    monkeypatch.setattr(ledger_marks, "check_known", lambda *_: None)
    before = snapshot(stage)
    with pytest.raises(Fenced, match="in epoch 2; this worker was started for epoch 1"):
        late.copy_chunk(0, fence)
    with pytest.raises((Fenced, NotYet)):
        late.finish_backfill(fence)
    assert snapshot(stage) == before
    monkeypatch.undo()
    assert stage.diff_at_the_end().clean


# ---- from here to a version that is not written yet ----

ALWAYS = Window(datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
VERBS: dict[str, tuple[Phase, Callable[[Kind], object]]] = {
    "start_capture": (Phase.EXPANDED, lambda kind: kind.start_capture()),
    "plan_chunks": (Phase.CAPTURING, lambda kind: kind.plan_chunks()),
    "copy_chunk": (Phase.CAPTURING, lambda kind: kind.copy_chunk(0, Fence(1))),
    "halve_chunk": (Phase.CAPTURING, lambda kind: kind.halve_chunk(1)),
    "backfill_window": (Phase.BACKFILLED, lambda kind: kind.backfill_window(ALWAYS)),
    "verify": (Phase.BACKFILLED, lambda kind: kind.verify(kind.diff())),
    "forget_proof": (Phase.VERIFIED, lambda kind: kind.forget_proof()),
    "standing": (Phase.VERIFIED, lambda kind: kind.standing()),
    "cut_over": (Phase.VERIFIED, lambda kind: kind.cut_over()),
    "cut_back": (Phase.CUT_OVER, lambda kind: kind.cut_back()),
    "retire": (Phase.CUT_OVER, lambda kind: kind.retire()),
}


@pytest.mark.parametrize("verb", VERBS)
def test_an_older_worker_does_nothing_once_a_newer_version_has_been(stage, newer, verb):
    phase, call = VERBS[verb]
    advance(stage.open, phase)
    if phase is Phase.CAPTURING:
        stage.open().plan_chunks(300)
    late = stage.open()
    late.position()
    with newer():
        assert stage.open().position().phase is phase
    before = snapshot(stage)
    with pytest.raises(
        Outdated, match=r"marks 9\.0\.0 .* knows 1\.\d\.0\. Nothing was changed.*every worker.*clear the task"
    ):
        call(late)
    with pytest.raises(Outdated, match="A newer Sluice has been here"):
        stage.open().position()
    assert snapshot(stage) == before
    with newer():
        assert stage.open().position().epoch == 1, "who knows the rules goes on where it stood"


def test_whoever_works_by_the_old_rules_ends_before_new_ones_come(stage, newer):
    stage.lay_out(chunk_rows=1_000_000)
    somebody = stage.person()
    somebody.execute("SELECT FROM app.user_sessions WHERE id = 700 FOR UPDATE")
    with stage.chunk_held():
        with newer(), pytest.raises(LockBusy, match="making schema sluice for"):
            connect_hastily(stage)
        somebody.rollback()
    assert stage.ask("SELECT count(*) FROM sluice.release WHERE version = '9.0.0'") == [(0,)]
    assert stage.open().progress().done == 1
    with newer():
        stage.open().position()
        assert stage.diff_at_the_end().clean


def connect_hastily(stage) -> None:
    """Prepare the marks, waiting for a lock a moment only."""
    with (
        connect(stage.database.dsn(), purpose="hasty", lock_timeout="100ms") as c,
        translated(f"making schema sluice for {stage.migration.name}"),
    ):
        Marks(stage.migration.name).prepare(c)


def test_abort_in_sql_needs_no_version(stage, newer):
    advance(stage.open, Phase.VERIFIED)
    with newer():
        stage.open().position()
    assert "is planned again" in stage.ask("SELECT sluice.abort('user_sessions')")[0][0]


def test_the_ledger_refuses_an_older_one_as_well(database, newer, tmp_path):
    (tmp_path / "schema/control/V9_0_0__tomorrow.sql").write_text("CREATE TABLE control.tomorrow ()")
    with connect(database.dsn("sluice_ledger"), purpose="test") as c:
        with newer():
            Control(c, "orders", "run 1").prepare()
        with pytest.raises(Outdated, match=r"control 9\.0\.0 in schema sluice"):
            Control(c, "orders", "run 2").prepare()


def test_the_old_state_is_what_1_0_made(stage):
    """Or the tests above would upgrade something that never was."""
    advance(stage.open, Phase.CAPTURING)
    turn_back(stage)
    named = "SELECT attname::text FROM pg_attribute WHERE attrelid = 'sluice.migration'::regclass AND attnum > 0"
    there = {name for (name,) in stage.ask(named + " AND NOT attisdropped")}
    text = Path(SQL_ROOT / "schema/marks/V1_0_0__marks.sql").read_text()
    made = text[text.index("CREATE TABLE sluice.migration (") :].split(");\n")[0]
    assert there == {line.split()[0] for line in made.splitlines()[1:] if line.startswith("    ") and line[4] != " "}
