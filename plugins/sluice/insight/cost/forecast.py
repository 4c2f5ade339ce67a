"""What is known of the estate, as it will be: each quantity grown as its series is forecast, from P10 to P90."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from sluice.estate.amounts import Between, exactly
from sluice.insight.capacity.load import LOADS
from sluice.insight.cost.known import GB, Known, Load, Server, Stored, Table, Written
from sluice.ledger.samples import Series

SIZES = ("items_bytes", "disk_used_bytes", "database_bytes")
"""Metrics of what a store holds."""
GROWS_WITH: Mapping[str, Collection[str]] = {"size": SIZES, "load": LOADS}
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
        kept=tuple(_kept(one, ahead) for one in known.kept),
        lines=tuple(_line(one, ahead) for one in known.lines),
    )


def not_forecast(known: Known, ahead: AheadOf) -> tuple[str, ...]:
    """Say of what there is no forecast, so that its cost in 90 days is today's."""
    told = [
        *(f"{one.store}: what it holds" for one in known.instances if Series(one.store, "disk_used_bytes") not in ahead),
        *(f"{table.store} {table.name}: {what}"
          for table in known.tables for what, metric in _grows_by(table)
          if Series(table.store, metric, table.name) not in ahead),
        *(f"{one.store or 'the estate'}: {one.line.what}, which grows with {one.line.grows_with}"
          for one in known.lines if one.line.grows_with and not _of(one.store, GROWS_WITH[one.line.grows_with], ahead)),
    ]  # fmt: skip
    return tuple(dict.fromkeys(told))


def _grows_by(table: Table) -> Iterator[tuple[str, str]]:
    """Name what its cost grows with: what it holds, and what it is asked, if that is paid by request."""
    yield "what it holds", "items_bytes"
    for load, told, metric in ((table.reads, "reads", "read_units_rate"), (table.writes, "writes", "write_units_rate")):
        if load.provisioned is None and load.used.high > 0:
            yield told, metric


def growth(store: str, metrics: Collection[str], ahead: AheadOf) -> Between:
    """Give by what factor a store grows in all, by some metrics; the estate, '', by all stores. Without a forecast, by none."""
    found = _of(store, metrics, ahead)
    now = sum((one.now for one in found), Decimal(0))
    if not now:
        return SAME
    return sum((one.then for one in found), exactly(0)) / now


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
    def grown(metric: str) -> Between:
        found = ahead.get(Series(table.store, metric, table.name))
        return found.grown if found else SAME

    return replace(
        table,
        size=table.size * grown("items_bytes"),
        reads=_load(table.reads, grown("read_units_rate"), grown("read_units_provisioned_rate")),
        writes=_load(table.writes, grown("write_units_rate"), grown("write_units_provisioned_rate")),
    )


def _load(load: Load, used: Between, provisioned: Between) -> Load:
    """What is provisioned by hand stays when more is used: only its own forecast moves it."""
    units = None if load.provisioned is None else load.provisioned * provisioned
    return replace(load, used=load.used * used, provisioned=units)


def _kept(kept: Stored, ahead: AheadOf) -> Stored:
    grown = growth(kept.store, SIZES, ahead)
    return replace(kept, size=kept.size * grown)


def _line(line: Written, ahead: AheadOf) -> Written:
    written = line.line
    if written.grows_with is None:
        return line
    grown = growth(line.store, GROWS_WITH[written.grows_with], ahead)
    field = "monthly" if written.monthly is not None else "quantity"
    amount = written.monthly if written.monthly is not None else written.quantity
    assert amount is not None
    return replace(line, line=written.model_copy(update={field: amount * grown}))
