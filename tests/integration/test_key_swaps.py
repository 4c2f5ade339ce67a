"""Keys that change hands within one statement: the copy follows, or the user is told as before; never silently wrong."""

from __future__ import annotations

from contextlib import nullcontext, suppress

import pytest
from psycopg import errors
from sluice.migration.engine.contract import Phase

from tests.integration.moved import HASHED, MONTHS, PLAIN, Moved

TABLE = (
    "CREATE TABLE app.thing (id int PRIMARY KEY, at timestamptz NOT NULL, note text)",
    "INSERT INTO app.thing SELECT i, date_trunc('month', now()) - (i % 3) * interval '1 month', i::text"
    " FROM generate_series(100, 1, -1) i",
    "GRANT ALL ON app.thing TO certify_app",
)
SWAP = "UPDATE app.thing SET id = CASE id WHEN 7 THEN 8 ELSE 7 END WHERE id IN (7, 8)"
MOVE = "UPDATE app.thing SET id = {} WHERE id = {}"
SHAPES = {"plain": PLAIN, "hashed": HASHED, "months": MONTHS}
SIDES = (Phase.BACKFILLED, Phase.CUT_OVER)
ROWS = "SELECT id, note FROM app.thing ORDER BY 1"


@pytest.fixture(params=SHAPES)
def moved(request, moving) -> Moved:
    """A hundred rows, the highest key first, in three months."""
    return moving(SHAPES[request.param], *TABLE, accept=("weaker_key",))


def test_keys_change_hands(moved):
    """On either side of the cutover, in one go: each of these is a migration of its own otherwise."""
    for phase in SIDES:
        moved.to(phase)
        before = moved.ask(ROWS)
        # At once: as the live table's key has it. One that is wider may let them pass each other, and then they are followed.
        with suppress(errors.UniqueViolation) if phase is Phase.CUT_OVER else pytest.raises(errors.UniqueViolation):
            moved.use(SWAP)
            assert moved.equal()
            moved.use(SWAP)
        assert moved.ask(ROWS) == before
        # By way of a third key, as one does it.
        moved.use("BEGIN", *(MOVE.format(*keys) for keys in ((0, 7), (7, 8), (8, 0))), "COMMIT")
        assert dict(moved.ask(ROWS)) == {**dict(before), 7: dict(before)[8], 8: dict(before)[7]}
        # Two rows exchange what the partitions are cut by.
        moved.use(
            "UPDATE app.thing SET at = (SELECT o.at FROM app.thing o WHERE o.id = 31 - thing.id) WHERE id IN (15, 16)"
        )
        assert moved.equal()


def test_keys_move_up_by_one(moved):
    """Highest first, as they lie: the plain table takes it. Where partitions have another order, it is all or nothing."""
    for phase in SIDES:
        moved.to(phase)
        with suppress(errors.UniqueViolation) if phase is Phase.CUT_OVER else nullcontext():
            moved.use("UPDATE app.thing SET id = id + 1")
        found = dict(moved.ask(ROWS))
        assert len(found) == 100
        assert len({int(note) - id_ for id_, note in found.items()}) == 1, "all of them, or none"
        assert moved.equal()
