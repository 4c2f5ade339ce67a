"""Promote a replica: fence, compare, promote, prove. What was broken off is gone on with by asking for it again.

The order is the proof. First nobody can acknowledge a write on the old server any more; only then positions are compared, and
whoever has received most has each write that was acknowledged.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sluice.errors import Terminal
from sluice.failpoints import failpoint
from sluice.safety.drill.heartbeat import Lost, beats_in, lost_between
from sluice.safety.driver import Clock, Tell
from sluice.safety.physical.wal import as_text, position
from sluice.safety.replicas.fencing import Fenced, allow_writes, cut, fence_writes, listen_to
from sluice.safety.replicas.planning import Asked, NotPromotable, Plan, plan_promotion, ranked
from sluice.safety.replicas.rivals import find_rivals
from sluice.safety.replicas.servers import Following, Leading, Server, look, look_at
from sluice.stores.postgres import Refused, StoreDown, connect, one, translated
from sluice.stores.statements import statement

ENDS_WITHIN = 60
"""Seconds in which a server must have replayed what it has and take writes."""
FOLLOWS_WITHIN = 30.0
"""Seconds in which the others should stream from the new one; told, and no failure."""


class NotProven(Terminal):
    """A replica was promoted, and is not what it must be."""


@dataclass(frozen=True)
class Promoted:
    """What was done, and what is proven of it."""

    store: str
    old: str
    new: str
    fence: str
    """How the old server was fenced, and the proof."""
    kept_all: bool
    """Whether each acknowledged write is in it, by proof."""
    timelines: tuple[int, int]
    """Before and after."""
    received: str
    """Up to where the new one had the log when nobody could acknowledge any more."""
    replayed: str
    """Up to where it has what the old one wrote: behind it begins its own."""
    lost: Lost | None
    """What is lost at least and at most, by beats, where it is not proven that nothing is."""
    following: tuple[str, ...]
    """Who streams from it."""
    not_following: tuple[str, ...]


def plan(asked: Asked) -> Plan:
    """Look at all servers, and say what is to be done. Reads only. Raises NotOurs, SplitBrain, NotPromotable, NotDead."""
    group = look_at([asked.old, *asked.replicas])
    silent = {one.name for one in group.silent}
    rivals: list[str] = []
    for server in (asked.old, *asked.replicas):
        if server.name not in silent:
            with connect(server.dsn, purpose="promote") as c, translated(f"looking who promotes {server.name}"):
                rivals += [found for found in find_rivals(c) if found not in rivals]
    return plan_promotion(asked, group, rivals)


def promote(asked: Asked, planned: Plan, clock: Clock, tell: Tell) -> Promoted:
    """Do what was planned. Notes the phases fenced, promoted, writable. Safe to repeat with a plan made anew.

    Raises NotFenced, NotPromotable, NotProven, StoreDown, Refused. Whatever is raised before `promoted`: `take_back` undoes it.
    """
    servers = {one.name: one for one in asked.replicas}
    if planned.fence is None:
        fenced = Fenced("word", "a promotion that was broken off is gone on with")
        best, stopped_at, new = None, None, servers[planned.chosen]
    else:
        fenced = _fence(asked, planned)
        failpoint("promotion.fenced")
        best = _best(asked, planned, fenced)
        new = servers[best.name]
        tell(f"{asked.store}: {fenced.proof}; {best.name} has the log up to {as_text(best.received)}")
        clock.note("fenced")
        stopped_at = _end_recovery(new)
    clock.note("promoted")
    failpoint("promotion.promoted")
    others = [one for one in asked.replicas if one.name != new.name]
    found = _proven(asked.store, new, best, fenced)
    clock.note("writable")
    _follow(others, new)
    failpoint("promotion.followed")
    following = _wait_following(new, others)
    made = Promoted(
        asked.store,
        asked.old.name,
        new.name,
        f"{fenced.how}: {fenced.proof}",
        planned.fence in ("read-only", "quorum"),
        (best.timeline if best else 0, found.timeline),
        as_text(best.received) if best else "",
        as_text(_replayed(new)),
        _lost(asked, new, stopped_at) if fenced.how == "word" else None,
        tuple(one.name for one in others if one.name in following),
        tuple(one.name for one in others if one.name not in following),
    )
    tell(f"{asked.store}: {made.new} takes writes, on timeline {found.timeline}, from {made.replayed} on")
    return made


def take_back(asked: Asked) -> None:
    """Undo the fences of a promotion that did not come about: the old server leads on, and all follow it. Safe to repeat.

    Raises NotPromotable where a replica leads by now.
    """
    group = look_at(asked.replicas)
    if group.leading:
        raise NotPromotable(
            f"{group.leading[0].name} of {asked.store} leads by now: there is no way back but another promotion."
        )
    with suppress(StoreDown):
        allow_writes(asked.old)
    for replica in asked.replicas:
        with suppress(StoreDown):
            listen_to(replica, asked.old)


def hold_off(old: Server) -> bool:
    """Fence the old server if it is back and leads; tell whether it was. Safe to repeat. Raises NotFenced, Refused."""
    found = look(old)
    if isinstance(found, Leading) and not found.read_only:
        fence_writes(old)
    return isinstance(found, Leading)


def _fence(asked: Asked, planned: Plan) -> Fenced:
    if planned.fence == "read-only":
        return fence_writes(asked.old)
    listening = [one for one in asked.replicas if one.name in planned.cut]
    cut(listening)
    if planned.fence == "word":
        return Fenced("word", f"a person says that {asked.old.name} is dead")
    return Fenced(
        "quorum", f"commits of {asked.old.name} wait for {asked.promise}, and {', '.join(planned.cut)} listen no more"
    )


def _best(asked: Asked, planned: Plan, fenced: Fenced) -> Following:
    """Compare again, now that nothing moves: whoever has most. Behind a fence, it has what the old one wrote last."""
    wanted = set(planned.cut) or {planned.chosen}
    until = time.monotonic() + ENDS_WITHIN
    while True:
        group = look_at([one for one in asked.replicas if one.name in wanted])
        able = ranked(group.following)
        if len(able) < len(wanted):
            raise NotPromotable(
                f"{', '.join(one.name for one in group.silent)} answered and answers no more: plan anew."
            )
        if fenced.last is None or able[0].received >= fenced.last:
            return able[0]
        if time.monotonic() > until:
            raise NotPromotable(
                f"{able[0].name} has not received {as_text(fenced.last)}, where {asked.old.name} ended, within {ENDS_WITHIN} s."
            )
        time.sleep(0.05)


def _end_recovery(new: Server) -> datetime:
    """Have it take writes; gives the moment before which it took none, by its clock. Raises NotProven."""
    with connect(new.dsn, purpose="promote") as c, translated(f"promoting {new.name}"):
        before: datetime = one(c, statement("replicas.find_role"))["now"]
        if one(c, statement("replicas.find_following"))["paused"]:
            c.execute(statement("replicas.resume_replay"))
        if not one(c, statement("replicas.promote"), seconds=ENDS_WITHIN)["done"]:
            raise NotProven(
                f"{new.name} was told to end its recovery, and has not within {ENDS_WITHIN} s: its log says why."
            )
        return before


def _proven(store: str, new: Server, best: Following | None, fenced: Fenced) -> Leading:
    """See that it takes writes, on a timeline of its own, with all that it had. Raises NotProven."""
    found = look(new)
    if not isinstance(found, Leading) or found.read_only:
        raise NotProven(f"{new.name} of {store} was promoted, and takes no writes: {found}.")
    with connect(new.dsn, purpose="promote", autocommit=False) as c, translated(f"writing to {new.name}"):
        c.execute(statement("replicas.write_locally"))
        one(c, statement("replicas.write_word"))
        c.commit()
    if best and found.timeline <= best.timeline:
        raise NotProven(f"{new.name} of {store} takes writes on timeline {found.timeline}, which is none of its own.")
    floor = max(best.replayed if best else 0, fenced.last or 0)
    if (replayed := _replayed(new)) < floor:
        raise NotProven(
            f"{new.name} of {store} has replayed up to {as_text(replayed)}, and {as_text(floor)} was there before."
        )
    return found


def _replayed(new: Server) -> int:
    with connect(new.dsn, purpose="promote") as c:
        return position(one(c, statement("replicas.find_promoted"))["replayed"] or "0/0")


def _follow(others: Sequence[Server], new: Server) -> None:
    for other in others:
        with suppress(StoreDown, Refused):  # who is silent now is told as not following
            if isinstance(look(other), Following):
                listen_to(other, new)


def _wait_following(new: Server, others: Sequence[Server]) -> set[str]:
    wanted, until = {one.name for one in others if isinstance(look(one), Following)}, time.monotonic() + FOLLOWS_WITHIN
    while True:
        found = look(new)
        there = (
            {name for name, link in found.links.items() if link.state == "streaming"}
            if isinstance(found, Leading)
            else set()
        )
        if wanted <= there or time.monotonic() > until:
            return wanted & there
        time.sleep(0.1)


def bounds(kept: Sequence[datetime], lived_at: datetime | None, dead_at: datetime, every: timedelta) -> Lost | None:
    """Bound what is lost by the beats that were kept, where a server died between two moments. Pure. None without a beat."""
    most = lost_between(kept, dead_at, every)
    least = lost_between(kept, lived_at, every) if lived_at else None
    return most and Lost(most.last_kept, least.at_least if least else timedelta(0), most.at_most)


def _lost(asked: Asked, new: Server, stopped_at: datetime | None) -> Lost | None:
    """Bound what is lost by the beats that came from the old server; None where nobody knows when it was heard last."""
    if stopped_at is None:
        return None
    with connect(new.dsn, purpose="promote") as c:
        kept = [at for at in beats_in(c) if at <= stopped_at]
    return bounds(kept, asked.lived_at, asked.dead_at or stopped_at, asked.beats_every)
