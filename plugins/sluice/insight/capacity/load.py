"""By how much more a store will be asked: what its costs grow with beside its size. From the ledger alone.

A day's mean is foreseen, as that is what is paid for, and weeks are held against each other: a Sunday is no trend.
"""

from __future__ import annotations

from datetime import date

from sluice.insight.capacity.foreseeing import foresee
from sluice.insight.capacity.growth import LOOKS_BACK, Growth
from sluice.ledger.forecasts import Forecasts
from sluice.ledger.samples import Series

LOADS = ("read_units_rate", "write_units_rate", "transactions_rate")
"""Units of DynamoDB's tables, and the transactions of a server."""
PROVISIONED = ("read_units_provisioned_rate", "write_units_provisioned_rate")
"""What is paid for by the hour, used or not: no load, and still to be foreseen."""
WEEK = 7


def loads_ahead(kept: Forecasts, store: str, until: date, days: int) -> dict[Series, tuple[float, float, float]]:
    """Give what each load of a store, and what is provisioned for one, is now, and in so many days (P10, P90).

    Each is the mean of a week. One that has too few days, or none of the last week, is missing. Raises StoreDown.
    """
    lines = kept.lines((*LOADS, *PROVISIONED), until - LOOKS_BACK, until, store, of="mean")
    found = ((series, _ahead(Growth(series, line), until, days)) for series, line in lines.items())
    return {series: one for series, one in found if one}


def _ahead(load: Growth, until: date, days: int) -> tuple[float, float, float] | None:
    curve = foresee(load, days, "rate").curve
    if curve is None or (until - load.last).days > WEEK:
        return None
    lately = [
        value for day, value in zip(load.line.days, load.line.values, strict=True) if day > load.line.days[-1] - WEEK
    ]
    return sum(lately) / len(lately), sum(curve.p10[-WEEK:]) / WEEK, sum(curve.p90[-WEEK:]) / WEEK
