"""All migrations: of every file, and of every one that the ledger remembers; those that want a person first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sluice.ledger.samples import Samples
from sluice.ledger.seen import Kind, Seen, SeenThings
from sluice.migration.engine.contract import Phase
from sluice.overview.asked import Asked
from sluice.overview.looked import REFRESHES
from sluice.overview.migrations.compared import last_compared, last_verdicts
from sluice.overview.migrations.names import dag_of
from sluice.overview.migrations.standing import LOOKED_WITHIN, Known, Standing, standing
from sluice.stores.postgres import Row, rows, translated
from sluice.stores.statements import statement

SAID_WITHIN = timedelta(days=2)
"""How far back a follower's last word is looked for: a stream keeps a day."""


@dataclass(frozen=True)
class Migrations:
    """All that one may read."""

    at: datetime
    looked: datetime | None
    """When somebody looked last, whatever came of it; None where nobody ever did."""
    migrations: tuple[Standing, ...]

    @property
    def waiting(self) -> int:
        """How many questions wait for a person."""
        return sum(len(one.waiting) for one in self.migrations)

    @property
    def wrong(self) -> int:
        """Of how many something is wrong beside a question."""
        return sum(len(one.wants) > len(one.waiting) for one in self.migrations)

    @property
    def is_silent(self) -> bool:
        """Whether nobody looks: what is shown is as old as the last look then."""
        return bool(self.migrations) and (self.looked is None or self.at - self.looked > LOOKED_WITHIN)

    @property
    def under_way(self) -> int:
        """How many have begun and are not over."""
        return sum(one.phase not in (Phase.PLANNED, Phase.RETIRED) for one in self.migrations)


def migrations(asked: Asked) -> Migrations:
    """Answer. Raises StoreDown."""
    looked = SeenThings(asked.ledger).one_of(Kind.LOOKED, REFRESHES)
    return Migrations(
        asked.now, looked.at if looked else None, tuple(sorted(standings(asked), key=lambda one: (one.rank, one.name)))
    )


def standings(asked: Asked, names: Sequence[str] | None = None) -> list[Standing]:
    """Give all of them, or some, as far as one may read their DAGs. Raises StoreDown."""
    seen = SeenThings(asked.ledger).all_of(Kind.MIGRATION)
    with translated("reading where migrations stand"):
        stood = {row["name"]: row for row in rows(asked.ledger, statement("remembered.list_stood"), names=None)}
    known = {name for name in {*seen, *stood} if names is None or name in names}
    readable = sorted(name for name in known if asked.may_read(dag_of(name)))
    return [standing(one) for one in _known(asked, readable, seen, stood)]


def _known(asked: Asked, names: Sequence[str], seen: Mapping[str, Seen], stood: Mapping[str, Row]) -> list[Known]:
    verdicts = last_verdicts(asked.ledger, names, asked.may_read)
    compared = last_compared(asked.ledger, names, verdicts)
    said = Samples(asked.ledger).latest(asked.now, within=SAID_WITHIN, metrics=["stream_age_seconds"])
    behind = {series.subject: sample for series, sample in said.items()}
    return [
        Known(
            name,
            seen.get(name),
            stood.get(name),
            verdicts[name],
            compared.get(name),
            behind.get(name),
            [one for one in asked.waiting if one.dag_id == dag_of(name)],
            asked.now,
            _came(stood.get(name)),
        )
        for name in names
    ]


def _came(stood: Row | None) -> Mapping[str, datetime]:
    return {stood["phase"]: stood["at"]} if stood else {}
