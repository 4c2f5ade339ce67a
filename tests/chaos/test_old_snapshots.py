"""Sessions that are older than the swap: those that would see a hole are waited for, all others find every row."""

from __future__ import annotations

import pytest
from psycopg import errors
from sluice.migration.engine import steps
from sluice.migration.engine.contract import Phase
from sluice.stores.postgres import LockBusy

from tests.harness import advance

COUNT = "SELECT count(*) FROM app.user_sessions"
NOTE = "SELECT note FROM app.user_sessions WHERE id = 700"


def test_a_snapshot_older_than_the_swap_and_not_than_the_copy_finds_every_row_as_it_was(stage):
    advance(stage.open, Phase.VERIFIED)
    stage.ask("UPDATE app.user_sessions SET note = 'before' WHERE id IN (700, 701)")
    old = stage.person()
    old.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    old.execute("SELECT 1")
    stage.ask("UPDATE app.user_sessions SET note = 'after its snapshot' WHERE id = 700")
    steps.cut_over(stage.open())
    stage.ask("DELETE FROM app.user_sessions WHERE id = 699")
    assert old.execute(COUNT).fetchone() == (2_000,)
    assert old.execute(NOTE).fetchone() == ("before",)
    old.execute("UPDATE app.user_sessions SET note = 'mine' WHERE id = 701")
    with pytest.raises(errors.SerializationFailure):
        old.execute("UPDATE app.user_sessions SET note = 'mine' WHERE id = 700")
    old.rollback()
    old.execute("UPDATE app.user_sessions SET note = 'mine' WHERE id IN (700, 701)")
    old.commit()
    assert stage.open().diff().clean
    assert stage.ask("SELECT note FROM app.user_sessions__old WHERE id = 700") == [("mine",)]


@pytest.mark.parametrize("isolation", ("READ COMMITTED", "REPEATABLE READ"))
def test_whoever_has_read_the_table_and_is_idle_is_in_the_way_and_named(stage, isolation):
    advance(stage.open, Phase.VERIFIED)
    idle = stage.person("certify_app")
    idle.execute(f"SET TRANSACTION ISOLATION LEVEL {isolation}")
    idle.execute(COUNT)
    with pytest.raises(
        LockBusy, match=rf"session {idle.info.backend_pid} \(certify_app, .*idle in transaction.*Nothing was changed"
    ):
        steps.cut_over(stage.open())
    assert stage.open().position().phase is Phase.VERIFIED
    idle.execute(COUNT)
    idle.commit()
    assert steps.cut_over(stage.open())["rows_missing"] == 0


def test_a_session_idle_in_a_transaction_that_has_seen_nothing_yet_is_in_nobodys_way(stage):
    idle = stage.person()
    idle.execute("SET LOCAL application_name = 'begun long ago'")
    advance(stage.open, Phase.CUT_OVER)
    assert idle.execute(COUNT).fetchone() == (2_000,)
    idle.execute("UPDATE app.user_sessions SET note = 'late' WHERE id = 700")
    idle.commit()
    assert stage.open().diff().clean


def test_prepared_statements_and_a_cursor_kept_open_outlive_the_swap(stage):
    advance(stage.open, Phase.VERIFIED)
    user = stage.person(autocommit=True)
    user.execute(f"PREPARE look AS {NOTE}")
    user.execute("PREPARE write AS UPDATE app.user_sessions SET note = $1 WHERE id = 700")
    for turn in range(8):  # until their plans are kept
        user.execute(f"EXECUTE write('turn {turn}')")
        user.execute("EXECUTE look")
    user.execute("BEGIN")
    user.execute("DECLARE kept CURSOR WITH HOLD FOR SELECT id FROM app.user_sessions ORDER BY id")
    user.execute("COMMIT")
    for wanted in (Phase.CUT_OVER, Phase.VERIFIED):
        advance(stage.open, wanted)
        user.execute(f"EXECUTE write('{wanted}')")
        assert user.execute("EXECUTE look").fetchone() == (str(wanted),)
    assert len(user.execute("FETCH ALL FROM kept").fetchall()) == 2_000
    assert stage.open().diff().clean
