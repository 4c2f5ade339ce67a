"""How a migration stands by its marks in PostgreSQL: one look, which makes no schema, takes no fence and waits for nobody."""

from __future__ import annotations

import psycopg

from sluice.errors import Terminal
from sluice.migration.engine.contract import COPIES_IN, Phase
from sluice.overview.migrations.seen import Stood
from sluice.stores.postgres import Connection, Row, one, pin_until_commit, rows, translated
from sluice.stores.statements import statement

LONGEST = "5s"
"""A look is given up after so long."""


class NotTold(Terminal):
    """The marks could not be read in time, or are of another release."""


def read_marks(c: Connection, name: str, *, follows_later: bool) -> Stood:
    """Read where it stands; planned, where there are no marks. Raises StoreDown, Refused, NotTold."""
    try:
        with translated(f"looking where {name} stands"), c.transaction():
            pin_until_commit(c, statement_timeout=LONGEST)
            if not one(c, statement("marks.are_there"))["there"]:
                return Stood(Phase.PLANNED, 1)
            found = rows(c, statement("marks.look_at"), name=name)
            return _stood(c, name, found[0], follows_later) if found else Stood(Phase.PLANNED, 1)
    except psycopg.Error as error:
        raise NotTold(
            f"The marks of {name} could not be read: {str(error).strip().splitlines()[0]}. If they are of an older release, the"
            f" next run of migrate__{name} renews them; if it took too long, it is tried again."
        ) from error


def _stood(c: Connection, name: str, row: Row, follows_later: bool) -> Stood:
    phase = Phase(row["phase"])
    under_way = phase in (*COPIES_IN, Phase.CUT_OVER)
    by_trigger = under_way and not follows_later
    stray = follows_later and phase is Phase.CUT_OVER
    return Stood(
        phase,
        row["epoch"],
        row["verified_at"],
        row["cut_over_at"],
        row["chunks"],
        row["done"],
        row["rows"],
        row["rows_estimated"],
        row["quarantined"],
        row["quarantined_told"],
        drifted=row["drifted"],
        captured=_is_captured(c, row["live_oid"]) if by_trigger else None,
        untouched=row["untouched"] if by_trigger else None,
        astray=one(c, statement("into_postgres.count_seen"), name=name)["seen"] if stray else 0,
        held_by=_holders(c, name) if by_trigger and phase is not Phase.CAPTURING else (),
    )


def _is_captured(c: Connection, oid: int) -> bool:
    from sluice.migration.kinds.same_cluster.capture import look

    return bool(look(c, oid)["capture_enabled"])


def _holders(c: Connection, name: str) -> tuple[str, ...]:
    last_copy = one(c, statement("marks.read_last_copy"), name=name)["last_copy"]
    listed = rows(c, statement("load.list_older_snapshots"), last_copy=str(last_copy))
    return tuple(row["holder"] for row in listed)
