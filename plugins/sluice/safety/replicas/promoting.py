"""Promote a replica: fence, compare, promote, prove. What was broken off is gone on with by asking for it again.

The order is the proof. First nobody can acknowledge a write on the old server any more; only then positions are compared, and
whoever has received most has each write that was acknowledged.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sluice.errors import SluiceError, Terminal
from sluice.failpoints import failpoint
from sluice.safety.drill.heartbeat import Lost, beats_in, lost_between
from sluice.safety.driver import Clock, Tell
from sluice.safety.physical.wal import as_text, position
from sluice.safety.replicas.fencing import Fenced, allow_writes, cut, fence_writes, is_cut, listen_to
from sluice.safety.replicas.planning import Asked, NotPromotable, Plan, Proven, plan_promotion, ranked
from sluice.safety.replicas.promise import read_promise
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
    waits_for: str
    """For whom its commits wait, by its own settings: the next promotion proves as much as they say."""
    next_write: int | None
    """The number that the old server's next transaction would have, where it was fenced: nobody is to write there since."""


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


def promote(
    asked: Asked, planned: Plan, clock: Clock, tell: Tell, note: Callable[[Proven], None] = lambda _: None
) -> Promoted:
    """Do what was planned. Notes the phases fenced, promoted, writable. Safe to repeat with a plan made anew.

    `note` keeps what was proven, before anybody is told to lead: whoever goes on has it in `asked`. What is raised before
    that takes the fence back. Raises NotFenced, NotPromotable, NotProven, StoreDown, Refused.
    """
    servers = {one.name: one for one in asked.replicas}
    stopped_at = None
    if planned.fence is None:
        new = servers[planned.chosen]
        proven = _proven_before(asked, new)
    else:
        proven = _prove(asked, planned, tell)
        note(proven)
        failpoint("promotion.fenced")
        new = servers[proven.new]
        tell(f"{asked.store}: {proven.proof}; {new.name} has the log up to {as_text(proven.received)}")
        clock.note("fenced")
        stopped_at = _end_recovery(new)
    clock.note("promoted")
    failpoint("promotion.promoted")
    others = [one for one in asked.replicas if one.name != new.name]
    found = _see_leading(asked.store, new, proven)
    clock.note("writable")
    _follow(others, new)
    failpoint("promotion.followed")
    following = _wait_following(new, others)
    made = Promoted(
        asked.store,
        asked.old.name,
        new.name,
        f"{proven.how}: {proven.proof}",
        proven.how in ("read-only", "quorum"),
        (proven.timeline, found.timeline),
        as_text(proven.received) if proven.received else "",
        as_text(_replayed(new)),
        _lost(asked, new, stopped_at) if proven.how == "word" else None,
        tuple(one.name for one in others if one.name in following),
        tuple(one.name for one in others if one.name not in following),
        str(read_promise(found.standby_names)),
        proven.next_write,
    )
    tell(f"{asked.store}: {made.new} takes writes, on timeline {found.timeline}, from {made.replayed} on")
    tell(f"{asked.store}: commits of {made.new} wait for {made.waits_for}, by its synchronous_standby_names")
    return made


def take_back(asked: Asked) -> tuple[str, ...]:
    """Undo the fences of a promotion that did not come about: the old server leads on, and who was cut off follows it again.

    Safe to repeat. Names who did not answer: what was fenced there is fenced still. Raises NotPromotable where a replica leads.
    """
    group = look_at(asked.replicas)
    if group.leading:
        raise NotPromotable(
            f"{group.leading[0].name} of {asked.store} leads by now: there is no way back but another promotion."
        )
    silent = []
    try:
        allow_writes(asked.old)
    except StoreDown:
        silent.append(asked.old.name)
    for replica in asked.replicas:
        try:
            if is_cut(replica):
                listen_to(replica, asked.old)
        except StoreDown:
            silent.append(replica.name)
    return tuple(silent)


def hold_off(old: Server) -> Fenced | None:
    """Fence the old server if it is back and leads; None where it is not. Safe to repeat.

    Raises NotFenced, Refused, StoreDown.
    """
    return fence_writes(old) if isinstance(look(old), Leading) else None


def _prove(asked: Asked, planned: Plan, tell: Tell) -> Proven:
    """Fence, and compare behind the fence. Whoever cannot be promoted leaves no fence behind: users could write nowhere."""
    try:
        fenced = _fence(asked, planned)
        best = _best(asked, planned, fenced)
    except SluiceError:
        tell(f"{asked.store}: nothing was promoted; {_given_up(asked)}")
        raise
    return Proven(
        best.name,
        fenced.how,
        fenced.proof,
        best.timeline,
        best.received,
        best.replayed,
        fenced.last,
        fenced.next_write,
    )


def _given_up(asked: Asked) -> str:
    """Take the fence back, and say what became of it. Not where somebody was told to lead before: that may come about yet."""
    if asked.proven:
        return f"the fence stands, as {asked.proven.new} was told to lead and may do so yet: ask again"
    try:
        silent = take_back(asked)
    except SluiceError as error:
        return f"the fence stands: {error}"
    left = f". {' and '.join(silent)} did not answer: what is fenced there is fenced still" if silent else ""
    return f"the fence was taken back{left}"


def _proven_before(asked: Asked, new: Server) -> Proven:
    """Give what a promotion that was broken off had proven, where it was of this very server and nothing came to it since."""
    told, replayed = asked.proven, _replayed(new)
    known = told is not None and told.new == new.name and replayed >= max(told.replayed, told.last or 0)
    if told and known and (told.how != "quorum" or replayed <= told.received):
        return told
    return Proven(new.name, "word", "a promotion that was broken off is gone on with", 0, 0, 0, None)


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


def _see_leading(store: str, new: Server, proven: Proven) -> Leading:
    """See that it takes writes, on a timeline of its own, with all that it had. Raises NotProven."""
    found = look(new)
    if not isinstance(found, Leading) or found.read_only:
        raise NotProven(f"{new.name} of {store} was promoted, and takes no writes: {found}.")
    with connect(new.dsn, purpose="promote", autocommit=False) as c, translated(f"writing to {new.name}"):
        c.execute(statement("replicas.write_locally"))
        one(c, statement("replicas.write_word"))
        c.commit()
    if found.timeline <= proven.timeline:
        raise NotProven(f"{new.name} of {store} takes writes on timeline {found.timeline}, which is none of its own.")
    floor = max(proven.replayed, proven.last or 0)
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
