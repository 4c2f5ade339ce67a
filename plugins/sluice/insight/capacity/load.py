"""By how much more a store will be asked: what its costs grow with beside its size. From the ledger alone.

A day's mean is foreseen, as that is what is paid for, and weeks are held against each other: a Sunday is no trend.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from sluice.insight.capacity.foreseeing import foresee
from sluice.insight.capacity.growth import LOOKS_BACK, Growth
from sluice.insight.capacity.together import choose, together
from sluice.ledger.forecasts import Forecasts
from sluice.ledger.samples import Series

LOADS = ("read_units_rate", "write_units_rate", "transactions_rate")
"""Units of DynamoDB's tables, and the transactions of a server."""
PROVISIONED = ("read_units_provisioned_rate", "write_units_provisioned_rate")
"""What is paid for by the hour, used or not: no load, and still to be foreseen."""
WEEK = 7


def loads_ahead(kept: Forecasts, store: str, until: date, days: int) -> dict[Series, tuple[float, float, float]]:
    """Give what each load of a store, and what is provisioned for one, is now, and in so many days (P10, P90).

    Each is the mean of a week; of very many, most grow as all of these do together. One that has too few
    days, or none of the last week, is missing. Raises StoreDown.
    """
    lines = kept.lines((*LOADS, *PROVISIONED), until - LOOKS_BACK, until, store, of="mean")
    loads = [one for series, line in lines.items() if (until - (one := Growth(series, line)).last).days <= WEEK]
    found = dict[Series, tuple[float, float, float]]()
    for metric in (*LOADS, *PROVISIONED):
        alone, rest = choose([one for one in loads if one.series.metric == metric])
        found |= {one.series: ahead for one in alone if (ahead := _ahead(one, days))}
        found |= _as_together(rest, days)
    return found


def _as_together(rest: Sequence[Growth], days: int) -> dict[Series, tuple[float, float, float]]:
    """Have each grow as all of them do."""
    if not rest or (ahead := _ahead(together(rest), days)) is None or not ahead[0]:
        return {}
    now, low, high = ahead
    return {one.series: (mine, mine * low / now, mine * high / now) for one in rest for mine in [_lately(one)]}


def _ahead(load: Growth, days: int) -> tuple[float, float, float] | None:
    curve = foresee(load, days, "rate").curve
    if curve is None:
        return None
    return _lately(load), sum(curve.p10[-WEEK:]) / WEEK, sum(curve.p90[-WEEK:]) / WEEK


def _lately(load: Growth) -> float:
    """Give the mean of its last week."""
    days, values = load.line.days, load.line.values
    lately = [value for day, value in zip(days, values, strict=True) if day > days[-1] - WEEK]
    return sum(lately) / len(lately)
