"""Which stores nobody measures: of which no numbers of a look come at all, or only what others tell of them. Pure.

That it is so is known at the second look that finds it: after a pause of everything (a machine that slept, a first start) the
watch may look before the collector does. What was never measured has longer, from when the watch missed it first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sluice.estate.models import Store
from sluice.insight.health.listed import STALE
from sluice.insight.health.seldom import more_patience
from sluice.insight.health.unwritten import SILENT
from sluice.insight.metrics import AIRFLOW
from sluice.ledger.incidents import Key, Phase, State
from sluice.ledger.samples import Sample, Series

QUIET = timedelta(minutes=10)
"""Without a number of a store for so long, nobody measures it."""
TWICE = timedelta(minutes=4)
"""What has failed for so long has failed at two looks: one that was too slow once is no fault."""
ALL = "collector_age_seconds"
"""Under this it is kept that nothing of a store is measured any more."""
NEVER = "collection_seconds"
"""Under this, that it was never measured, or not for a day before it was missed."""
HEARD = ("collection_seconds", "up_count", "table_up_count", "pooler_up_count", "metadata_up_count")
"""What each look of `collect_samples` keeps. Answers of questions, sizes, a stream's age are kept by others."""
ITSELF = ("up_count", "pooler_up_count")
"""What a server and its pooler themselves tell, whatever CloudWatch and each other know of them."""


@dataclass(frozen=True)
class Unwatched:
    """The stores of which no numbers come, and what is wrong of them and of those that say nothing themselves."""

    silent: Set[str]
    states: Mapping[Series, State]


@dataclass(frozen=True)
class Heard:
    """What is known of who is looked at."""

    now: datetime
    stores: Mapping[str, Store]
    lately: Mapping[Series, Sample]
    before: Mapping[Key, State]

    def unwatched(self) -> Unwatched:
        """Say which stores nobody measures: those of the file, and Airflow where it was measured once."""
        newest = _newest(self.lately)
        names = _names(self.stores, newest, self.before)
        silent = {name for name in names if name not in newest or self.now - newest[name] > QUIET}
        return Unwatched(silent, {**self._silences(names, newest, silent), **dict(self._speechless(silent))})

    def _silences(
        self, names: Collection[str], newest: Mapping[str, datetime], silent: Set[str]
    ) -> dict[Series, State]:
        """Give what is wrong of them, or about to be: one of each store; a single one where nobody measures any of them."""
        found: dict[Series, State] = {}
        for name in names:
            if name not in newest and (SILENT, Series(name, ALL)) not in self.before:
                found[Series(name, NEVER)] = self._never(name)
            elif name not in newest or self.now - newest[name] > QUIET / 2:
                found[Series(name, ALL)] = self._ended(name, newest.get(name))
        told = {series: state for series, state in found.items() if state.phase == "missing"}
        if not told or not silent >= set(self.stores):
            return found
        metric = ALL if any(series.metric == ALL for series in told) else NEVER
        youngest = max((told[one] for one in told if one.metric == metric), key=lambda one: one.since)
        return {Series("", metric): youngest} | {one: replace(state, phase="pending") for one, state in found.items()}

    def _never(self, name: str) -> State:
        known = self.before.get((SILENT, Series(name, NEVER)))
        since = known.since if known else self.now
        patience = QUIET + more_patience(self.stores.get(name))
        return State("missing" if self.now - since >= patience else "pending", since, self.now)

    def _ended(self, name: str, last: datetime | None) -> State:
        """A pending one is since it was missed, a missing one since its last number."""
        known = self.before.get((SILENT, Series(name, ALL)))
        is_quiet = last is None or self.now - last > QUIET
        if known and is_quiet and (known.phase == "missing" or self.now - known.since >= TWICE):
            return missing(last or known.since, self.now)
        return State("pending", known.since if known else self.now, self.now)

    def _speechless(self, silent: Set[str]) -> Iterator[tuple[Series, State]]:
        """Give the servers and poolers that others tell of and that do not speak: a password is wrong, a right is missing."""
        for name, store in self.stores.items():
            for series in (Series(name, metric) for metric in _speaking(store) if name not in silent):
                last = self.lately.get(series)
                if last is None or self.now - last.at > STALE["minute"]:
                    known = self.before.get((SILENT, series))
                    since = known.since if known else self.now
                    patience = TWICE if last else TWICE + more_patience(store)
                    phase: Phase = "missing" if self.now - since >= patience else "pending"
                    yield series, State(phase, since, self.now)


def _speaking(store: Store) -> tuple[str, ...]:
    """Give what a store is to tell itself: of one in DynamoDB the look that tells of it is the only one."""
    if store.engine != "postgres":
        return ()
    return ITSELF if store.watch.pooler else ITSELF[:1]


def missing(last: datetime, now: datetime) -> State:
    """Give the state of what has had no number since its last one."""
    return State("missing", last, last, value=(now - last).total_seconds())


def _names(stores: Mapping[str, Store], newest: Mapping[str, datetime], before: Mapping[Key, State]) -> dict[str, None]:
    known = {*newest, *(series.store for rule, series in before if rule == SILENT)}
    return dict.fromkeys((*stores, *({AIRFLOW} & known)))


def _newest(lately: Mapping[Series, Sample]) -> dict[str, datetime]:
    """Give when each store was looked at last."""
    found: dict[str, datetime] = {}
    for series, sample in lately.items():
        if series.metric in HEARD:
            found[series.store] = max(sample.at, found.get(series.store, sample.at))
    return found
