"""Bring capture to the form of this version, where an older one made it and the migration is under way."""

from __future__ import annotations

from sluice.estate.models import SameClusterMigration
from sluice.ledger.marks import Marks
from sluice.migration.engine.contract import COPIES_IN, Phase
from sluice.migration.kinds.same_cluster import capture, swap
from sluice.migration.kinds.same_cluster.route import find_route
from sluice.stores.postgres import Connection, translated


def renew_capture(c: Connection, marks: Marks, migration: SameClusterMigration) -> bool:
    """Make capture anew where this version would make another one; tells whether it did.

    One short transaction under the fence and the table's lock: no write falls between the forms. Capture that somebody
    switched off stays off: it has missed writes, and the cutover must see that.
    """
    if _is_due(c, marks, migration) is None:
        return False
    done: list[bool] = []

    def apply() -> None:
        # Looked at again under the fence: somebody may have moved the migration, or renewed it already.
        reverse = _is_due(c, marks, migration)
        if reverse is None:
            return
        row, route = marks.row(c), find_route(c, marks, migration)
        if reverse:
            followed = marks.proof_age(c, migration.gates.freshness)["untouched"]
            capture.install_reverse(c, route)
            if followed:
                marks.execute(c, "record_followed", epoch=row["epoch"], under=marks.begin_comparison(c)["under"])
        else:
            capture.install_forward(c, route, row["lower_bound"], row["upper_bound"])
        done.append(True)

    with translated(f"renewing capture of {migration.source.table}"):
        swap.patiently(c, marks, find_route(c, marks, migration), apply)
    return bool(done)


def _is_due(c: Connection, marks: Marks, migration: SameClusterMigration) -> bool | None:
    """Whether it is the reverse capture that is another version's; None where none is."""
    row = marks.find(c)
    if row is None or row["phase"] not in (*COPIES_IN, Phase.CUT_OVER):
        return None
    reverse = row["phase"] == Phase.CUT_OVER
    if not capture.is_on(c, row, "target_oid" if reverse else "source_oid"):
        return None
    route = find_route(c, marks, migration)
    return None if capture.is_ours(c, route, row, reverse=reverse) else reverse
