"""The whole report as data: frozen, and the same for the page, the text and the JSON. Nothing is worked out behind this point.

A part that was not measured is None, and the page says so. Days are UTC's; `until` is the first that the report knows nothing of.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date
from typing import Any

from sluice.insight.capacity.bill import Bill
from sluice.insight.capacity.compared import Changed, TrackRecord
from sluice.insight.capacity.measure import Outlook, Reached
from sluice.insight.capacity.standing import Backup, Headroom, Lag, Proposal, SmallTrouble

SCHEMA = 1
"""The version of the JSON: it rises when a field goes or means something else."""
CHARTED = 12
"""So many tables the page shows; the JSON has all."""


@dataclass(frozen=True)
class TableGrowth:
    """A table: how large it is, and by how much it grows."""

    name: str
    now: float
    a_month: float | None
    """As in Outlook."""
    dropped: float
    """What our archive has dropped of it in the last 30 days."""
    in_90_days: tuple[float, float, float] | None
    """P10, P50, P90."""
    reason: str
    """As in Outlook."""
    days: tuple[date, ...] = ()
    values: tuple[float, ...] = ()
    """Its last year, of those that the page shows."""


@dataclass(frozen=True)
class StoreReport:
    """One store."""

    name: str
    engine: str
    disk: float | None
    """How much its disk holds, in bytes; None where nobody says it."""
    measures: tuple[Outlook, ...]
    """Its disk first, then its sessions, or its tables' units."""
    tables: tuple[TableGrowth, ...]
    """All of them, those that grow most first."""
    lag: tuple[Lag, ...] | None
    cache_hit: float | None
    """Percent, of the period."""
    headroom: tuple[Headroom, ...] | None
    """The shortest first."""
    backup: Backup | None
    rest: TableGrowth | None = None
    """Those of its tables together that are too many, too small and too still to be foreseen each by itself."""

    @property
    def is_known(self) -> bool:
        """Whether anything is known of it."""
        return any((self.measures, self.tables, self.lag, self.headroom, self.backup, self.cache_hit is not None))

    @property
    def shown(self) -> tuple[TableGrowth, ...]:
        """The tables that a page shows, and below them those that are foreseen together."""
        return *self.tables[:CHARTED], *((self.rest,) if self.rest else ())

    @property
    def arrivals(self) -> list[tuple[Outlook, Reached]]:
        """Each of its limits, the earliest first."""
        return sorted(((one, at) for one in self.measures for at in one.arrivals), key=lambda pair: _soonest(pair[1]))

    @property
    def soonest(self) -> tuple[bool, tuple[bool, date, date]]:
        """What orders stores: when the first limit comes; those of which nothing is known are last."""
        return not self.is_known, _soonest(self.arrivals[0][1] if self.arrivals else None)

    @property
    def size(self) -> Outlook | None:
        """The measure of how much it holds."""
        return next((one for one in self.measures if one.unit == "bytes" and not one.subject), None)


@dataclass(frozen=True)
class Report:
    """All of it."""

    estate: str
    since: date
    until: date
    monthly: bool
    """Whether it looks back on a month, beside the week."""
    stores: tuple[StoreReport, ...]
    changed: Changed | None
    changed_reason: str
    """Why there is nothing to compare with."""
    scores: tuple[TrackRecord, ...]
    cost: Bill | None
    proposals: tuple[Proposal, ...] | None
    troubles: tuple[SmallTrouble, ...] | None = None
    """Those that are open now; None of a window of long ago."""
    cost_reason: str = ""
    """Why nobody knows what it costs."""

    @property
    def arrivals(self) -> tuple[tuple[Outlook, Reached], ...]:
        """Every limit of every store, the earliest first."""
        found = [pair for store in self.stores for pair in store.arrivals]
        return tuple(sorted(found, key=lambda pair: _soonest(pair[1])))


def to_json(report: Report) -> str:
    """Write it, with the version of its form."""
    return json.dumps({"schema": SCHEMA, **_plain(report)}, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return value.isoformat() if isinstance(value, date) else value


def _soonest(at: Reached | None) -> tuple[bool, date, date]:
    never = date.max
    return (at.earliest is None, at.likely or never, at.earliest or never) if at else (True, never, never)
