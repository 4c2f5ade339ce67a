"""How far each follower is behind its stream: by its own word, and where it is silent, by the clock.

A follower that is paused, red or hung says nothing, and it is just the one whose stream is lost after a day. Each number tells
the place that it has reached, the moment less the seconds: without a newer word it falls behind that place.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from sluice.errors import SluiceError
from sluice.flow.insight.ledger import opened_ledger
from sluice.flow.project import migration_named

if TYPE_CHECKING:
    from datetime import datetime

    from sluice.ledger.samples import Sample, Samples, Series

log = logging.getLogger(__name__)

AGE = "stream_age_seconds"
SILENT = timedelta(minutes=10)
"""Behind by less, a follower is left to speak for itself: it does so every few minutes."""
BACK = timedelta(days=2)
"""How far back its last word is looked for: a stream keeps a day."""


def keep_stream_age(store: str, migration: str, seconds: float) -> None:
    """Keep how far a follower says that it is behind. A number that is missing is told elsewhere: never raises for the ledger."""
    from sluice.ledger.samples import Series

    try:
        with opened_ledger(f"stream {migration}") as ledger:
            ledger.samples.record(ledger.samples.now(), {Series(store, AGE, migration): seconds})
    except SluiceError as error:
        log.warning("How far %s is behind was not kept: %s", migration, error)


def keep_silent_streams(samples: Samples) -> int:
    """Keep how far each follower is behind at most that is under way and silent; give how many. Raises StoreDown."""
    from sluice.ledger.control import standing_since
    from sluice.migration.engine.steps import IN_FLIGHT

    now = samples.now()
    told = samples.latest(now, within=BACK, metrics=[AGE])
    behind: dict[Series, timedelta] = {}
    for name, since in standing_since(samples.connection, IN_FLIGHT).items():
        if series := _series_of(name):
            behind[series] = now - max(since, _place(told.get(series), since))
    return samples.record(now, {series: age.total_seconds() for series, age in behind.items() if age > SILENT})


def _place(told: Sample | None, otherwise: datetime) -> datetime:
    return told.at - timedelta(seconds=told.value) if told else otherwise


def _series_of(name: str) -> Series | None:
    """Give the series of a migration that follows a stream; None of another, and of one whose file cannot be read."""
    from sluice.ledger.samples import Series

    try:
        found = migration_named(name)
    except SluiceError:
        return None
    return Series(found.source.store, AGE, name) if found.follows_later else None
