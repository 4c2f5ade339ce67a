"""What reservations would save: one that is not used, and one for what has run for three months."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from decimal import Decimal

from sluice.estate.amounts import Between
from sluice.insight.cost.known import Known, Server, Table
from sluice.insight.cost.prices import Prices
from sluice.insight.cost.reserved import TARGET, list_price, small_ones, sort_of, uses
from sluice.insight.cost.savings.saving import Saving

STEADY_DAYS = 90
"""Days that something has run nearly all the time before anybody should pay for it a year ahead."""
BLOCK = 100
"""Units of DynamoDB are reserved by the hundred."""


def unused(known: Known, prices: Prices) -> Iterator[Saving]:
    """Give each sort of which too little is used. Raises UnknownPrice."""
    for use in uses(known, prices):
        if not use.enough:
            idle = Between(1 - use.percent.high / 100, 1 - use.percent.low / 100)
            yield Saving(
                "",
                f"let what is reserved of {use.what} end, or use it",
                use.monthly * idle,
                f"{use.percent.low:.0f} % of it is used, and should be {TARGET} %; it pays from {use.pays_from.low:.0f} % on",
                "it is paid until its term ends, so this saves from then on",
                f"reserved {use.what}",
            )


def servers(instances: Collection[Server], known: Known, prices: Prices) -> Iterator[Saving]:
    """Give what the steady servers of each class would save if they were reserved for a year. Raises UnknownPrice."""
    steady = [one for one in instances if one.steady_days >= STEADY_DAYS]
    left = {sort_of(one.kind): _left(sort_of(one.kind), steady, known) for one in steady}
    for kind in sorted({one.kind for one in steady}, key=lambda kind: (-small_ones(kind), kind)):
        alike = [one for one in steady if one.kind == kind]
        wanted = sum(2 if one.standby else 1 for one in alike)
        count = min(wanted, int(left[sort_of(kind)] // small_ones(kind)))
        if count > 0:
            left[sort_of(kind)] -= count * small_ones(kind)
            yield Saving(
                alike[0].store if len({one.store for one in alike}) == 1 else "",
                f"reserve {count} of {kind} for a year, for {', '.join(one.name for one in alike)}",
                _less_dear(list_price(kind, prices) * count, prices.share("rds.reserved")),
                f"running for {min(one.steady_days for one in alike)} days; it pays from {_percent(prices)} of the hours on",
                "it is paid for a year, whether it runs or not; it counts for all sizes of the family",
                f"reserved {kind}",
            )


def _left(family: str, steady: Collection[Server], known: Known) -> Decimal:
    """Give the small ones of a family that run all the time and are not reserved."""
    run = sum(small_ones(one.kind) * (2 if one.standby else 1) for one in steady if sort_of(one.kind) == family)
    held = sum(small_ones(line.what) * line.count for line in known.reserved if sort_of(line.what) == family)
    return Decimal(run - held)


def units(tables: Collection[Table], known: Known, prices: Prices) -> Iterator[Saving]:
    """Give what units that were never scaled away would save if they were reserved for a year. Raises UnknownPrice."""
    for what, told in (("dynamodb.write_units", "writes"), ("dynamodb.read_units", "reads")):
        loads = [table.writes if told == "writes" else table.reads for table in tables if not table.infrequent]
        steady = sum((load.lowest for load in loads if load.days >= STEADY_DAYS), Decimal(0))
        held = sum(line.count for line in known.reserved if line.what == what)
        count = int(steady - held) // BLOCK * BLOCK
        if count > 0:
            yield Saving(
                "",
                f"reserve {count} of {what} for a year",
                _less_dear(list_price(what, prices) * count, prices.share("dynamodb.reserved")),
                f"never were fewer than {steady:.0f} units provisioned in {STEADY_DAYS} days, and {held} are reserved",
                "they are paid for a year, whether a table has them or not; partly ahead",
                what,
            )


def _less_dear(listed: Between, share: Between) -> Between:
    return Between(listed.low * (1 - share.high), listed.high * (1 - share.low))


def _percent(prices: Prices) -> str:
    share = prices.share("rds.reserved")
    return (
        f"{share.low * 100:.0f} to {share.high * 100:.0f} %" if share.low != share.high else f"{share.low * 100:.0f} %"
    )
