"""A user's write never fails for us, and what we cannot follow stops us loudly, never the user."""

from __future__ import annotations

import pytest
from sluice.migration.engine.contract import Drifted, NotYet, Phase
from sluice.migration.kinds.same_cluster import backfill

from tests.harness import advance

INSERT = (
    "INSERT INTO app.user_sessions (tenant_id, user_id, started_at)"
    " VALUES ('tenant-001', gen_random_uuid(), %s) RETURNING id"
)
FAR = ("2050-05-05", "1990-09-09")


@pytest.fixture
def user(stage):
    """The application, as tenant-001, under row-level security."""
    connection = stage.person("certify_app", autocommit=True)
    connection.execute("SELECT set_config('app.tenant_id', 'tenant-001', false)")
    return connection


def quarantine(stage) -> list[tuple[int, str]]:
    """The quarantined rows: id, and the day that the partitions do not hold."""
    return stage.ask(
        r"SELECT (key->>0)::bigint, substring(reason FROM '\[\"(-?[\w-]{8,10})') FROM sluice.quarantine ORDER BY at"
    )


@pytest.mark.parametrize("far", FAR)
def test_a_row_outside_the_partitions_is_kept_quarantined_and_named_at_cutover(stage, user, far):
    advance(stage.open, Phase.VERIFIED)
    (id_,) = user.execute(INSERT, [far]).fetchone()
    assert quarantine(stage) == [(id_, far)]
    with pytest.raises(NotYet, match=rf"1 rows are in quarantine \(\[{id_}\]: outside the partitions: \[\"{far}"):
        stage.open().cut_over()
    assert stage.open().position().phase is Phase.VERIFIED
    assert user.execute("SELECT count(*) FROM app.user_sessions WHERE id = %s", [id_]).fetchone() == (1,)
    user.execute("DELETE FROM app.user_sessions WHERE id = %s", [id_])
    assert quarantine(stage) == []
    stage.open().cut_over()
    assert stage.open().diff().clean


def test_a_row_that_moves_out_and_back_in_leaves_the_quarantine(stage, user):
    advance(stage.open, Phase.VERIFIED)
    (id_,) = user.execute(INSERT, ["2050-05-05"]).fetchone()
    (inside,) = user.execute("SELECT max(id) FROM app.user_sessions WHERE id < %s", [id_]).fetchone()
    move = "UPDATE app.user_sessions SET started_at = %s WHERE id = %s"
    user.execute(move, ["2051-01-01", id_])
    user.execute(move, ["1990-09-09", inside])
    assert quarantine(stage) == [(id_, "2051-01-01"), (inside, "1990-09-09")]
    assert stage.ask("SELECT count(*) FROM app.user_sessions_by_month WHERE id = %s", inside) == [(0,)]
    user.execute("UPDATE app.user_sessions SET started_at = now() WHERE id IN (%s, %s)", [id_, inside])
    assert quarantine(stage) == []
    stage.open().cut_over()
    assert stage.open().diff().clean


def test_a_row_outside_the_partitions_stops_neither_the_copy_nor_the_user(stage, user):
    advance(stage.open, Phase.CAPTURING)
    (id_,) = user.execute(INSERT, ["2050-05-05"]).fetchone()
    stage.open().plan_chunks()
    stage.copy_rest()
    assert quarantine(stage) == [(id_, "2050-05-05")]
    diff = stage.open().diff()
    assert (diff.missing, [s.key for s in diff.samples]) == (1, [str(id_)])
    user.execute("UPDATE app.user_sessions SET started_at = now() WHERE id = %s", [id_])
    assert stage.diff_at_the_end().clean


@pytest.mark.parametrize("copied", (False, True))
def test_a_truncated_source_truncates_the_copy(stage, user, copied):
    stage.lay_out()
    stage.open().copy_chunk(0, stage.fence())
    if copied:
        advance(stage.open, Phase.VERIFIED)
    user.execute(INSERT, ["2050-05-05"])
    stage.ask("TRUNCATE app.user_sessions")
    assert stage.ask("SELECT count(*) FROM app.user_sessions_by_month") == [(0,)]
    assert quarantine(stage) == []
    user.execute(INSERT, ["now"])
    if not copied:
        with pytest.raises(Drifted, match="was rewritten"):
            stage.copy_rest()
        stage.open().plan_chunks()
    advance(stage.open, Phase.CUT_OVER)
    diff = stage.open().diff()
    assert (diff.clean, diff.compared) == (True, 1), diff


def test_a_rewritten_source_is_laid_out_anew(stage):
    stage.lay_out(chunk_rows=200)
    for _ in range(4):
        stage.open().copy_chunk(0, stage.fence())
    done = stage.open().progress().done
    stage.ask("DELETE FROM app.user_sessions WHERE mod(id, 2) = 0")
    stage.ask("VACUUM FULL app.user_sessions")
    with pytest.raises(Drifted, match=r"was rewritten .*lays out anew"):
        stage.copy_rest()
    assert stage.open().plan_chunks(200).done == 0 < done
    assert stage.diff_at_the_end().clean
    advance(stage.open, Phase.CUT_OVER)


def test_a_source_rewritten_between_a_chunks_look_and_its_copy_is_noticed(stage, monkeypatch):
    stage.lay_out()
    fill = backfill.fill

    def fill_too_late(*arguments: object) -> int:
        stage.ask("VACUUM FULL app.user_sessions")
        return fill(*arguments)

    monkeypatch.setattr(backfill, "fill", fill_too_late)
    with pytest.raises(Drifted, match="was rewritten"):
        stage.open().copy_chunk(0, stage.fence())
    assert stage.open().progress().done == 0


def test_a_new_column_stops_every_step_and_no_user(stage, user):
    stage.lay_out()
    stage.open().copy_chunk(0, stage.fence())
    stage.ask("ALTER TABLE app.user_sessions ADD COLUMN mood text DEFAULT 'calm'")
    user.execute(INSERT, ["now"])
    with pytest.raises(Drifted, match=r"app\.user_sessions was changed since the migration began \(column"):
        stage.copy_rest()
    with pytest.raises(Drifted, match=r"no longer have the same columns.*mood"):
        stage.open().diff()
    stage.ask("ALTER TABLE app.user_sessions DROP COLUMN mood")
    advance(stage.open, Phase.VERIFIED)
    stage.ask("ALTER TABLE app.user_sessions ADD COLUMN mood text")
    with pytest.raises(Drifted, match="was changed since"):
        stage.open().cut_over()
    assert stage.open().position().phase is Phase.VERIFIED


TAMPERING = {
    "dropped": 'DROP TRIGGER "!sluice_capture" ON {table}',
    "disabled": 'ALTER TABLE {table} DISABLE TRIGGER "!sluice_capture"',
    "not for replicas": 'ALTER TABLE {table} ENABLE TRIGGER "!sluice_capture"',
    "truncate dropped": 'DROP TRIGGER "!sluice_capture_truncate" ON {table}',
    "all disabled": "ALTER TABLE {table} DISABLE TRIGGER USER",
}


@pytest.mark.parametrize("tampering", TAMPERING)
def test_no_cutover_without_capture(stage, tampering):
    advance(stage.open, Phase.VERIFIED)
    stage.ask(TAMPERING[tampering].format(table="app.user_sessions"))
    with pytest.raises(NotYet, match=r"capture on app\.user_sessions is off.*Nothing was changed"):
        stage.open().cut_over()
    assert stage.open().position().phase is Phase.VERIFIED
    assert stage.ask("SELECT relkind::text FROM pg_class WHERE oid = 'app.user_sessions'::regclass") == [("r",)]


@pytest.mark.parametrize("tampering", ("dropped", "disabled"))
def test_no_cutting_back_without_reverse_capture(stage, tampering):
    advance(stage.open, Phase.CUT_OVER)
    stage.ask(TAMPERING[tampering].format(table="app.user_sessions"))
    stage.ask("UPDATE app.user_sessions SET note = 'only in the new one' WHERE id = 700")
    with pytest.raises(NotYet, match=r"reverse capture on app\.user_sessions is off.*Nothing was changed"):
        stage.open().cut_back()
    assert stage.open().position().phase is Phase.CUT_OVER
    assert stage.ask("SELECT note FROM app.user_sessions WHERE id = 700") == [("only in the new one",)]


def test_no_cutting_back_over_a_new_column(stage):
    advance(stage.open, Phase.CUT_OVER)
    stage.ask("ALTER TABLE app.user_sessions ADD COLUMN mood text DEFAULT 'calm'")
    with pytest.raises(Drifted, match="columns that the old table has not: mood text"):
        stage.open().cut_back()
    stage.ask("ALTER TABLE app.user_sessions DROP COLUMN mood")
    stage.open().cut_back()
    assert stage.open().diff().clean
