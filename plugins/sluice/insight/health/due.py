"""What people are to be told of incidents at a look: that one opened, is worse, has more, is there still, is well. Pure.

What joins an incident that is open is told once, if nothing that people are told of explains it: at once where it is urgent, the
rest by and by. What has been well for a while and is wrong again is new.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sluice.estate.severity import SEVERITIES
from sluice.insight.health.telling import message
from sluice.ledger.incidents import Incident, Kind, Member, Message, Named

REMIND = timedelta(hours=4)
"""After so long people are told again of a P1 that is open, and of what joined an incident and can wait."""
BACK = timedelta(minutes=30)
"""What comes back within this after it was well is the same again: an incident, or what people have read of in one."""
URGENT = ("P1", "P2")
"""What joins an incident and cannot wait."""


@dataclass(frozen=True)
class Outcome:
    """The board as it is from now on, and what people are to be told."""

    incidents: tuple[Incident, ...]
    messages: tuple[Message, ...] = ()


def told(incidents: Sequence[Incident], now: datetime) -> Outcome:
    """Give what people are to be told of each incident, and each as it is when they were."""
    after, messages = [], []
    for one in incidents:
        if (kind := due(one, now)) is not None:
            new = joined(one) if kind == "more" else one.members
            messages.append(message(one, kind, now, new))
            one = _noted(one, kind, now, new)
        after.append(one)
    return Outcome(tuple(after), tuple(messages))


def due(one: Incident, now: datetime) -> Kind | None:
    """Say what people are to be told of an incident now, if anything."""
    if one.cleared is not None:
        return "cleared" if one.told and not one.told_cleared else None
    if one.hushed is not None or one.quiet is not None:
        return None
    if one.told is None or one.told_at is None:
        return "back" if one.times else "opened"
    if SEVERITIES.index(one.severity) < SEVERITIES.index(one.told):
        return "worse"
    rested = now - one.told_at >= REMIND
    if one.severity == "P1" and rested:
        return "reminder"
    return "more" if any(rested or each.severity in URGENT for each in joined(one)) else None


def joined(one: Incident) -> tuple[Member, ...]:
    """Give what of an incident no message has named, though people are to be told of it."""
    known = {each.key for each in one.named}
    return tuple(each for each in one.members if each.hushed is None and not each.follows and each.key not in known)


def _noted(one: Incident, kind: Kind, now: datetime, new: Sequence[Member]) -> Incident:
    if kind == "cleared":
        return replace(one, told_cleared=True)
    one = replace(one, named=_with(one.named, new))
    if kind != "more":
        return replace(one, told=one.severity, told_at=now)
    # Of a P1 people are reminded in its time, whatever joins it.
    return one if one.severity == "P1" else replace(one, told_at=now)


def _with(named: Sequence[Named], new: Iterable[Member]) -> tuple[Named, ...]:
    known = {each.key for each in named}
    more = (one for one in new if one.hushed is None and one.key not in known)
    return (*named, *(Named(one.rule, one.store, one.metric, one.subject) for one in more))


def remembered(one: Incident, others: Iterable[Named], now: datetime) -> Incident:
    """Carry on what people have read of, here or in others that this took from. What has been well for a while is forgotten."""
    here = {each.key for each in one.members}
    known = {each.key: each for each in others if each.key in here} | {each.key: each for each in one.named}
    carried = (replace(each, well_since=None if key in here else each.well_since or now) for key, each in known.items())
    kept = (each for each in carried if each.well_since is None or now - each.well_since <= BACK)
    return replace(one, named=tuple(kept))
