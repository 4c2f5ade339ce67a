"""The whole report as data: frozen, and the same for the page, the text and the JSON. Nothing is worked out behind this point.

A part that was not measured is None, and the page says so. Days are UTC's; `until` is the first that the report knows nothing of.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date
from typing import Any, Literal, TypeAlias

from sluice.estate.severity import Severity

SCHEMA = 1
"""The version of the JSON: it rises when a field goes or means something else."""
CHARTED = 20
"""So many tables the page shows; the JSON has all."""
LimitName: TypeAlias = Literal["full", "most", "sessions", "provisioned"]


@dataclass(frozen=True)
class Limit:
    """Where something ends."""

    name: LimitName
    value: float
    told: str
    """What it is to be there: `is 85 % full`."""


@dataclass(frozen=True)
class Arrival:
    """When a limit is reached. Of ten such forecasts one comes before `earliest`, five before `likely`, nine before `latest`.

    None: not within the year that is looked at.
    """

    limit: Limit
    earliest: date | None
    likely: date | None
    latest: date | None
    days: int | None
    """Until `earliest`; 0 where it is reached already."""
    severity: Severity | None
    """P1 to P3, None where nobody need act: what this report and the one before say, since one alone is none."""


@dataclass(frozen=True)
class Curve:
    """A forecast, day by day, with its 80 % interval."""

    days: tuple[date, ...]
    p10: tuple[float, ...]
    p50: tuple[float, ...]
    p90: tuple[float, ...]


@dataclass(frozen=True)
class Drop:
    """What our own archive has dropped on a day."""

    day: date
    bytes: float


@dataclass(frozen=True)
class Outlook:
    """One measure of a store: what it was, and what it will be."""

    store: str
    metric: str
    subject: str
    title: str
    unit: str
    days: tuple[date, ...]
    values: tuple[float, ...]
    drops: tuple[Drop, ...]
    steps: tuple[date, ...]
    """Days on which it jumped, and nobody had noted why."""
    a_month: float | None
    """By how much it has grown in the last 30 days, with what was dropped counted as if it were there."""
    curve: Curve | None
    reason: str
    """Why there is no forecast, or why it is not to be trusted; empty where it is."""
    notes: tuple[str, ...]
    limits: tuple[Limit, ...]
    arrivals: tuple[Arrival, ...]
    """One for each limit; empty where there is no forecast."""

    @property
    def now(self) -> float | None:
        """What was measured last."""
        return self.values[-1] if self.values else None

    @property
    def in_90_days(self) -> tuple[float, float, float] | None:
        """P10, P50 and P90 of the ninetieth day."""
        return ahead(self.curve, 90)


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
class Lag:
    """How late a replica was in the period."""

    replica: str
    mean: float
    highest: float
    """Seconds."""
    within: float
    """The share of hours, 0 to 1, whose mean was within the target."""
    target: float


@dataclass(frozen=True)
class Headroom:
    """For how long a table has partitions."""

    table: str
    days: float


@dataclass(frozen=True)
class Backup:
    """How a store stands, if it died now."""

    lose: str
    back_in: str
    """How much would be lost, and how long it would take, in words."""
    newest: date | None
    """The day of its newest backup."""
    drilled: date | None
    """The day of the last drill that passed."""
    warnings: tuple[str, ...]


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

    @property
    def is_known(self) -> bool:
        """Whether anything is known of it."""
        return any((self.measures, self.tables, self.lag, self.headroom, self.backup, self.cache_hit is not None))

    @property
    def size(self) -> Outlook | None:
        """The measure of how much it holds."""
        return next((one for one in self.measures if one.unit == "bytes" and not one.subject), None)


@dataclass(frozen=True)
class Component:
    """A part of the bill, a month, low to high."""

    name: str
    now: tuple[float, float]
    how: str = ""
    """The quantity and the name of its price; empty of a sum that a person wrote."""


@dataclass(frozen=True)
class Reservation:
    """Something that is reserved, and how much of it is used, in percent from low to high."""

    what: str
    percent: tuple[float, float]
    enough: bool
    """Whether that is the 85 % that it should be."""


@dataclass(frozen=True)
class Saving:
    """What would cost less."""

    what: str
    monthly: tuple[float, float]
    why: str
    risk: str


@dataclass(frozen=True)
class Cost:
    """What the estate costs a month, low to high, now and in 90 days."""

    currency: str
    priced: str
    """Of which day the prices are, and whose."""
    now: tuple[float, float]
    later: tuple[float, float]
    components: tuple[Component, ...]
    """The dearest first."""
    reserved: tuple[Reservation, ...]
    savings: tuple[Saving, ...]
    """The three largest."""
    notes: tuple[str, ...] = ()
    """What a reader should know before a sum is quoted."""


@dataclass(frozen=True)
class Proposal:
    """What scaling would do; nothing is done without a person's yes."""

    store: str
    what: str
    why: str


@dataclass(frozen=True)
class Trouble:
    """Something wrong that wakes nobody (P4): this report is where it is told."""

    store: str
    """'' where it is the estate's."""
    since: date
    text: str


@dataclass(frozen=True)
class Score:
    """How good the forecasts were whose days have come."""

    ahead: int
    """How many days before."""
    count: int
    held: float
    low: float
    high: float
    """The share within their 80 % interval, 0 to 1, and between what that lies with 95 %."""
    loss: float
    """Mean pinball loss, as a share of what was measured."""


@dataclass(frozen=True)
class Moved:
    """A limit whose likely day is another one than last time."""

    store: str
    """Or what of it: `events of shop`."""
    limit: str
    before: date | None
    after: date | None


@dataclass(frozen=True)
class Faster:
    """A table that has grown since the last report."""

    store: str
    table: str
    bytes: float
    percent: float | None


@dataclass(frozen=True)
class Changed:
    """What is other than in the report before."""

    since: date
    """The day until which that one knew."""
    moved: tuple[Moved, ...]
    new: tuple[str, ...]
    gone: tuple[str, ...]
    """Tables, as store: table."""
    fastest: tuple[Faster, ...]


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
    scores: tuple[Score, ...]
    cost: Cost | None
    proposals: tuple[Proposal, ...] | None
    troubles: tuple[Trouble, ...] | None = None
    """Those that are open now; None of a window of long ago."""

    @property
    def arrivals(self) -> tuple[tuple[Outlook, Arrival], ...]:
        """Every limit of every store, the earliest first."""
        found = [(one, at) for store in self.stores for one in store.measures for at in one.arrivals]
        return tuple(sorted(found, key=lambda pair: _soonest(pair[1])))


def ahead(curve: Curve | None, days: int) -> tuple[float, float, float] | None:
    """Give P10, P50 and P90 of a day to come; None where the curve does not reach it."""
    if curve is None or len(curve.days) < days:
        return None
    return curve.p10[days - 1], curve.p50[days - 1], curve.p90[days - 1]


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


def _soonest(at: Arrival) -> tuple[bool, date, date]:
    never = date.max
    return at.earliest is None, at.likely or never, at.earliest or never
