"""The marks: phases move only from where they may, under the fence, and `sluice.abort` needs nothing but SQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from sluice.estate import read_estate
from sluice.ledger.control import Control
from sluice.ledger.marks import Marks, NotThere
from sluice.local.certify import seed
from sluice.migration.engine.contract import Fence, Phase
from sluice.migration.kinds import open_kind
from sluice.stores.postgres import connect

from tests.harness import advance, unhurried

NAME = "user_sessions"
BEFORE_CUTOVER = [Phase.EXPANDED, Phase.CAPTURING, Phase.BACKFILLED, Phase.VERIFIED, Phase.SHADOWING]


@pytest.fixture
def open_one(database):
    """A function that gives a connection as `sluice_mover`, each time another."""
    opened = []

    def one():
        opened.append(connect(database.dsn(), purpose="test", lock_timeout="100ms"))
        return opened[-1]

    yield one
    for connection in opened:
        connection.close()


@pytest.fixture
def c(open_one):
    return open_one()


@pytest.fixture
def marks(c):
    found = Marks("lab")
    found.prepare(c)
    found.execute(c, "create_migration", source="app.old", target="app.new")
    return found


@pytest.fixture
def opened(database, open_one):
    """A function that opens the kind on a small seeded database."""
    with connect(database.dsn("admin"), purpose="seed") as admin:
        seed(admin, rows=1_000, months=2)
    migration = unhurried(read_estate(Path(__file__).parents[2]).migrations[NAME])
    return lambda: open_kind(migration, lambda purpose: open_one())


# ---- phases ----


def test_a_phase_moves_only_from_those_allowed(c, marks):
    assert not marks.move(c, Phase.EXPANDED, Phase.CAPTURING, to=Phase.BACKFILLED)
    assert marks.row(c)["phase"] == "planned"
    assert marks.move(c, Phase.PLANNED, to=Phase.EXPANDED)
    assert not marks.move(c, Phase.PLANNED, to=Phase.EXPANDED)
    assert marks.move(c, Phase.CAPTURING, Phase.EXPANDED, to=Phase.PLANNED, epochs=1)
    assert (marks.row(c)["phase"], marks.row(c)["epoch"]) == ("planned", 2)


def test_the_database_knows_the_phases_and_no_others(c, marks):
    for phase in Phase:
        assert marks.move(c, marks.row(c)["phase"], to=phase)
    with pytest.raises(psycopg.errors.CheckViolation):
        marks.move(c, Phase.RETIRED, to="halfway")


def test_a_migration_without_marks_says_so(c, marks):
    assert Marks("nobody").find(c) is None
    with pytest.raises(NotThere, match="nobody has no marks here: expand it first"):
        Marks("nobody").row(c)


def test_a_change_of_phase_waits_for_every_worker_and_workers_for_it(c, marks, open_one):
    worker, other, mover = open_one(), open_one(), open_one()
    with marks.shared(worker) as row, marks.shared(other):
        assert row["phase"] == "planned"
        with pytest.raises(psycopg.errors.LockNotAvailable), marks.alone(mover):
            pass
    with marks.alone(mover), pytest.raises(psycopg.errors.LockNotAvailable), marks.shared(worker):
        pass
    with marks.alone(mover), Marks("another").alone(worker):
        """Another migration's fence is another."""


def test_a_change_of_phase_that_fails_leaves_the_old_one(c, marks):
    with pytest.raises(ZeroDivisionError), marks.alone(c):
        assert marks.move(c, Phase.PLANNED, to=Phase.EXPANDED)
        raise ZeroDivisionError
    assert marks.row(c)["phase"] == "planned"


def test_the_age_of_the_proof_is_the_databases(c, marks):
    assert marks.proof_age(c, timedelta(hours=1))["fresh"] is False
    proof = {"since": datetime.now(UTC), "under": marks.begin_comparison(c)["under"]}
    marks.execute(c, "record_verified", epoch=1, **proof)
    assert marks.proof_age(c, timedelta(hours=1))["fresh"] is False, "only a verified migration takes a proof"
    c.execute("UPDATE sluice.migration SET phase = 'verified'")
    marks.execute(c, "record_verified", epoch=2, **proof)
    assert marks.proof_age(c, timedelta(hours=1))["fresh"] is False, "not that of another epoch"
    marks.execute(c, "record_verified", epoch=1, **proof)
    c.execute("UPDATE sluice.migration SET verified_at = verified_at - interval '10 minutes'")
    assert marks.proof_age(c, timedelta(minutes=11))["fresh"] is True
    old = marks.proof_age(c, timedelta(minutes=9))
    assert (old["fresh"], round(old["seconds"], -1)) == (False, 600)


# ---- sluice.abort ----


def abort(c: psycopg.Connection) -> str:
    return str(c.execute(f"SELECT sluice.abort('{NAME}') AS said").fetchone()["said"])


def standing(c: psycopg.Connection) -> dict[str, object]:
    """What is left of a migration, by the catalogue."""
    return c.execute(
        "SELECT m.phase, m.epoch, m.target_oid, to_regclass('app.user_sessions_by_month') AS target,"
        " (SELECT count(*) FROM sluice.chunk) AS chunks,"
        " (SELECT count(*) FROM pg_trigger WHERE tgname LIKE '!sluice%%') AS triggers,"
        " (SELECT count(*) FROM pg_proc WHERE proname LIKE 'capture\\_\\_%%' OR proname LIKE 'reverse\\_\\_%%') AS functions"
        f" FROM sluice.migration m WHERE name = '{NAME}'"
    ).fetchone()


@pytest.mark.parametrize("phase", BEFORE_CUTOVER)
def test_abort_in_sql_takes_everything_back(opened, c, phase):
    advance(opened, phase)
    before = c.execute("SELECT count(*) AS n, max(started_at) AS latest FROM app.user_sessions").fetchone()
    assert standing(c)["target"] is not None
    assert "app.user_sessions was not touched" in abort(c)
    assert standing(c) == {
        "phase": "planned", "epoch": 2, "target_oid": None, "target": None, "chunks": 0, "triggers": 0, "functions": 0,
    }  # fmt: skip
    assert c.execute("SELECT count(*) AS n, max(started_at) AS latest FROM app.user_sessions").fetchone() == before
    assert c.execute("UPDATE app.user_sessions SET note = 'still writable'").rowcount == before["n"]
    assert "nothing to take back" in abort(c)
    assert standing(c)["epoch"] == 2


def test_abort_of_a_name_that_nobody_has_is_no_all_clear(c, opened):
    advance(opened, Phase.EXPANDED)
    with pytest.raises(
        psycopg.errors.RaiseException, match=r"no migration user_session in this .* there are: user_sessions"
    ):
        c.execute("SELECT sluice.abort('user_session')")


@pytest.mark.parametrize(
    ("phase", "said"), [(Phase.CUT_OVER, "abort is for before"), (Phase.RETIRED, "there is no way back")]
)
def test_abort_in_sql_is_refused_after_the_cutover(opened, c, phase, said):
    advance(opened, phase)
    before = standing(c)
    with pytest.raises(psycopg.errors.RaiseException, match=f"user_sessions is {phase}: .*{said}"):
        abort(c)
    assert standing(c) == before
    assert before["phase"] == phase


def test_abort_waits_for_a_worker_only_so_long(opened, c, open_one):
    advance(opened, Phase.CAPTURING)
    with Marks(NAME).shared(open_one()), pytest.raises(psycopg.errors.LockNotAvailable):
        c.execute(f"SELECT sluice.abort('{NAME}', interval '100 milliseconds')")
    assert standing(c)["phase"] == "capturing"


# ---- status and reconcile ----


def test_status_tells_how_far_it_is(opened, c):
    advance(opened, Phase.CAPTURING)
    kind = opened()
    chunks = kind.plan_chunks(chunk_rows=200).chunks
    kind.copy_chunk(0, Fence(1))
    status = c.execute("SELECT * FROM sluice.status").fetchone()
    assert list(status) == [
        "migration", "phase", "epoch", "source", "target", "chunks", "chunks_done", "rows_written", "rows_estimated",
        "rows_per_second", "eta", "quarantined", "verified_at", "cut_over_at", "changed_at",
    ]  # fmt: skip
    assert chunks > 2
    assert (status["migration"], status["phase"], status["epoch"]) == (NAME, "capturing", 1)
    assert (status["chunks"], status["chunks_done"], status["verified_at"]) == (chunks, 1, None)
    assert 0 < status["rows_written"] < status["rows_estimated"]
    assert status["rows_per_second"] > 0
    assert status["eta"] > timedelta(0)


def test_control_follows_the_marks_where_they_moved_without_it(database, opened, c):
    advance(opened, Phase.BACKFILLED)
    with connect(database.dsn("sluice_ledger"), purpose="test") as ledger:
        control = Control(ledger, NAME, "run 1").prepare()
        now = opened().position()
        control.reconcile(now.phase, now.epoch)
        abort(c)
        now = opened().position()
        for _ in range(2):
            control.reconcile(now.phase, now.epoch)
        taken = ledger.execute(
            "SELECT step, from_phase, to_phase, epoch FROM control.transition ORDER BY id"
        ).fetchall()
        status = ledger.execute("SELECT * FROM sluice.status").fetchone()
    assert [tuple(row.values()) for row in taken] == [
        ("reconcile", "planned", "backfilled", 1),
        ("reconcile", "backfilled", "planned", 2),
    ]
    assert (status["migration"], status["phase"], status["epoch"]) == (NAME, "planned", 2)
