"""The months of the sample's audit trail, where it is partitioned from the start."""

from __future__ import annotations

from datetime import datetime

from sluice.local.certify.shape import AUDIT, MOMENT
from sluice.stores.postgres import Connection, Table
from sluice.stores.statements import statement
from sluice.upkeep.partitions.actions import Make
from sluice.upkeep.partitions.making import make
from sluice.upkeep.partitions.spans import Span, spans

PARENT = Table("app", AUDIT)


def month_of(span: Span) -> Table:
    """Name the partition of a month."""
    return Table("app_partitions", f"{AUDIT}_y{span.lower:%Ym%m}")


def make_months(c: Connection, since: datetime, until: datetime) -> None:
    """Make a partition for each month, closed as the table is, in the transaction that is open."""
    for wall in ("expand.enable_rls", "expand.force_rls"):
        c.execute(statement("certify.act_as_owner"))
        c.execute(statement(wall, table=PARENT.identifier))
    make(
        c, [Make(PARENT, month_of(span), span, MOMENT[AUDIT]) for span in spans(since, until, "month")], lambda _: None
    )
    c.execute(statement("certify.act_as_self"))
