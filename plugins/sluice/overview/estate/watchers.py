"""Whether somebody looks at all: by the ages of what each of the watching DAGs leaves. Silence is none of health."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sluice.ledger.samples import LATELY, Samples
from sluice.ledger.seen import SeenThings
from sluice.overview.asked import Asked
from sluice.overview.capacity.shortened import KIND as REFRESHED
from sluice.overview.links import dag_path

KIND, HEALTH = "looked", "watch_health"
"""Under these the watch over health notes that it has looked."""
COLLECTED = "collection_seconds"
"""What each look of `collect_samples` keeps."""


@dataclass(frozen=True)
class Watcher:
    """A DAG that looks."""

    dag_id: str
    told: str
    """What is unknown while it does not."""
    often: timedelta
    """After so long without a sign of it, it does not look any more."""
    last: datetime | None
    """Its last sign; None where there was none, or none for hours."""
    age: timedelta | None

    @property
    def is_silent(self) -> bool:
        """Whether it does not look."""
        return self.age is None or self.age > self.often

    @property
    def link(self) -> str:
        """The path of the DAG, where one switches it on."""
        return dag_path(self.dag_id)


def watchers(asked: Asked) -> tuple[Watcher, ...]:
    """Give those that who asks may read, each with its last sign. Raises StoreDown."""
    return tuple(one for one in _watchers(asked) if asked.may_read(one.dag_id))


def _watchers(asked: Asked) -> Iterator[Watcher]:
    seen = SeenThings(asked.ledger)
    refreshed, health = seen.last_try(REFRESHED), seen.one_of(KIND, HEALTH)
    numbers = Samples(asked.ledger).latest(asked.now, within=LATELY, metrics=[COLLECTED])
    told = (
        (
            "refresh_overview",
            "what backups, drills, months and copies are like",
            15,
            refreshed,  # there is such a look in each run, whatever the estate has
        ),
        (
            "collect_samples",
            "whether anything is up, and how late replicas are",
            10,
            max((one.at for one in numbers.values()), default=None),
        ),
        (HEALTH, "whether anything is wrong", 10, health.at if health else None),
    )
    for dag_id, what, minutes, last in told:
        yield Watcher(dag_id, what, timedelta(minutes=minutes), last, asked.now - last if last else None)
