"""Prices, servers and tables of round numbers, so that what they cost can be reckoned by hand."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

from sluice.estate.amounts import Between, exactly, ranging
from sluice.insight.cost.components import sum_of
from sluice.insight.cost.costs import Costs
from sluice.insight.cost.known import GB, Hour, Load, Server, Table
from sluice.insight.cost.prices import Prices, read_prices

ROOT = Path(__file__).resolve().parents[1]
MONTH = date(2026, 10, 1)
LISTED: Prices = read_prices(ROOT, MONTH)
"""The table that is shipped; no file of anybody's own."""
IDLE = Load(exactly(0))
SERVER = Server("shop", "shop-1", "db.r6g.xlarge", exactly(400))
TABLE = Table("tyler", "users", exactly(40 * GB), reads=IDLE, writes=IDLE)


def money(low: str, high: str | None = None) -> Between:
    """Give dollars, to the cent and beyond."""
    return Between(Decimal(low), Decimal(high or low))


def by_store(costs: Costs) -> dict[str, Between]:
    """Give each store's sum; the estate's own is ''."""
    stores = dict.fromkeys(one.store for one in costs.components)
    return {store: sum_of(one for one in costs.components if one.store == store) for store in stores}


def used(low: float, high: float | None = None) -> Load:
    """Give a load that is paid by request."""
    return Load(ranging(low, low if high is None else high))


def hourly(mean: int, busiest: int, hours: int, provisioned: int | None = None) -> Load:
    """Give a load of which each hour is known."""
    known = tuple(Hour(Decimal(mean), Decimal(busiest)) for _ in range(hours))
    return Load(exactly(mean), None if provisioned is None else exactly(provisioned), hours=known)
