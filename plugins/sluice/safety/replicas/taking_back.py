"""Take the fences of a promotion back that did not come about, and say where each server stands.

Whoever lifts a fence while a replica leads has two servers that take writes. So every replica must answer that it follows: one
that is silent may have been promoted, unless a person says that it is dead.
"""

from __future__ import annotations

import time

from sluice.errors import Transient
from sluice.safety.replicas.planning import WORD, Asked, NotDead
from sluice.safety.replicas.promoting import FOLLOWS_WITHIN, take_back
from sluice.safety.replicas.rivals import check_ours
from sluice.safety.replicas.servers import Following, Group, Leading, look_at


class NotTakenBack(Transient):
    """The old server is fenced still, or nobody knows it."""


def standing(asked: Asked) -> tuple[str, ...]:
    """Say where each server stands, one a line. Reads only."""
    return _told(_look(asked))


def undo(asked: Asked) -> tuple[str, ...]:
    """Undo the fences, and say where each server stands then. Safe to repeat.

    Raises NotOurs, NotPromotable where a replica leads, NotDead where one is silent, NotTakenBack, Refused.
    """
    check_ours(asked.store, asked.by, ())
    replicas, dead = {one.name for one in asked.replicas}, {word.strip() for word in asked.word.split(",")}
    silent = [one.name for one in _look(asked).silent if one.name in replicas]
    if unsure := [words for name in silent if (words := WORD.format(old=name)) not in dead]:
        raise NotDead(
            f"{', '.join(silent)} of {asked.store}: no answer, which is no proof that nobody was promoted: two would take writes."
            f" Nothing was taken back. Stop it or cut it off yourself, then type: {', '.join(unsure)}"
        )
    take_back(asked)
    until = time.monotonic() + FOLLOWS_WITHIN
    while not _is_well(asked, found := _look(asked)) and time.monotonic() < until:
        time.sleep(0.2)
    old = [one for one in found.leading if one.name == asked.old.name]
    if not old or old[0].read_only:
        raise NotTakenBack(
            f"{asked.old.name} of {asked.store} {'is fenced still' if old else 'does not answer: it may be fenced still'}. The"
            f" replicas listen to it again. It is tried again by itself; where it is up and red, look who sets"
            " default_transaction_read_only there."
        )
    return _told(found)


def _look(asked: Asked) -> Group:
    return look_at([asked.old, *asked.replicas])


def _is_well(asked: Asked, found: Group) -> bool:
    leads = any(one.name == asked.old.name and not one.read_only for one in found.leading)
    return leads and all(one.receiver == "streaming" for one in found.following)


def _told(found: Group) -> tuple[str, ...]:
    return (
        *(_leads(one) for one in found.leading),
        *(_follows(one) for one in found.following),
        *(f"{one.name}: does not answer: {one.why}" for one in found.silent),
    )


def _leads(one: Leading) -> str:
    return f"{one.name}: {'fenced, its sessions begin read-only' if one.read_only else 'takes writes'}"


def _follows(one: Following) -> str:
    return f"{one.name}: follows, {one.receiver or 'and listens to nobody'}"
