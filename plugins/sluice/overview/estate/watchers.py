"""Whether somebody looks at all: by the ages of what each of the watching DAGs leaves. Silence is none of health."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sluice.ledger.samples import LATELY, Samples
from sluice.ledger.seen import Kind, SeenThings
from sluice.overview.asked import Asked
from sluice.overview.links import dag_path
from sluice.overview.looked import OFTEN, REFRESHES

HEALTH = "watch_health"
"""It notes by its name that it has looked, as REFRESHES does."""
EACH_MINUTE = timedelta(minutes=10)
"""After so long without a sign, what looks each minute does not."""
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
    looked = {name: one.at for name, one in seen.all_of(Kind.LOOKED).items()}
    numbers = Samples(asked.ledger).latest(asked.now, within=LATELY, metrics=[COLLECTED])
    told = (
        (
            REFRESHES,
            "what backups, drills, months and copies are like",
            OFTEN,
            looked.get(REFRESHES),
        ),
        (
            "collect_samples",
            "whether anything is up, and how late replicas are",
            EACH_MINUTE,
            max((one.at for one in numbers.values()), default=None),
        ),
        (HEALTH, "whether anything is wrong", EACH_MINUTE, looked.get(HEALTH)),
    )
    for dag_id, what, often, last in told:
        yield Watcher(dag_id, what, often, last, asked.now - last if last else None)
