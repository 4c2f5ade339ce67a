"""Kill the server that leads, promote another by the very code of the real day, and count what clients were promised.

All of it on servers of our own: a drill never touches one that lives.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sluice.safety.driver import Clock, Tell
from sluice.safety.replicas.planning import WORD, Asked
from sluice.safety.replicas.promise import read_promise
from sluice.safety.replicas.promoting import Promoted, plan, promote
from sluice.safety.replicas.rebuilding import Rebuilt, rebuild
from sluice.safety.replicas.scratch_group import Member, set_standby_names
from sluice.safety.replicas.servers import Leading, Silent, look
from sluice.safety.replicas.trial import BEATS_EVERY, Trial
from sluice.stores.postgres import connect

CLIENTS = 4
WRITES = 200
"""How many writes are acknowledged before the server dies, and how many after, before they are counted."""
NOTICED_AFTER = 3
"""How often in a row a server must not answer."""
BETWEEN = 0.1


@dataclass(frozen=True)
class Round:
    """One promotion under load."""

    synchronous: bool
    died_at: datetime
    """By the clock of the server that died."""
    phases: Mapping[str, float]
    """Seconds from its death until each had ended; the last is the first write that was acknowledged again."""
    acknowledged: int
    """Keys that clients were promised in this round before it died."""
    lost: int
    """How many are not there of all that was ever promised."""
    lost_for: float
    """Seconds from when the first of those was promised until its server died: what was measured, beside what is bounded."""
    promoted: Promoted
    rebuilt: Rebuilt

    @property
    def told(self) -> dict[str, Any]:
        """What it comes to, as JSON has it."""
        lost, kept_all = self.promoted.lost, self.promoted.kept_all
        bounds = [lost.at_least.total_seconds(), lost.at_most.total_seconds()] if lost else None
        return {
            "synchronous": self.synchronous,
            "promoted": self.promoted.new,
            "fence": self.promoted.fence,
            "proven_whole": kept_all,
            "acknowledged": self.acknowledged,
            "lost": self.lost,
            "lost_seconds": round(self.lost_for, 3),
            "lost_seconds_bounds": bounds,
            "phases": dict(self.phases),
            "rebuilt_by": self.rebuilt.by,
        }


def play_round(
    group: Sequence[Member],
    leading: Member,
    trial: Trial,
    synchronous: bool,
    tell: Tell,
    meanwhile: Callable[[], None] = lambda: None,
) -> tuple[Round, Member]:
    """Kill the one that leads, promote another, count, and bring the old one back as a replica; gives who leads now.

    `meanwhile` is done right before it dies. Raises what a promotion raises, NotRecovered, TimeoutError.
    """
    others = [one for one in group if one.name != leading.name]
    set_standby_names(leading, [one.name for one in others] if synchronous else [])
    began = time.monotonic()
    with trial.running(CLIENTS):
        trial.wait_since(began, WRITES)
        meanwhile()
        looked, seen = time.monotonic(), look(leading.server)
        assert isinstance(seen, Leading)
        leading.kill()
        died, clock = time.monotonic(), Clock()
        died_at = seen.now + timedelta(seconds=died - looked)
        promised = sum(began < at <= died for at in list(trial.acknowledged.values()))
        _notice(leading)
        clock.note("noticed")
        asked = Asked(
            store="drill",
            old=leading.server,
            replicas=tuple(one.server for one in others),
            by="sluice",
            promise=read_promise(seen.standby_names),
            word="" if synchronous else WORD.format(old=leading.name),
            last_seen=seen.position,
            lived_at=died_at,
            dead_at=died_at,
            beats_every=BEATS_EVERY * 3,  # at most, while everything is busy
        )
        promoted = promote(asked, plan(asked), clock, tell)
        clock.phases["first write"] = round(trial.wait_since(died, WRITES) - clock.begun, 3)
    new = next(one for one in others if one.name == promoted.new)
    with connect(new.server.dsn, purpose="drill") as c:
        lost = trial.lost(c)
    first = min((trial.acknowledged.pop(key) for key in lost), default=died)  # the next round counts its own
    rebuilt = rebuild(leading, new)
    made = Round(synchronous, died_at, clock.phases, promised, len(lost), died - first, promoted, rebuilt)
    after = clock.phases["first write"]
    tell(f"{promoted.new} takes writes after {after:.2f} s; {len(lost)} of {promised} promised ones are lost")
    return made, new


def _notice(leading: Member) -> None:
    """Wait until a server has not answered several times in a row."""
    missed = 0
    while missed < NOTICED_AFTER:
        missed = missed + 1 if isinstance(look(leading.server), Silent) else 0
        time.sleep(BETWEEN)
