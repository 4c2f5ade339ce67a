"""What is known of the estate, as it will be: each quantity grown as its series is forecast, from P10 to P90."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from sluice.estate.amounts import Between, exactly, total
from sluice.insight.capacity.load import LOADS
from sluice.insight.cost.known import GB, Known, Load, Server, Table, Units, Written
from sluice.ledger.samples import Series

SIZES = ("items_bytes", "disk_used_bytes", "database_bytes")
"""Metrics of what a store holds."""
GROWS_WITH: Mapping[str, tuple[Collection[str], ...]] = {"size": (SIZES,), "load": tuple((one,) for one in LOADS)}
"""Metrics that are of one unit stand together: these are added up, and no others."""
RATES: Mapping[Units, tuple[str, str]] = {
    "reads": ("read_units_rate", "read_units_provisioned_rate"),
    "writes": ("write_units_rate", "write_units_provisioned_rate"),
}
"""What says how much of each is used, and how much is provisioned."""
SAME = exactly(1)


@dataclass(frozen=True)
class Ahead:
    """A series now, and what it is forecast to be."""

    now: Decimal
    then: Between
    """P10 and P90."""

    @property
    def grown(self) -> Between:
        """By what factor; what is nothing now grows by none."""
        return self.then / self.now if self.now > 0 else SAME


AheadOf = Mapping[Series, Ahead]


def later(known: Known, ahead: AheadOf) -> Known:
    """Give what will be known. What was not forecast stays as it is."""
    return replace(
        known,
        instances=tuple(_instance(one, ahead) for one in known.instances),
        tables=tuple(_table(one, ahead) for one in known.tables),
        lines=tuple(_line(one, ahead) for one in known.lines),
    )


def not_forecast(known: Known, ahead: AheadOf) -> tuple[str, ...]:
    """Say of what there is no forecast, so that its cost in 90 days is today's."""
    told = [
        *(f"{one.store}: what it holds" for one in known.instances if Series(one.store, "disk_used_bytes") not in ahead),
        *(f"{table.store} {table.name}: {what}"
          for table in known.tables for what, metrics in _grows_by(table)
          if not any(Series(table.store, metric, table.name) in ahead for metric in metrics)),
        *(f"{one.store or 'the estate'}: {one.line.what}, which grows with {one.line.grows_with}"
          for one in known.lines
          if one.line.grows_with and not any(_of(one.store, unit, ahead) for unit in GROWS_WITH[one.line.grows_with])),
    ]  # fmt: skip
    return tuple(dict.fromkeys(told))


def outgrown(known: Known, ahead: AheadOf) -> tuple[str, ...]:
    """Say of which tables more is forecast to be used than a person has provisioned: the bill has what is provisioned."""
    then = later(known, ahead).tables
    return tuple(
        f"{table.store} {table.name}: {units}"
        for table in then for units in RATES
        if (load := table.load(units)).provisioned and not load.scaled and load.used.high > load.provisioned.high
    )  # fmt: skip


def _grows_by(table: Table) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Name what its cost grows with, each with the metrics of which one is enough.

    What it holds; what it is asked, if that is paid by request; what is provisioned, by use where the service moves it.
    """
    yield "what it holds", ("items_bytes",)
    for units, (used, provisioned) in RATES.items():
        load = table.load(units)
        if load.provisioned is not None:
            yield f"provisioned {units}", (used, provisioned) if load.scaled else (provisioned,)
        elif load.used.high > 0:
            yield units, (used,)


def growth(store: str, units: Iterable[Collection[str]], ahead: AheadOf) -> Between:
    """Give by what factor a store grows in all, by some metrics; the estate, '', by all stores. Without a forecast, by none.

    What is of one unit is added up. Of several units the one that grows least and the one that grows most are the two ends:
    nobody knows how many transactions a read unit is.
    """
    sums = [(sum((one.now for one in found), Decimal(0)), total([one.then for one in found]))
            for unit in units if (found := _of(store, unit, ahead))]  # fmt: skip
    factors = [then / now for now, then in sums if now]
    if not factors:
        return SAME
    return Between(min(one.low for one in factors), max(one.high for one in factors))


def _of(store: str, metrics: Collection[str], ahead: AheadOf) -> list[Ahead]:
    return [one for series, one in ahead.items() if series.metric in metrics and store in ("", series.store)]


def _instance(instance: Server, ahead: AheadOf) -> Server:
    """A disk is extended before it is full, and never shrinks."""
    held = ahead.get(Series(instance.store, "disk_used_bytes"))
    if held is None:
        return instance
    needed = held.then / GB * 100 / instance.full_at
    disk = Between(max(instance.disk.low, needed.low), max(instance.disk.high, needed.high))
    return replace(instance, disk=disk)


def _table(table: Table, ahead: AheadOf) -> Table:
    def grown(metric: str) -> Between | None:
        found = ahead.get(Series(table.store, metric, table.name))
        return found.grown if found else None

    reads, writes = (_load(table.load(units), *map(grown, rates)) for units, rates in RATES.items())
    return replace(table, size=table.size * (grown("items_bytes") or SAME), reads=reads, writes=writes)


def _load(load: Load, used: Between | None, provisioned: Between | None) -> Load:
    """What is provisioned by hand stays when more is used: only its own forecast moves it. The service moves it with use."""
    units = load.provisioned
    if units is not None and load.scaled and used:
        units = (units * used).at_least(load.scaled.low).at_most(load.scaled.high)
    elif units is not None:
        units = units * (provisioned or SAME)
    return replace(load, used=load.used * (used or SAME), provisioned=units)


def _line(line: Written, ahead: AheadOf) -> Written:
    written = line.line
    if written.grows_with is None:
        return line
    grown = growth(line.store, GROWS_WITH[written.grows_with], ahead)
    field = "monthly" if written.monthly is not None else "quantity"
    amount = written.monthly if written.monthly is not None else written.quantity
    assert amount is not None
    return replace(line, line=written.model_copy(update={field: amount * grown}))
