"""Which replica is promoted, how the old server is fenced, and what may be lost by it. Pure and printable: a dry run is free."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sluice.errors import Terminal
from sluice.safety.drill.heartbeat import EVERY
from sluice.safety.physical.wal import as_text
from sluice.safety.replicas.fencing import How
from sluice.safety.replicas.promise import Promise
from sluice.safety.replicas.rivals import By, check_ours
from sluice.safety.replicas.servers import Following, Group, Leading, Server

WORD = "{old} is dead"
"""What a person types where nothing proves it."""


class NotPromotable(Terminal):
    """No replica can be promoted as things are: nothing was."""


class NotDead(Terminal):
    """The old server does not answer, which is no proof that it takes no writes."""


class SplitBrain(Terminal):
    """Two servers take writes."""


@dataclass(frozen=True)
class Proven:
    """What was proven before a replica was told to lead. It is kept: afterwards nobody can prove it again."""

    new: str
    how: How
    proof: str
    timeline: int
    received: int
    """Up to where it had the log."""
    replayed: int
    last: int | None
    """The position up to which the old server had written, where it was asked."""
    next_write: int | None = None
    """The number of the transaction that nobody was to begin there any more, where it was asked."""


@dataclass(frozen=True)
class Asked:
    """What is to be promoted, and what is known of it beforehand."""

    store: str
    old: Server
    replicas: tuple[Server, ...]
    by: By
    promise: Promise | None = None
    """For whom commits waited when the old server was last asked; None where nobody knows."""
    word: str = ""
    """What a person has typed of the old server: see `WORD`."""
    last_seen: int | None = None
    """The position at which the old server was last seen."""
    lived_at: datetime | None = None
    """When it was last known to live."""
    dead_at: datetime | None = None
    """When it was first known not to; None: when nobody listened to it any more."""
    beats_every: timedelta = EVERY
    """The pace of the store's heart."""
    led_since: str = ""
    """Who was promoted after the old server was last seen to lead; empty where nobody was."""
    proven: Proven | None = None
    """What a promotion that was broken off had proven."""

    @property
    def dead_by_word(self) -> bool:
        """Whether a person says that the old server is dead."""
        return self.word.strip() == WORD.format(old=self.old.name)


@dataclass(frozen=True)
class Plan:
    """What is to be done."""

    store: str
    old: str
    fence: How | None
    """None where a replica of ours leads already: a promotion that was broken off goes on behind it."""
    chosen: str
    cut: tuple[str, ...]
    """Who is told to listen to nobody, before positions are compared."""
    loses: str
    """What may be lost, in words; empty where nothing that was acknowledged can be."""
    standing: tuple[str, ...]
    """Where each replica stands, the best first."""

    def __str__(self) -> str:
        fences = {
            "read-only": f"fence {self.old}: sessions begin read-only, open ones are ended; its last write is waited for",
            "quorum": f"fence {self.old}: {', '.join(self.cut)} listen no more, so that no commit of its is acknowledged",
            "word": f"{self.old} is not fenced: a person says that it is dead; {', '.join(self.cut)} listen no more",
            None: f"{self.chosen} leads already: see that the others follow it",
        }
        lines = [fences[self.fence]]
        if self.fence:
            lines.append(f"promote {self.chosen}, or whoever has received more by then")
        others = [one.split(":")[0] for one in self.standing if not one.startswith(f"{self.chosen}:")]
        lines += [f"{one} follows {self.chosen}" for one in others]
        lines.append(f"may be lost: {self.loses}" if self.loses else "nothing that was acknowledged is lost")
        return "\n".join(
            [f"promotion in {self.store}", *(f"  {line}" for line in lines), *(f"  ({one})" for one in self.standing)]
        )


def plan_promotion(asked: Asked, group: Group, rivals: Iterable[str]) -> Plan:
    """Say what is to be done. Raises NotOurs, SplitBrain, NotPromotable, NotDead."""
    check_ours(asked.store, asked.by, rivals)
    names = {one.name for one in asked.replicas}
    old = next((one for one in group.leading if one.name == asked.old.name), None)
    new = [one for one in group.leading if one.name in names]
    able = ranked(one for one in group.following if one.name in names)
    if new:
        return _go_on(asked, old, new, able)
    if asked.led_since:
        raise NotPromotable(
            f"{asked.led_since} of {asked.store} leads since it was promoted, and does not answer: how {asked.old.name} is doing"
            f" says nothing of that. Nothing was promoted. Let `name` in its `replicas` be {asked.led_since}, then ask again."
        )
    if not able:
        raise NotPromotable(f"No replica of {asked.store} answers: {_why(group)}. Nothing was promoted.")
    reached = tuple(one.name for one in able)
    standing = tuple(_told(one) for one in able)
    if old:
        return Plan(asked.store, old.name, "read-only", _streaming(able, old).name, (), "", standing)
    if asked.promise and asked.promise.kept_by(set(reached)):
        return Plan(asked.store, asked.old.name, "quorum", able[0].name, reached, "", standing)
    if asked.dead_by_word:
        return Plan(asked.store, asked.old.name, "word", able[0].name, reached, _may_lose(asked, able[0]), standing)
    raise NotDead(
        f"{asked.old.name} of {asked.store} does not answer, which is not to be dead, and {_unproven(asked, reached)}. Nothing"
        f" was promoted. Stop it or cut it off yourself, then type: {WORD.format(old=asked.old.name)}"
    )


def ranked(able: Iterable[Following]) -> list[Following]:
    """Give whoever has most of the log first: of the newest timeline, by what it received, then by what it replayed."""
    return sorted(able, key=lambda one: (-one.timeline, -one.received, -one.replayed, one.name))


def _go_on(asked: Asked, old: Leading | None, new: Sequence[Leading], able: Sequence[Following]) -> Plan:
    """Go on behind a promotion that was broken off. Raises SplitBrain."""
    writing = [one.name for one in (*new, *([old] if old and not old.read_only else []))]
    if len(writing) > 1:
        raise SplitBrain(
            f"{' and '.join(writing)} of {asked.store} take writes, both. Stop the one that was left at once: each write to it"
            " is lost, or to be brought over by hand. Nothing was promoted."
        )
    standing = (f"{new[0].name}: leads, timeline {new[0].timeline}", *(_told(one) for one in able))
    return Plan(asked.store, asked.old.name, None, new[0].name, (), "", standing)


def _streaming(able: Sequence[Following], old: Leading) -> Following:
    for one in able:
        if one.receiver and one.system == old.system:
            return one
    raise NotPromotable(
        f"{old.name} answers, and none of {', '.join(one.name for one in able)} receives from it: what it wrote last would be"
        " lost. Mend the replication first, or leave it as it is."
    )


def _may_lose(asked: Asked, best: Following) -> str:
    seen = asked.last_seen
    known = f"at least {max(0, seen - best.received):,} bytes of the log" if seen else "nobody knows how much"
    return f"{known}: {asked.old.name} was not asked, and {best.name} has up to {as_text(best.received)}"


def _unproven(asked: Asked, reached: Sequence[str]) -> str:
    if not asked.promise:
        return "nobody knows for whom its commits wait: watch_replicas has not looked at it shortly before"
    if not asked.promise.names:
        return "its commits wait for nobody, so that it may acknowledge writes still"
    if asked.promise.anybody:
        return "its commits wait for anybody ('*'), so that a stranger may acknowledge them"
    return f"its commits wait for {asked.promise}, of whom {', '.join(reached)} are too few to stop it"


def _told(one: Following) -> str:
    return f"{one.name}: timeline {one.timeline}, received {as_text(one.received)}, replayed {as_text(one.replayed)}"


def _why(group: Group) -> str:
    return "; ".join(f"{one.name}: {one.why}" for one in group.silent) or "there is none"
