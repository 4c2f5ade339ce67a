"""The shadow read: before cutover, the application's own reads on the table run on both tables.

`reads` finds the statements, `values` makes their parameters, `run` runs both and compares, `result` counts.
"""

from __future__ import annotations

from sluice.ledger.marks import Marks
from sluice.migration.engine.contract import Facts
from sluice.migration.kinds.same_cluster.route import Route
from sluice.migration.kinds.same_cluster.shadow.result import is_good, left_out
from sluice.migration.kinds.same_cluster.shadow.run import ShadowRead
from sluice.stores.postgres import Connection

__all__ = ["compare_reads", "is_good"]


def compare_reads(c: Connection, marks: Marks, route: Route) -> Facts:
    """Run every read of the application that can be, on both tables; what the YAML leaves out is said to be left out."""
    wanted = route.migration.gates.shadow
    return ShadowRead(c, marks, route, wanted).run() if wanted else left_out()
