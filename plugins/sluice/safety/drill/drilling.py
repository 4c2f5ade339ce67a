"""Bring a store back for proof: restore, look, read all of it, compare, certify, and take it away again, whatever happens.

A moment is drawn. What the copy must hold there, counts say that were taken of the living store: at the position of one of them
all of it, in between all in which the two around it agree.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sluice.safety.census import Census, Moment, count_copy, unseen_in
from sluice.safety.comparing import lacking, settled
from sluice.safety.drill.certificate import Certificate, Compared, Goals, digest
from sluice.safety.drill.damage import find_damage
from sluice.safety.drill.heartbeat import beats_in, lost_between
from sluice.safety.driver import Clock, Driver, Restored, Tell, Window, name_scratch
from sluice.safety.target import Target
from sluice.stores.postgres import Connect, Connection, connect, one
from sluice.stores.statements import statement


@dataclass(frozen=True)
class Counted:
    """A census, and its key in the vault."""

    key: str
    census: Census

    @property
    def at(self) -> datetime:
        """When it was taken, by the store's clock."""
        return datetime.fromisoformat(self.census.moment.at)


@dataclass(frozen=True)
class Asked:
    """What a drill is to do."""

    target: Target
    at: datetime
    """When it was asked for, by the store's clock."""
    goals: Goals
    counted: Sequence[Counted]
    """The counts that are kept of the store, oldest first."""
    seed: str
    """Of the run: a second try has the same names."""


def draw(window: Window, seed: str) -> Target:
    """Draw a moment in the window: the same for a second try of the same drill. Pure."""
    span = (window.latest - window.earliest) / timedelta(microseconds=1)
    return Target.at(window.earliest + timedelta(microseconds=random.Random(seed).uniform(1, max(1.0, span))))


def drill(driver: Driver, asked: Asked, tell: Tell) -> Certificate:
    """Do one drill of a PostgreSQL store. What was brought back goes, also where this raises.

    Raises NotRecovered, Damaged, Broken, LogMissing, NotChecked, VaultDown.
    """
    clock, name = Clock(), name_scratch(driver.store, asked.at, asked.seed)
    with restored(driver, asked.target, name, clock, tell) as found, connect(found.address, purpose="drill") as copy:
        one(copy, statement("safety.find_reached"))
        clock.note("first query")
        against = expected(asked, found, copy)
        there = count_copy(_to(found), against.census.moment if against else _nothing_known(), tell)
        clock.note("fully read")
        kept = beats_in(copy)
        damaged = find_damage(found.address)
        clock.note("verified")
    # Only what is brought back to the latest moment tells what would be lost: any other was asked to have less.
    lost = lost_between(kept, asked.at) if asked.target.kind == "latest" else None
    return Certificate(
        store=driver.store,
        name=name,
        target=str(asked.target),
        asked_at=asked.at.isoformat(),
        backups=found.backups,
        reached=found.reached.isoformat() if found.reached else None,
        position=found.position,
        phases=clock.phases,
        goals=asked.goals,
        lost=(lost.at_least.total_seconds(), lost.at_most.total_seconds()) if lost else None,
        holds_sha256=digest(there),
        compared=compared(against, there) if against else None,
        damaged=damaged,
    )


@contextmanager
def restored(driver: Driver, target: Target, name: str, clock: Clock, tell: Tell) -> Iterator[Restored]:
    """Bring a store back for as long as the block lasts."""
    try:
        yield driver.restore(target, name, clock, tell)
    finally:
        driver.destroy(name)


def expected(asked: Asked, found: Restored, copy: Connection) -> Counted | None:
    """Choose what the copy must hold: its own census, the one at its very position, or what two around its moment agree in."""
    own = [one for one in asked.counted if one.key == found.census]
    if own:
        return own[-1]
    target = asked.target
    exact = [one for one in asked.counted if target == Target("position", one.census.moment.position or "")]
    if exact:
        return exact[-1] if not unseen_in(copy, exact[-1].census.moment) else None
    moment = datetime.fromisoformat(target.value) if target.kind == "time" else asked.at
    before = [one for one in asked.counted if one.at <= moment]
    after = [one for one in asked.counted if one.at > moment]
    if not before or not after:
        return None
    return Counted(before[-1].key, settled(before[-1].census, after[0].census))


def compared(against: Counted, copy: Census) -> Compared:
    """Hold the copy against what it must hold. Pure."""
    wanted = against.census
    return Compared(against.key, len(wanted.tables), wanted.rows, lacking(wanted, copy).lines)


def _nothing_known() -> Moment:
    return Moment(None, "", "0", ())


def _to(found: Restored) -> Connect:
    return lambda purpose: connect(found.address, purpose=purpose)
