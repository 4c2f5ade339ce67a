"""Transactions that look at an old snapshot: they are told to repeat themselves, and nothing of theirs is lost or comes back."""

from __future__ import annotations

from contextlib import suppress

import pytest
from psycopg import errors
from sluice.migration.engine import steps
from sluice.migration.engine.contract import Phase
from sluice.stores.postgres import Connection

from tests.integration.moved import HASHED, MONTHS, PLAIN, Moved
from tests.integration.test_way_back import TABLE, WIDER, unread

SHAPES = {"plain": PLAIN, "hash": HASHED, "months": MONTHS, "changed": WIDER, "months, changed": {**MONTHS, **WIDER}}
WRITES = {
    "inserted anew": (
        "DELETE FROM app.thing WHERE id = 9",
        "INSERT INTO app.thing VALUES (9, date_trunc('month', now()) - interval '1 month', 99, 'anew')",
    ),
    "inserted anew where it was": (
        "DELETE FROM app.thing WHERE id = 9",
        "INSERT INTO app.thing VALUES (9, date_trunc('month', now()), 99, 'anew')",
    ),
    "its key taken": (
        "DELETE FROM app.thing WHERE id = 9",
        "UPDATE app.thing SET id = 9, amount = 99, note = 'anew' WHERE id = 10",
    ),
    "its key taken and left": (
        "DELETE FROM app.thing WHERE id = 9",
        "UPDATE app.thing SET id = 9, amount = 99, note = 'anew' WHERE id = 10",
        "DELETE FROM app.thing WHERE amount = 99",
    ),
    "its key given away": (
        "UPDATE app.thing SET id = 109 WHERE id = 9",
        "INSERT INTO app.thing VALUES (9, date_trunc('month', now()), 99, 'anew')",
    ),
}
BOTH = "SELECT id, at, amount::bigint, note FROM {} ORDER BY 1, 2"


def old(c: Connection, level: str) -> None:
    """Begin, and look."""
    c.execute(f"BEGIN ISOLATION LEVEL {level}")
    c.execute("SELECT count(*) FROM app.thing")


@pytest.mark.parametrize("level", ("REPEATABLE READ", "SERIALIZABLE"))
@pytest.mark.parametrize("into", SHAPES.values(), ids=SHAPES)
def test_a_key_that_somebody_else_freed_is_written_right_or_not_at_all(moving, into, level):
    moved = unread(moving(into, *TABLE, accept=("weaker_key",)))
    for phase, follower in ((Phase.BACKFILLED, "app.thing_new"), (Phase.CUT_OVER, "app.thing__old")):
        moved.to(phase)
        for name, (freed, *written) in WRITES.items():
            moved.own("DELETE FROM app.thing", TABLE[1])
            with moved.session("certify_app") as c:
                old(c, level)
                moved.use(freed)
                with suppress(errors.SerializationFailure):
                    for write in written:
                        c.execute(write)
                    c.execute("COMMIT")
            assert moved.ask(BOTH.format("app.thing")) == moved.ask(BOTH.format(follower)), (phase, name)


def test_a_cutover_waits_for_who_cannot_see_a_row_that_left_quarantine(moving, monkeypatch):
    monkeypatch.setattr(steps, "DRAIN_SECONDS", 0.2)
    moved: Moved = unread(moving(MONTHS, *TABLE, accept=("weaker_key",)))
    moved.to(Phase.BACKFILLED)
    moved.use("INSERT INTO app.thing VALUES (100, '2090-01-01', 1, 'far')")
    with moved.session("certify_app") as c:
        old(c, "REPEATABLE READ")
        moved.use("UPDATE app.thing SET at = now() WHERE id = 100")
        steps.verify(moved.kind())
        with pytest.raises(steps.NotDrained):
            steps.cut_over(moved.kind())
        c.execute("ROLLBACK")
    steps.cut_over(moved.kind())


def test_cutting_back_waits_for_them_too_and_for_nobody_else(moving, monkeypatch):
    monkeypatch.setattr(steps, "DRAIN_SECONDS", 0.2)
    moved = unread(moving(WIDER, *TABLE))
    moved.to(Phase.CUT_OVER)
    with moved.session("certify_app") as c:
        old(c, "REPEATABLE READ")
        moved.use("UPDATE app.thing SET amount = 70000 WHERE id = 7", "UPDATE app.thing SET amount = 70 WHERE id = 7")
        with pytest.raises(steps.NotDrained):
            steps.cut_back(moved.kind())
        c.execute("ROLLBACK")
        c.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        c.execute("SELECT 1")
        steps.cut_back(moved.kind())
        assert c.execute("SELECT count(*) FROM app.thing").fetchone()["count"] == 60
        c.execute("ROLLBACK")
