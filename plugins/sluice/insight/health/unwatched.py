"""Which stores nobody measures: of which no numbers come at all, or only what others tell of them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from datetime import datetime, timedelta

from sluice.estate.models import Store
from sluice.insight.health.listed import STALE
from sluice.insight.health.unwritten import SILENT
from sluice.insight.metrics import AIRFLOW
from sluice.ledger.incidents import Key, State
from sluice.ledger.samples import ONE_DAY, Sample, Series

QUIET = timedelta(minutes=10)
"""Without a number of a store for so long, nobody measures it."""
TWICE = timedelta(minutes=4)
"""What has failed for so long has failed at two looks: one that was too slow once is no fault."""
ALL = "collector_age_seconds"
"""Under this it is kept that nothing of a store is measured."""
ITSELF: Mapping[str, str] = {"postgres": "up_count", "dynamodb": "table_up_count"}
"""What a store itself tells, whatever CloudWatch, its pooler or the ledger know of it."""


def silent_stores(
    stores: Mapping[str, Store], lately: Mapping[Series, Sample], now: datetime, before: Mapping[Key, State]
) -> set[str]:
    """Name the stores of which no numbers come: those of the file, and Airflow where it was measured once."""
    newest = {name: max(ats) for name, ats in _moments(lately).items()}
    known = {*newest, *(series.store for rule, series in before if rule == SILENT)}
    names = {*stores, *({AIRFLOW} & known)}
    return {name for name in names if name not in newest or now - newest[name] > QUIET}


def silences(
    stores: Mapping[str, Store], lately: Mapping[Series, Sample], now: datetime, silent: Set[str]
) -> Iterator[tuple[Series, State]]:
    """Give what is wrong of them: one of each store; a single one where nobody measures any of them."""
    moments = _moments(lately)
    last = {name: max(moments.get(name, ()), default=now - ONE_DAY) for name in silent}
    if silent and silent >= set(stores):
        yield Series("", ALL), missing(max(last.values()), now)
        return
    for name in silent:
        yield Series(name, ALL), missing(last[name], now)


def speechless(
    stores: Mapping[str, Store],
    lately: Mapping[Series, Sample],
    now: datetime,
    silent: Set[str],
    before: Mapping[Key, State],
) -> Iterator[tuple[Series, State]]:
    """Give the stores that others tell of and that do not speak themselves: a password is wrong, a right is missing."""
    heard = {(one.store, one.metric) for one, last in lately.items() if now - last.at <= STALE["minute"]}
    for name, store in stores.items():
        series = Series(name, ITSELF[store.engine])
        if name not in silent and (name, series.metric) not in heard:
            since = before[SILENT, series].since if (SILENT, series) in before else now
            yield series, State("missing" if now - since >= TWICE else "pending", since, now)


def missing(last: datetime, now: datetime) -> State:
    """Give the state of what has had no number since its last one."""
    return State("missing", last, last, value=(now - last).total_seconds())


def _moments(lately: Mapping[Series, Sample]) -> dict[str, list[datetime]]:
    found: dict[str, list[datetime]] = {}
    for series, sample in lately.items():
        found.setdefault(series.store, []).append(sample.at)
    return found
