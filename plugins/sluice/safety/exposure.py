"""If a store died now: how much of the latest writes would be lost, how long it would take to come back, and who says so.

Pure, over what the vault has: whoever asks has the store's window, its backups, and the certificates of its drills.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from sluice.safety.drill.certificate import Certificate, Goals
from sluice.safety.drill.trend import AVAILABLE, is_whole, phases_of
from sluice.safety.driver import Taken, Window
from sluice.safety.words import lasts

TOO_SHORT = timedelta(minutes=1)
"""A log of less says nothing of how fast one is replayed: most of it is the start of the server."""
PROVEN_FOR = timedelta(days=2)
"""How old the last drill that passed may be: there is one each day."""


@dataclass(frozen=True)
class Facts:
    """What is known of one store."""

    store: str
    goals: Goals
    window: Window | None
    backups: Sequence[Taken]
    """Oldest first."""
    certificates: Sequence[Certificate]
    """Oldest first."""
    drill_at: time
    """When it is drilled each day, UTC."""
    on_its_way: timedelta
    """How much of the log may be on its way into the vault at any moment; zero where none is shipped."""
    silent: str = ""
    """Why the service that keeps its backups does not say what there is, where one does."""
    unread: Sequence[str] = ()
    """What could not be read of its proofs."""


@dataclass(frozen=True)
class Exposure:
    """How a store stands, if it died now."""

    store: str
    goals: Goals
    lose_at_most: float | None
    """Seconds of writes. None: all of it, there is no backup."""
    phases: Mapping[str, float] | None
    """Seconds that each phase would take; None where no drill has come back whole."""
    basis: str | None
    """The certificate that says so."""
    proven_at: datetime | None
    """When a drill last passed."""
    proof: str | None
    """Its certificate."""
    failed_since: int
    """How many drills were red since."""
    next_drill: datetime
    window: Window | None
    warnings: tuple[str, ...]
    """What is wrong with that; empty where it is within what was promised, and proven."""
    silent: bool = False
    """Whether the service that keeps its backups did not answer: then nobody knows what would be lost."""

    @property
    def lost(self) -> str:
        """How much of the latest writes, in words."""
        if self.silent:
            return "unknown"
        return "all of it" if self.lose_at_most is None else lasts(self.lose_at_most)

    @property
    def back_in(self) -> float | None:
        """Seconds until it would be available; None where no drill has come back whole."""
        return sum(self.phases.values()) if self.phases is not None else None


def exposure(facts: Facts, now: datetime) -> Exposure:
    """Say how a store stands at that moment."""
    drills = [one for one in facts.certificates if not one.is_full_recovery]
    passed = [one for one in drills if not one.wrong]
    whole = [one for one in drills if is_whole(one)]
    proof = passed[-1] if passed else None
    since = [one for one in drills if one.wrong and (not proof or one.asked_at > proof.asked_at)]
    found = Exposure(
        store=facts.store,
        goals=facts.goals,
        lose_at_most=_lost(facts, now),
        phases=_phases(facts, whole[-1]) if whole and facts.window else None,
        basis=whole[-1].key if whole else None,
        proven_at=datetime.fromisoformat(proof.asked_at) if proof else None,
        proof=proof.key if proof else None,
        failed_since=len(since),
        next_drill=_next(facts.drill_at, now),
        window=facts.window,
        warnings=(),
        silent=bool(facts.silent),
    )
    return Exposure(
        **{**vars(found), "warnings": (*_warnings(facts, found, now), *facts.unread, *_old_ones(facts.certificates))}
    )


def _lost(facts: Facts, now: datetime) -> float | None:
    """What came in since the vault's newest, and what was on its way when that was stored."""
    if facts.window is None:
        return None
    return (max(now - facts.window.latest, timedelta(0)) + facts.on_its_way).total_seconds()


def _phases(facts: Facts, drilled: Certificate) -> dict[str, float]:
    """Scale a drill's phases: what is fetched by its size, and what is replayed by how long a log lies behind the backup."""
    if not facts.backups:  # a service's own history alone: nothing says how large it was
        return dict(phases_of(drilled))
    known = {one.id: one for one in facts.backups}
    newest = facts.backups[-1]
    before, today = _bytes(known, drilled.backups), _bytes(known, _chain(known, newest))
    size = today / before if before and today else 1.0
    return {
        name: seconds * (_replayed(facts, drilled, known, newest) if name == AVAILABLE else size)
        for name, seconds in phases_of(drilled).items()
    }


def _replayed(facts: Facts, drilled: Certificate, known: Mapping[str, Taken], newest: Taken) -> float:
    """Give by what a replay is longer than the drill's was; never shorter, since part of it is the start of the server."""
    base = known.get(drilled.backups[-1]) if drilled.backups else None
    if base is None or facts.window is None:
        return 1.0
    then = datetime.fromisoformat(drilled.reached or drilled.asked_at) - base.whole_at
    return max(1.0, (facts.window.latest - newest.whole_at) / then) if then > TOO_SHORT else 1.0


def _bytes(known: Mapping[str, Taken], names: Sequence[str]) -> int | None:
    """Add up what backups have; None where one is no longer there."""
    return sum(known[name].bytes for name in names) if names and all(name in known for name in names) else None


def _chain(known: Mapping[str, Taken], last: Taken) -> list[str]:
    chain = [last.id]
    while (before := known[chain[0]].after) and before in known:
        chain.insert(0, before)
    return chain


def _next(at: time, now: datetime) -> datetime:
    today = now.replace(hour=at.hour, minute=at.minute, second=0, microsecond=0)
    return today if today > now else today + timedelta(days=1)


def _warnings(facts: Facts, found: Exposure, now: datetime) -> Iterator[str]:
    if found.silent:
        yield f"nobody knows what would be lost: {facts.silent}"
    elif found.lose_at_most is None:
        yield "there is no backup: all of it would be lost"
    elif found.lose_at_most > found.goals.losing_at_most:
        yield f"up to {lasts(found.lose_at_most)} of writes would be lost; the RPO is {lasts(found.goals.losing_at_most)}"
    if facts.window and not facts.backups:
        yield "there is a history and no backup beside it: nothing is left where whoever keeps that history is gone"
    if found.back_in is None:
        yield "no drill has come back whole: nobody knows how long it takes, nor whether it can"
    elif found.back_in > found.goals.back_within:
        yield f"it would take {lasts(found.back_in)}; the RTO is {lasts(found.goals.back_within)}"
    if found.failed_since:
        yield f"{found.failed_since} drills were red since the last that passed"
    if found.proven_at and now - found.proven_at > PROVEN_FOR:
        yield f"the last drill that passed is {lasts((now - found.proven_at).total_seconds())} old"


def _old_ones(certificates: Sequence[Certificate]) -> Iterator[str]:
    """Name the last full recovery, of a backup here and of one elsewhere, that was red."""
    last = {one.target.split(" ")[0]: one for one in certificates if one.is_full_recovery}
    yield from (f"the last full recovery, {one.target}, was red: {one.wrong[0]}" for one in last.values() if one.wrong)
