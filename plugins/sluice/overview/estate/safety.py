"""How safe a store is, out of what a look has left: what would be lost if it died now, and in what time it would be back. Pure.

A look leaves the facts, not the answer: what would be lost grows by the second, and `exposure` works it out for the moment of
the page. While the log is shipped, what was seen a moment ago is truer than that: it has come in since, and nobody has looked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from sluice.ledger.seen import Seen
from sluice.overview.drills.condensed import condensed, restored, that_matter
from sluice.overview.links import evidence_path
from sluice.overview.states import State
from sluice.safety.drill.certificate import Goals
from sluice.safety.driver import Taken, Window
from sluice.safety.exposure import Exposure, Facts, exposure
from sluice.safety.words import lasts

FRESH = timedelta(minutes=12)
"""How old a look may be, two of them and a bit, and still be how things stand where the log is shipped."""


@dataclass(frozen=True)
class Safety:
    """If a store died now."""

    found: Exposure
    """As of `reckoned`."""
    reckoned: datetime
    looked: datetime
    newest: datetime | None
    """When its newest backup was whole."""
    whole: datetime | None
    """When its newest was that rests on none before it."""
    whole_id: str | None
    silent: str
    """Why the service that keeps its backups did not say what there is; empty where it did."""
    failed: str
    """Why the last look found nothing; empty where it did."""

    @property
    def lose(self) -> str:
        """How much of the latest writes, in words."""
        least = self.found.lose_at_most is not None and not self.found.silent
        return f"≤ {self.found.lost}" if least else self.found.lost

    @property
    def back(self) -> str:
        """After how long it would be back, in words."""
        return "nobody knows" if self.found.back_in is None else f"~ {lasts(self.found.back_in)}"

    @property
    def loses_too_much(self) -> bool:
        """Whether more would be lost than was promised, or nobody knows."""
        most = self.found.lose_at_most
        return self.found.silent or most is None or most > self.found.goals.losing_at_most

    @property
    def takes_too_long(self) -> bool:
        """Whether it would take longer than was promised."""
        return self.found.back_in is not None and self.found.back_in > self.found.goals.back_within

    @property
    def state(self) -> State:
        """Bad where a promise is broken, or nobody knows; warn where something else is wrong with it."""
        if self.loses_too_much or self.takes_too_long:
            return "bad"
        return "warn" if self.found.warnings or self.failed else "good"

    @property
    def proof(self) -> str | None:
        """The path of the certificate of the last drill that passed."""
        return evidence_path(self.found.proof) if self.found.proof else None

    @property
    def basis(self) -> str | None:
        """The path of the certificate by which the time was reckoned."""
        return evidence_path(self.found.basis) if self.found.basis else None


def facts_told(facts: Facts) -> dict[str, Any]:
    """Write what a page needs of a store's facts."""
    certificates = that_matter(facts.certificates)
    wanted = {name for one in certificates for name in one.backups}
    return {
        "window": [facts.window.earliest.isoformat(), facts.window.latest.isoformat()] if facts.window else None,
        "backups": [_backup(one) for one in _needed(facts.backups, wanted)],
        "certificates": [condensed(one) for one in certificates],
        "drill_at": facts.drill_at.isoformat(),
        "on_its_way": facts.on_its_way.total_seconds(),
        "silent": facts.silent,
        "unread": list(facts.unread[:3]),
    }


def facts_read(store: str, told: Mapping[str, Any], goals: Goals) -> Facts:
    """Read them again, held against what is promised today."""
    window = [datetime.fromisoformat(one) for one in told["window"] or ()]
    return Facts(
        store=store,
        goals=goals,
        window=Window(*window) if window else None,
        backups=[Taken(id, datetime.fromisoformat(at), size, after) for id, at, size, after in told["backups"]],
        certificates=[restored(store, one) for one in told["certificates"]],
        drill_at=time.fromisoformat(told["drill_at"]),
        on_its_way=timedelta(seconds=told["on_its_way"]),
        silent=told["silent"],
        unread=told["unread"],
    )


def safety_at(seen: Seen, goals: Goals, now: datetime) -> Safety | None:
    """Say how a store stands now, by what was seen of it; None where nothing was yet."""
    if seen.at is None:
        return None
    facts = facts_read(seen.subject, seen.found, goals)
    reckoned = moment_of(facts, seen.at, now)
    whole = [one for one in facts.backups if one.after is None]
    return Safety(
        found=exposure(facts, reckoned),
        reckoned=reckoned,
        looked=seen.at,
        newest=facts.backups[-1].whole_at if facts.backups else None,
        whole=whole[-1].whole_at if whole else None,
        whole_id=whole[-1].id if whole else None,
        silent=facts.silent,
        failed=seen.failed,
    )


def moment_of(facts: Facts, looked: datetime, now: datetime) -> datetime:
    """Give the moment that a store is judged as of: now, or of one whose log comes in all the time the last look, while young."""
    return looked if facts.on_its_way and now - looked <= FRESH else now


def _needed(backups: Sequence[Taken], wanted: set[str]) -> Iterator[Taken]:
    """Give the newest with what it rests on, the newest whole one, and those that a drill is held against."""
    known = {one.id: one for one in backups}
    one = backups[-1] if backups else None
    while one:
        wanted = wanted | {one.id}
        one = known.get(one.after) if one.after and one.after not in wanted else None
    wanted |= {one.id for one in [one for one in backups if one.after is None][-1:]}
    yield from (one for one in backups if one.id in wanted)


def _backup(one: Taken) -> list[Any]:
    return [one.id, one.whole_at.isoformat(), one.bytes, one.after]
