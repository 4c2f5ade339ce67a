"""Bring a store back for proof: restore, look, read all of it, compare, certify, and take it away again, whatever happens.

A moment is drawn. What the copy must hold there, counts say that were taken of the living store: at the position of one of them
all of it, in between all in which the two around it agree.

At the latest moment a store holds more than any count has seen. So two copies are made, one after the other: that of the latest
moment says how long it takes and what would be lost, the other one, at the position of the newest count, is compared with that.
Whoever counts right before the drill has nearly all of the log proven.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sluice.safety.census import UNSEEN, Census, Moment, count_copy, unseen_in
from sluice.safety.comparing import lacking, settled
from sluice.safety.drill.baseline import Baseline, held_against, take_baseline
from sluice.safety.drill.certificate import Certificate, Compared, Goals, digest
from sluice.safety.drill.checking import Check, check_copy
from sluice.safety.drill.damage import find_beside, find_damage
from sluice.safety.drill.heartbeat import Lost, beats_in, lost_between
from sluice.safety.driver import Clock, Driver, Restored, Tell, Window, is_of_run, name_scratch
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

    @property
    def place(self) -> Target:
        """Where a copy has just what it counts."""
        return Target("position", self.census.moment.position or "")


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
    name: str | None = None
    """Under which name the copy is brought up already, where a task before has begun it; None: one is made of `at` and `seed`."""
    baseline: Baseline | None = None
    """How fast the living store answers, where somebody timed that."""
    slower_at_most: float = 3.0
    """By what factor a read of the copy may take longer."""
    checks: Sequence[Check] = ()
    """A person's own suites, by table."""


def draw(window: Window, seed: str) -> Target:
    """Draw a moment in the window: the same for a second try of the same drill. Pure."""
    span = (window.latest - window.earliest) / timedelta(microseconds=1)
    drawn = window.earliest + timedelta(microseconds=random.Random(seed).uniform(1, max(1.0, span)))
    # A whole second, where the window has one: some services take nothing finer, and what is compared is of this very moment.
    whole = drawn.replace(microsecond=0)
    return Target.at(whole if whole > window.earliest else drawn)


def drill(driver: Driver, asked: Asked, tell: Tell) -> Certificate:
    """Do one drill of a PostgreSQL store. What was brought back goes, also where this raises.

    Raises NotRecovered, Damaged, Broken, LogMissing, NotChecked, VaultDown.
    """
    clock, name = Clock(), asked.name or name_scratch(driver.store, asked.at, asked.seed)
    clear_tries(driver, asked, name)
    with restored(driver, asked.target, name, clock, tell) as found, connect(found.address, purpose="drill") as copy:
        one(copy, statement("safety.find_reached"))
        clock.note("first query")
        expects = expected(asked, found, copy)
        there = count_copy(_to(found), expects.moment, tell)
        clock.note("fully read")
        kept = beats_in(copy)
        beside = find_beside(found.address) if found.whole_server else ()
        damaged = find_damage(found.address, found.whole_server)
        clock.note("verified")
        checked = check_copy(_to(found), asked.checks, found.reached or asked.at)
        live = asked.baseline
        paced = held_against(take_baseline(copy, live), live, asked.slower_at_most) if live else None
    held = compared(expects.counted, there, asked.target) if expects.counted else None
    if expects.apart:
        held, expects = compare_apart(driver, asked, expects.apart, tell)
    made = certify(driver.store, asked, found, clock, lost_between(kept, asked.at), digest(there))
    return replace(made, compared=held, damaged=damaged, uncompared=expects.unknown, baseline=paced, checked=checked,
                   uncounted=beside)  # fmt: skip


def clear_tries(driver: Driver, asked: Asked, name: str) -> None:
    """Take away what another try of the same drill has left that was killed, and what that takes up."""
    for left in driver.scratches():
        if left != name and is_of_run(left, driver.store, asked.seed):
            driver.destroy(left)


def certify(store: str, asked: Asked, found: Restored, clock: Clock, lost: Lost | None, digested: str) -> Certificate:
    """Write down what every drill has in common. What was compared, and found damaged, is not in it yet. Pure."""
    # Only what is brought back to the latest moment tells what would be lost: any other was asked to have less.
    bounds = (lost.at_least.total_seconds(), lost.at_most.total_seconds()) if lost else None
    return Certificate(
        store=store,
        name=found.name,
        target=str(asked.target),
        asked_at=asked.at.isoformat(),
        backups=found.backups,
        reached=found.reached.isoformat() if found.reached else None,
        position=found.position,
        phases=clock.phases,
        goals=asked.goals,
        lost=bounds if asked.target.kind == "latest" else None,
        holds_sha256=digested,
        compared=None,
        damaged=(),
        unlike=found.unlike,
    )


def failed(store: str, asked: Asked, why: Exception) -> Certificate:
    """Write down a drill that brought nothing back: the worst of all must not be the one that leaves no trace. Pure."""
    nothing = Restored(asked.name or name_scratch(store, asked.at, asked.seed), "", (), None, None)
    return replace(certify(store, asked, nothing, Clock(), None, ""), uncompared=f"{type(why).__name__}: {why}")


def compare_apart(driver: Driver, asked: Asked, counted: Counted, tell: Tell) -> tuple[Compared | None, Expected]:
    """Bring the store back once more, to the position of a count, and compare that copy; it goes, too."""
    target = counted.place
    name = name_scratch(driver.store, asked.at, f"{asked.seed} compared")
    with restored(driver, target, name, Clock(), tell) as found, connect(found.address, purpose="drill") as copy:
        expects = expected(replace(asked, target=target, counted=[counted]), found, copy)
        if not expects.counted:
            return None, expects
        return compared(counted, count_copy(_to(found), expects.moment, tell), target), expects


@contextmanager
def restored(driver: Driver, target: Target, name: str, clock: Clock, tell: Tell) -> Iterator[Restored]:
    """Bring a store back for as long as the block lasts."""
    try:
        yield driver.restore(target, name, clock, tell)
    finally:
        driver.destroy(name)


@dataclass(frozen=True)
class Expected:
    """What a copy must hold, or why nobody can say it."""

    counted: Counted | None = None
    unknown: str = ""
    apart: Counted | None = None
    """A count that another copy, at its position, can be held against."""

    @property
    def moment(self) -> Moment:
        """Of the count."""
        return self.counted.census.moment if self.counted else Moment(None, "", "0", ())


def expected(asked: Asked, found: Restored, copy: Connection) -> Expected:
    """Choose what the copy must hold: its own census, the one at its very position, or what two around its moment agree in."""
    if own := [one for one in asked.counted if one.key == found.census]:
        return Expected(own[-1])
    placed = [one for one in asked.counted if one.census.moment.position]
    if asked.target.kind == "latest" and placed and placed[-1] is asked.counted[-1]:
        return Expected(apart=placed[-1])
    if exact := [one for one in placed if one.place == asked.target]:
        unseen = unseen_in(copy, exact[-1].census.moment)
        if not unseen:
            return Expected(exact[-1])
        many = f"{len(unseen)}{'' if len(unseen) < UNSEEN else ' or more'}"
        told = f"the copy holds {many} transactions that {exact[-1].key} did not see, such as {unseen[0]}"
        return Expected(unknown=f"{told}; count the store again, and drill that")
    if asked.target.kind == "time":
        return _between(asked, datetime.fromisoformat(asked.target.value))
    if asked.target.kind == "latest":
        # A service that is always a little behind says as of when its latest moment is.
        return _between(asked, found.reached or asked.at)
    # Of a point or a position nobody but the copy knows when it was: its last commit says so.
    if found.reached:
        return _between(asked, found.reached)
    told = f"there is no census at {asked.target}, nor was anything committed between the backup and it"
    return Expected(unknown=f"{told}; count the store, and drill that")


def _between(asked: Asked, moment: datetime) -> Expected:
    """Give what two counts around the moment agree in."""
    before = [one for one in asked.counted if one.at <= moment]
    after = [one for one in asked.counted if one.at > moment]
    if before and after:
        return Expected(Counted(before[-1].key, settled(before[-1].census, after[0].census)))
    lacks = "before" if not before else "after"
    return Expected(
        unknown=f"there is no census of the store from {lacks} {moment:%Y-%m-%d %H:%M:%S} UTC; count it, and drill again"
    )


def compared(against: Counted, copy: Census, at: Target) -> Compared:
    """Hold the copy against what it must hold. Pure."""
    wanted = against.census
    return Compared(against.key, len(wanted.tables), wanted.rows, lacking(wanted, copy).lines, str(at))


def _to(found: Restored) -> Connect:
    return lambda purpose: connect(found.address, purpose=purpose)
