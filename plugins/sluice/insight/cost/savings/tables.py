"""What a table of DynamoDB would save in the other class, or paid the other way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import ROUND_CEILING, Decimal

from sluice.estate.amounts import Between, exactly, total
from sluice.insight.cost.components import of_load, of_table, sum_of
from sluice.insight.cost.known import BOTH, HOURS, MILLION, Load, Table, Units
from sluice.insight.cost.prices import Prices
from sluice.insight.cost.reserved import Uncovered
from sluice.insight.cost.savings.saving import Saving, saved

TARGET = Decimal("0.7")
"""Of what is provisioned, how much automatic scaling wants to be used."""
FEWEST, MOST = Decimal(5), Decimal(4000)
"""Units between which a table is scaled; one that is asked more is not provisioned."""
ENOUGH_HOURS = 14 * 24
"""Of load, before anybody says how it should be paid."""


def of_tables(tables: tuple[Table, ...], prices: Prices, free: Uncovered) -> Iterator[Saving]:
    """Give what each table would save. Raises UnknownPrice."""
    for table in tables:
        yield infrequent(table, prices, free)
        if not table.unmeasured and all(_is_known(table.load(units)) for units in BOTH):
            yield paid_otherwise(table, prices, free)


def infrequent(table: Table, prices: Prices, free: Uncovered) -> Saving:
    """Give what the other class would save: least where it holds little and is asked much, most where it is the other way."""
    ends = [_by_class(one, prices, free) for one in (_at(table, "low", "high"), _at(table, "high", "low"))]
    monthly = Between(min(end.low for end in ends), max(end.high for end in ends))
    to = "Standard" if table.infrequent else "Standard-IA"
    risk = "the class can be changed twice in 30 days; reserved units count for Standard alone"
    if table.unmeasured:
        risk += f"; what is read of its {table.unmeasured} indexes is not measured, and its price changes too"
    storage, *asked = of_table(replace(table, continuous_backup=False), prices, free)
    return Saving(
        table.store,
        f"move table {table.name} to the class {to}",
        monthly,
        f"its storage costs ${storage.monthly.high:,.2f} a month, its reads and writes ${sum_of(asked).high:,.2f}",
        risk,
        f"table {table.name}",
    )


def paid_otherwise(table: Table, prices: Prices, free: Uncovered) -> Saving:
    """Give what the other way of paying would save, hour by hour as it was used."""
    if table.writes.provisioned is None:
        now, (least, most) = _on_demand(table, prices), _provisioned(table, prices)
        return Saving(
            table.store,
            f"provision the units of table {table.name}, scaled automatically at 70 %",
            Between(now.low - most.low, now.high - least.high),
            f"its load of {len(table.writes.hours) // 24} days is steady enough",
            "a peak that rises within minutes is throttled until scaling has followed",
            f"table {table.name}",
        )
    now = total([of_load(table, units, prices, _share(table, units, free)).monthly for units in BOTH])
    return Saving(
        table.store,
        f"pay table {table.name} by request",
        saved(now, _on_demand(table, prices)),
        f"in {len(table.writes.hours) // 24} days it used little of what it has provisioned",
        "no limit holds a load back that runs away, and nor its price",
        f"table {table.name}",
    )


def _is_known(load: Load) -> bool:
    """Tell whether its hours say how it should be paid."""
    fits = load.provisioned is not None or all(hour.busiest <= MOST * TARGET for hour in load.hours)
    return len(load.hours) >= ENOUGH_HOURS and fits


def _share(table: Table, units: Units, free: Uncovered) -> Between:
    return exactly(1) if table.infrequent else free.of(f"dynamodb.{units.removesuffix('s')}_units")


def _by_class(table: Table, prices: Prices, free: Uncovered) -> Between:
    other = replace(table, infrequent=not table.infrequent)
    return saved(sum_of(of_table(table, prices, free)), sum_of(of_table(other, prices, free)))


def _at(table: Table, size: str, load: str) -> Table:
    """Give the table at one end of its size and one of its load."""
    held = exactly(getattr(table.size, size))
    return replace(table, size=held, reads=_load_at(table.reads, load), writes=_load_at(table.writes, load))


def _load_at(load: Load, end: str) -> Load:
    provisioned = None if load.provisioned is None else exactly(getattr(load.provisioned, end))
    return replace(load, used=exactly(getattr(load.used, end)), provisioned=provisioned)


def _kind(table: Table) -> str:
    return "dynamodb.ia" if table.infrequent else "dynamodb"


def _on_demand(table: Table, prices: Prices) -> Between:
    return total(
        [_month(table, units, "mean") * 3600 / MILLION * prices.usd(f"{_kind(table)}.{units}") for units in BOTH]
    )


def _provisioned(table: Table, prices: Prices) -> tuple[Between, Between]:
    """Give what it would cost if scaling followed each hour's mean, and each hour's busiest minute."""
    least, most = (
        total([_month(table, units, end) * prices.usd(_by_hour(table, units)) for units in BOTH])
        for end in ("scaled_mean", "scaled_busiest")
    )
    return least, most


def _by_hour(table: Table, units: Units) -> str:
    return f"{_kind(table)}.{units.removesuffix('s')}_units"


def _month(table: Table, units: Units, end: str) -> Between:
    """Give a month of hours like those that are known."""
    hours = table.load(units).hours
    found = [getattr(hour, end.removeprefix("scaled_")) for hour in hours]
    units_of = [_scaled(one) for one in found] if end.startswith("scaled_") else found
    return exactly(sum(units_of, Decimal(0)) * HOURS / len(hours))


def _scaled(used: Decimal) -> Decimal:
    return max((used / TARGET).to_integral_value(ROUND_CEILING), FEWEST)
