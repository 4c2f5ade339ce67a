"""One look at everything, at once: what hangs or is down holds up nobody else, and what failed keeps nothing but that it did.

Each look has a thread, and all have the same few seconds. Whoever is not back by then is cut off; its number, should it come
later, is nobody's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from threading import Thread

from sluice.errors import Transient
from sluice.insight.collecting.dynamodb import UP as TABLE_UP
from sluice.insight.collecting.lifeline import Lifeline
from sluice.insight.collecting.looked import Looked
from sluice.insight.collecting.pooler import PoolerSilent
from sluice.insight.collecting.postgres import derive
from sluice.ledger.samples import Sample, Samples, Series
from sluice.stores.dynamodb.client import DynamoDown
from sluice.stores.postgres import StoreDown

PATIENCE = timedelta(seconds=20)
"""What a look at everything may take: less than a minute, with all that comes behind it."""
AFTER = 1.0
"""Seconds in which whoever was cut off says so."""
LATELY = timedelta(minutes=10)
"""How far back deadlocks are counted: alarms are judged every five minutes."""
SILENT = (StoreDown, PoolerSilent, DynamoDown)
"""What a look raises when nobody answers it."""


class Hung(Transient):
    """A look that was not back in time."""


@dataclass(frozen=True)
class Look:
    """Something that is looked at: a part of a store."""

    store: str
    part: str
    """What of it: its server, its pooler, CloudWatch."""
    run: Callable[[Lifeline], Looked]
    up: str = ""
    """The metric by which this tells that what it looks at is up."""
    subjects: tuple[str, ...] = ("",)
    """Of whom it tells that; nobody, where only those are known that were there before."""


@dataclass(frozen=True)
class Taken:
    """What became of a look."""

    look: Look
    at: datetime
    """When it was over, by the ledger's clock."""
    seconds: float
    looked: Looked
    failed: Exception | None = None

    @property
    def is_silent(self) -> bool:
        """Whether what is looked at does not answer: down, or frozen."""
        if isinstance(self.failed, Hung):  # of tables it may be CloudWatch that hangs
            return self.look.up not in ("", TABLE_UP)
        return bool(self.look.up) and isinstance(self.failed, SILENT)


def collect(looks: Sequence[Look], began: datetime, patience: timedelta = PATIENCE) -> list[Taken]:
    """Look at everything. `began` is what time it is now, by the clock that samples are kept by. Never raises for one of them."""
    runs = [_Run(look, began) for look in looks]
    for run in runs:
        run.start()
    _wait(runs, patience.total_seconds())
    for run in runs:
        if run.is_alive():
            run.line.cut()
    _wait(runs, AFTER)
    return [run.result(patience) for run in runs]


def keep(samples: Samples, taken: Iterable[Taken]) -> int:
    """Keep what was found; give how many numbers. Raises StoreDown, where the ledger is."""
    count, longest = 0, dict[str, Taken]()
    for one in taken:
        rates = samples.rates(one.at, one.looked.counters) if one.looked.counters else {}
        values = {**one.looked.values, **rates, **derive(rates), **_deadlocks(samples, one.at, rates)}
        if one.is_silent:
            values |= _down(samples, one)
        count += samples.record(one.at, values) + samples.record_history(one.looked.history)
        for remember in one.looked.once_kept:
            remember()
        if one.failed is None and one.seconds > longest.get(one.look.store, one).seconds - 1e-9:
            longest[one.look.store] = one
    for store, one in longest.items():
        count += samples.record(one.at, {Series(store, "collection_seconds"): one.seconds})
    return count


def _deadlocks(samples: Samples, at: datetime, rates: Mapping[Series, float]) -> dict[Series, float]:
    """Say how many there were lately: a rate is back at 0 a minute later, and whoever looks then would see nothing."""
    made: dict[Series, float] = {}
    for series in (one for one in rates if one.metric == "deadlocks_rate"):
        before = samples.between([series.metric], at - 2 * LATELY, at, series.store).get(series, [])
        points = [*before, Sample(at, rates[series])]
        first = Sample(_looked_before(samples, series, points[0].at), 0.0)
        counts = (
            one.value * (one.at - last.at).total_seconds()
            for last, one in pairwise([first, *points])
            if one.at > at - LATELY
        )
        made[Series(series.store, "deadlocks_count")] = float(round(sum(counts)))
    return made


def _looked_before(samples: Samples, series: Series, at: datetime) -> datetime:
    """Say when the look before was made: a minute ago, or longer where a server is looked at seldom."""
    last = samples.latest(at - timedelta(seconds=1), series.store, metrics=[series.metric]).get(series)
    return last.at if last else at - timedelta(minutes=1)


def _down(samples: Samples, one: Taken) -> dict[Series, float]:
    store, up = one.look.store, one.look.up
    before = (series.subject for series in samples.latest(one.at, store) if series.metric == up)
    return {Series(store, up, subject): 0.0 for subject in one.look.subjects or before}


class _Run(Thread):
    def __init__(self, look: Look, began: datetime) -> None:
        super().__init__(name=f"look at {look.store}", daemon=True)  # whoever hangs for good holds up no exit either
        self.look, self.began, self.line = look, began, Lifeline()
        self.clock = time.monotonic()
        self.taken: Taken | None = None

    def run(self) -> None:
        """Look, and note what became of it."""
        looked, failed = Looked(), None
        try:
            looked = self.look.run(self.line)
        except Exception as error:  # of whatever sort: the others are looked at all the same, and it is told
            failed = error
        self.taken = self._taken(looked, failed)

    def result(self, patience: timedelta) -> Taken:
        """Give what became of it. Whatever a look says that was cut off, it means that it was."""
        if self.taken and not (self.taken.failed and self.line.is_cut):
            return self.taken
        what = f"The {self.look.part} of {self.look.store} has not answered within {patience.total_seconds():g} s."
        return self._taken(Looked(), Hung(what))

    def _taken(self, looked: Looked, failed: Exception | None) -> Taken:
        seconds = time.monotonic() - self.clock
        return Taken(self.look, self.began + timedelta(seconds=seconds), seconds, looked, failed)


def _wait(runs: Iterable[_Run], seconds: float) -> None:
    until = time.monotonic() + seconds
    for run in runs:
        run.join(max(0.0, until - time.monotonic()))
