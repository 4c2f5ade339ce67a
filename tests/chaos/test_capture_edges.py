"""Where capture could go wrong though the whole protocol is there: nested writes, snapshots older than a quarantine."""

from __future__ import annotations

import pytest
from psycopg import errors
from sluice.estate import Migration
from sluice.migration.engine.contract import Phase

from tests.harness import advance

# Whoever changes the first row's note sets the second row's score.
SPREADS = (
    "CREATE FUNCTION app.spread() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    " UPDATE app.user_sessions SET score = 555 WHERE id = NEW.id + 1; RETURN NULL; END $$",
    "CREATE TRIGGER spread AFTER UPDATE OF note ON app.user_sessions FOR EACH ROW EXECUTE FUNCTION app.spread()",
)
FAR = (
    "INSERT INTO app.user_sessions (tenant_id, user_id, started_at)"
    " VALUES ('tenant-001', gen_random_uuid(), '2050-05-05') RETURNING id"
)


@pytest.fixture
def migration(migration: Migration) -> Migration:
    """Without the shadow read: these drills are about capture."""
    return migration.model_copy(update={"gates": migration.gates.model_copy(update={"shadow": None})})


# PostgreSQL fires AFTER triggers row by row: (first row: ours, theirs), (second row: ours, theirs). Theirs, at the first row,
# writes the second; ours is told of that at once, and after it of the statement's own, older version of the second row.
@pytest.mark.parametrize("phase", (Phase.BACKFILLED, Phase.CUT_OVER))
def test_a_trigger_that_writes_the_next_row_leaves_the_follower_equal(stage, phase):
    for statement in SPREADS:
        stage.ask(statement)
    advance(stage.open, phase)
    stage.ask("UPDATE app.user_sessions SET note = 'both' WHERE id IN (700, 701)")
    assert stage.ask("SELECT score FROM app.user_sessions WHERE id = 701") == [(555,)]
    diff = stage.open().diff()
    assert diff.clean, diff.samples


AGAIN = {
    "deletes the next row": "DELETE FROM app.user_sessions WHERE id = NEW.id + 1",
    "moves the next row to another month": (
        "UPDATE app.user_sessions SET started_at = started_at + interval '31 days' WHERE id = NEW.id + 1"
    ),
    "puts the next row out of all partitions": "UPDATE app.user_sessions SET started_at = '2050-01-01' WHERE id = NEW.id + 1",
}


@pytest.mark.parametrize("does", AGAIN)
@pytest.mark.parametrize("phase", (Phase.BACKFILLED, Phase.CUT_OVER))
def test_what_a_trigger_did_to_the_next_row_is_what_counts(stage, phase, does):
    if phase is Phase.CUT_OVER and "partitions" in does:
        pytest.skip("a partitioned table refuses such a row itself")
    stage.ask(
        "CREATE FUNCTION app.meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" {AGAIN[does]} AND note = 'both'; RETURN NULL; END $$"
    )
    stage.ask(
        "CREATE TRIGGER meddle AFTER UPDATE OF note ON app.user_sessions FOR EACH ROW EXECUTE FUNCTION app.meddle()"
    )
    advance(stage.open, phase)
    before = stage.ask("SELECT count(*) FROM app.user_sessions")
    stage.ask("UPDATE app.user_sessions SET note = 'both' WHERE id IN (700, 701)")
    assert (stage.ask("SELECT count(*) FROM app.user_sessions") != before) == ("deletes" in does)
    quarantined = stage.open().standing()["quarantined"]
    assert quarantined == int("partitions" in does)
    diff = stage.open().diff()
    assert (diff.missing, diff.extra, diff.different) == (quarantined, 0, 0), diff.samples


@pytest.mark.parametrize("event", ("INSERT", "UPDATE OF note"))
@pytest.mark.parametrize("phase", (Phase.BACKFILLED, Phase.CUT_OVER))
def test_a_trigger_before_the_write_that_writes_an_earlier_row_leaves_the_follower_equal(stage, phase, event):
    """Whoever comes last is the best of its tenant: ours is told of the earlier row's own, older version afterwards."""
    stage.ask(
        "CREATE FUNCTION app.outdo() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " UPDATE app.user_sessions SET score = -1 WHERE note = 'both' AND id <> NEW.id; RETURN NEW; END $$"
    )
    stage.ask(f"CREATE TRIGGER outdo BEFORE {event} ON app.user_sessions FOR EACH ROW EXECUTE FUNCTION app.outdo()")
    advance(stage.open, phase)
    stage.ask(
        "INSERT INTO app.user_sessions (tenant_id, user_id, started_at, note)"
        " SELECT 'tenant-001', gen_random_uuid(), now(), 'both' FROM generate_series(1, 3)"
        if event == "INSERT"
        else "UPDATE app.user_sessions SET note = 'both' WHERE id BETWEEN 700 AND 702"
    )
    assert stage.ask("SELECT count(*) FROM app.user_sessions WHERE score = -1 AND note = 'both'") == [(2,)]
    diff = stage.open().diff()
    assert diff.clean, diff.samples


@pytest.mark.parametrize("phase", (Phase.BACKFILLED, Phase.CUT_OVER))
def test_a_row_that_a_trigger_puts_back_is_there(stage, phase):
    stage.ask(
        "CREATE FUNCTION app.keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " INSERT INTO app.user_sessions (id, tenant_id, user_id, started_at, note) OVERRIDING SYSTEM VALUE"
        " VALUES (OLD.id + 1, 'tenant-001', gen_random_uuid(), OLD.started_at, 'back'); RETURN NULL; END $$"
    )
    stage.ask(
        "CREATE TRIGGER keep AFTER DELETE ON app.user_sessions FOR EACH ROW WHEN (OLD.id = 700) EXECUTE FUNCTION app.keep()"
    )
    advance(stage.open, phase)
    stage.ask("DELETE FROM app.user_sessions WHERE id IN (700, 701)")
    assert stage.ask("SELECT note FROM app.user_sessions WHERE id IN (700, 701)") == [("back",)]
    diff = stage.open().diff()
    assert diff.clean, diff.samples


@pytest.mark.parametrize(
    "statement",
    (
        "DELETE FROM app.user_sessions WHERE id = %s",
        "UPDATE app.user_sessions SET started_at = now() WHERE id = %s",
    ),
)
def test_a_snapshot_older_than_a_quarantine_leaves_nothing_in_it(stage, statement):
    # Between expand and capture a row came that no partition holds: the copy puts it into quarantine.
    advance(stage.open, Phase.EXPANDED)
    ((far,),) = stage.ask(FAR)
    stage.lay_out()
    user = stage.person()
    user.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    user.execute("SELECT 1")
    stage.copy_rest()
    assert stage.ask("SELECT key FROM sluice.quarantine") == [([far],)]
    with pytest.raises(errors.SerializationFailure):
        user.execute(statement, [far])
    user.rollback()
    user.execute(statement, [far])
    user.commit()
    assert stage.ask("SELECT key FROM sluice.quarantine") == []
    assert stage.diff_at_the_end().clean
