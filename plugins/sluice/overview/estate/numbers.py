"""What was measured of each store a moment ago: whether it is up, how late its replicas are, for how long it has partitions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sluice.estate.models import Store
from sluice.insight.health.levels import LAG_WITHOUT_FILE
from sluice.insight.health.listed import STALE
from sluice.ledger.samples import Sample, Samples, Series
from sluice.overview.asked import Asked
from sluice.overview.states import State
from sluice.safety.words import lasts
from sluice.upkeep.partitions.headroom import ENDLESS, SOON, URGENT

UP = ("up_count", "table_up_count", "metadata_up_count")
LAG, HEADROOM = "replica_lag_seconds", "partition_headroom_days"
WITHIN = timedelta(hours=6)
"""How old a number may be and be told at all, with its age."""


@dataclass(frozen=True)
class Answers:
    """Whether a store answered when it was asked last."""

    at: datetime
    down: tuple[str, ...]
    """Which of its tables did not; of a server its own name."""
    of: int
    fresh: bool
    """Whether that is of the last minutes: of what is older nobody knows."""

    @property
    def state(self) -> State:
        """How it stands."""
        return "bad" if self.down else "good" if self.fresh else "warn"

    @property
    def words(self) -> str:
        """Say it."""
        if self.down:
            named = f": {', '.join(self.down[:5])}{' …' if len(self.down) > 5 else ''}" if self.of > 1 else ""
            return f"down{named}"
        return "up" if self.fresh else "nobody knows whether it is up"


@dataclass(frozen=True)
class Late:
    """The replica that is latest."""

    replica: str
    seconds: float
    alert: float
    """Seconds from which on it is told."""
    at: datetime
    count: int
    """How many are measured."""

    @property
    def state(self) -> State:
        """How it stands."""
        return "bad" if self.seconds > self.alert else "good"

    @property
    def words(self) -> str:
        """Say it."""
        others = f", the latest of {self.count}" if self.count > 1 else ""
        return f"{lasts(self.seconds)} behind ({self.replica}{others})"


@dataclass(frozen=True)
class Headroom:
    """The table whose partitions end first."""

    table: str
    days: float
    at: datetime
    tables: int
    """How many are measured."""

    @property
    def state(self) -> State:
        """How urgent it is, by the same days as the alarm of `create_partitions`."""
        return "bad" if self.days < URGENT else "warn" if self.days < SOON else "good"

    @property
    def words(self) -> str:
        """Say it."""
        return "without end" if self.days >= ENDLESS else f"for {self.days:.0f} days ({self.table})"


@dataclass(frozen=True)
class Numbers:
    """Of one store; None of what was not measured of it."""

    answers: Answers | None
    late: Late | None
    headroom: Headroom | None


NONE = Numbers(None, None, None)


def latest_numbers(asked: Asked) -> dict[str, Numbers]:
    """Give the last numbers of each store that has any. Raises StoreDown."""
    found = Samples(asked.ledger).latest(asked.now, within=WITHIN, metrics=[*UP, LAG, HEADROOM])
    return {name: numbers_of(name, asked.estate.stores.get(name), found, asked.now) for name in _names(found)}


def numbers_of(name: str, store: Store | None, found: Mapping[Series, Sample], now: datetime) -> Numbers:
    """Give a store's. Pure."""
    own = {series: one for series, one in found.items() if series.store == name}
    return Numbers(_answers(own, now), _late(own, store, now), _headroom(own))


def _answers(own: Mapping[Series, Sample], now: datetime) -> Answers | None:
    asked = {series: one for series, one in own.items() if series.metric in UP}
    if not asked:
        return None
    last = max(one.at for one in asked.values())
    together = {series: one for series, one in asked.items() if last - one.at <= STALE["minute"]}  # a table may be gone
    down = tuple(sorted(series.subject or series.store for series, one in together.items() if one.value < 1))
    return Answers(last, down, len(together), now - last <= STALE["minute"])


def _late(own: Mapping[Series, Sample], store: Store | None, now: datetime) -> Late | None:
    lags = {s.subject: one for s, one in own.items() if s.metric == LAG and now - one.at <= STALE["minute"]}
    if not lags:
        return None
    worst = max(lags, key=lambda name: lags[name].value)
    alert = store.replicas.alert.total_seconds() if store and store.replicas else LAG_WITHOUT_FILE
    return Late(worst, lags[worst].value, alert, lags[worst].at, len(lags))


def _headroom(own: Mapping[Series, Sample]) -> Headroom | None:
    tables = {series.subject: one for series, one in own.items() if series.metric == HEADROOM}
    if not tables:
        return None
    least = min(tables, key=lambda name: (tables[name].value, name))
    return Headroom(least, tables[least].value, tables[least].at, len(tables))


def _names(found: Mapping[Series, Sample]) -> list[str]:
    return list(dict.fromkeys(series.store for series in found))
