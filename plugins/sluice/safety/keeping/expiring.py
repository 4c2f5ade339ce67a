"""Which backups go, and what of the log: planned from what there is, without a question to anybody. Pure.

Nothing goes by a clock alone. Ages are counted up to the newest backup that was verified, by the store's own clock: while no
backup comes, or none that was read back, nothing grows old. A clock that disagrees with the backups is refused.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby

from sluice.errors import Terminal
from sluice.safety.keeping.tiers import TIERS, Needs, One, Tier, assign, chain, lacking
from sluice.safety.physical.wal import Segment

TOLERANCE = timedelta(minutes=1)
"""By how much our clock and a server's may differ: that is no contradiction."""


class ClockWrong(Terminal):
    """The clock and the backups contradict each other."""


@dataclass(frozen=True)
class Keeping:
    """What is promised of a store's backups."""

    tiers: tuple[Tier, ...] = TIERS
    window: timedelta = timedelta(days=35)
    """Up to how long ago it can be brought back to any moment; 0 where only the backups themselves are kept."""
    at_least: int = 2
    """So many verified backups stay, whatever their age."""
    silent_for: timedelta = timedelta(days=3)
    """When there was no backup for so long, nothing goes: either they fail, or a clock has jumped."""


@dataclass(frozen=True)
class LogObject:
    """One file of the log in the vault."""

    system: str
    name: str
    """PostgreSQL's."""
    key: str
    stored_at: datetime


@dataclass(frozen=True)
class Holding:
    """What there is of a store's backups."""

    backups: Mapping[str, One]
    verified: frozenset[str] = frozenset()
    """Those whose every byte was read back."""
    log: Sequence[LogObject] = ()
    locked: Mapping[str, datetime] = field(default_factory=dict)
    """Until when each cannot be taken away."""
    proven: frozenset[str] = frozenset()
    """Where nobody can read a byte of them: those that a drill has brought back whole."""

    def is_sound(self, backup: str) -> bool:
        """Whether it can be restored, as far as anybody has seen: it and all that it rests on were read back."""
        names = chain(self.backups, backup)
        return names is not None and self.verified.issuperset(names)


@dataclass(frozen=True)
class LogDrop:
    """A range of the log that goes: neighbours in the vault, of one server and one timeline."""

    system: str
    first: str
    last: str
    files: Mapping[str, str]
    """Each one's key, by PostgreSQL's name."""
    why: str

    def __str__(self) -> str:
        return f"log of {self.system}, {self.first} to {self.last}, {len(self.files)} files: {self.why}"


@dataclass(frozen=True)
class Expiry:
    """What stays, what goes, and why."""

    keep: Mapping[str, str]
    drop: Mapping[str, str]
    """Oldest first."""
    going: Mapping[str, One]
    """What is known of those that go."""
    log: tuple[LogDrop, ...]
    anchor: str | None = None
    """The backup with which the window begins; None while none was verified."""
    since: datetime | None = None
    """When the window begins."""

    @property
    def is_much(self) -> bool:
        """Whether more than half of the backups would go at once: a person is asked. No log goes that the window needs."""
        return len(self.drop) > len(self.keep)

    def __str__(self) -> str:
        lines = [
            *(f"goes: {one}: {why}" for one, why in self.drop.items()),
            *(f"goes: {one}" for one in self.log),
            *(f"stays: {one}: {why}" for one, why in self.keep.items()),
        ]
        return "\n".join(lines) or "there is no backup"


def plan_expiry(holding: Holding, keeping: Keeping, now: datetime) -> Expiry:
    """Say what stays and what goes. Raises ClockWrong."""
    ordered = sorted(holding.backups.values(), key=lambda one: (one.whole_at, one.id))
    check_clock(ordered, keeping, now)
    sound = [one for one in ordered if holding.is_sound(one.id)]
    if not sound:
        why = "no backup was verified yet: nothing goes"
        return Expiry({one.id: why for one in ordered}, {}, {}, ())
    age = min(now, sound[-1].whole_at)
    anchor = _anchor(sound, ordered, age - keeping.window) if keeping.window else sound[-1]
    reasons: dict[str, list[str]] = defaultdict(list)
    tiers = assign(sound, keeping.tiers)
    for name, why in (
        *_by_tier(holding, tiers, age),
        *(_by_window(ordered, anchor, age - keeping.window, keeping.window) if keeping.window else ()),
        *_by_number(ordered, sound, keeping.at_least),
        *_by_proof(sound, holding.proven),
        *((name, f"locked until {until:%Y-%m-%d}") for name, until in holding.locked.items() if until > now),
    ):
        reasons[name].append(why)
    for name in [*reasons]:
        for other in (chain(holding.backups, name) or [name])[1:]:
            reasons[other].append(f"{name} rests on it")
    keep = {one.id: "; ".join(dict.fromkeys(reasons[one.id])) for one in ordered if one.id in reasons}
    drop = {one.id: _why_gone(one, sound[-1], tiers.get(one.id, ())) for one in ordered if one.id not in reasons}
    kept = [one for one in ordered if one.id in keep]
    going = {name: holding.backups[name] for name in drop}
    log = tuple(_log_drops(holding, kept, anchor, age - keeping.window))
    return Expiry(keep, drop, going, log, anchor.id, age - keeping.window)


def wants_whole(holding: Holding, keeping: Keeping, now: datetime) -> str | None:
    """Say why the next backup has to be a whole one; None where an increment will do. Pure."""
    ordered = sorted(holding.backups.values(), key=lambda one: (one.whole_at, one.id))
    for tier in lacking(ordered, keeping.tiers, now):
        if tier.whole:
            return f"the {tier.name} backup of this {tier.every} is not there yet"
    newest = [one for one in ordered if one.after is None][-1:]
    if newest and not holding.is_sound(newest[0].id):
        return f"{newest[0].id} was not read back: nothing rests on it"
    return None if newest else "there is none yet"


def check_clock(ordered: Sequence[One], keeping: Keeping, now: datetime) -> None:
    """Raise ClockWrong where `now` lies well before the newest backup, or long behind it."""
    if not ordered:
        return
    newest = ordered[-1]
    said = f"{newest.id} was whole at {newest.whole_at:%Y-%m-%d %H:%M} UTC, and by our clock it is {now:%Y-%m-%d %H:%M}"
    if now < newest.whole_at - TOLERANCE:
        raise ClockWrong(f"{said}. Nothing was taken away: set the clock of this machine or of that server right.")
    if now - newest.whole_at > keeping.silent_for:
        raise ClockWrong(
            f"{said}: there was no backup for {(now - newest.whole_at).days} days, or a clock has jumped. Nothing was taken"
            " away: take a backup, or set the clock right."
        )


def _anchor(sound: Sequence[One], ordered: Sequence[One], since: datetime) -> One:
    """Give the backup by which the first moment of the window is reached; the oldest where none is as old as that."""
    before = [one for one in sound if one.whole_at < since]
    return before[-1] if before else ordered[0]


def _by_tier(holding: Holding, tiers: Mapping[str, Sequence[Tier]], age: datetime) -> Iterator[tuple[str, str]]:
    for name, own in tiers.items():
        for tier in own:
            if (until := holding.backups[name].whole_at + tier.keep) > age:
                yield name, f"{tier.name} until {until:%Y-%m-%d}"


def _by_window(ordered: Sequence[One], anchor: One, since: datetime, window: timedelta) -> Iterator[tuple[str, str]]:
    yield anchor.id, f"the window of {window.days} days begins with it"
    for one in ordered:
        if one.whole_at >= since:
            yield one.id, f"within the window of {window.days} days"


def _by_number(ordered: Sequence[One], sound: Sequence[One], at_least: int) -> Iterator[tuple[str, str]]:
    for one in sound[-max(1, at_least) :]:
        yield one.id, f"one of the newest {max(1, at_least)} that were verified"
    for one in ordered:
        if one.whole_at > sound[-1].whole_at:
            yield one.id, "no newer one was verified"
    for one in [one for one in ordered if one.after is None][-1:]:
        yield one.id, "the next increment rests on it"


def _by_proof(sound: Sequence[One], proven: Collection[str]) -> Iterator[tuple[str, str]]:
    for one in [one for one in sound if one.id in proven][-1:]:
        yield one.id, "the newest that a drill has brought back whole"


def _why_gone(one: One, newer: One, tiers: Sequence[Tier]) -> str:
    over = ", ".join(f"{tier.name} until {one.whole_at + tier.keep:%Y-%m-%d}" for tier in tiers)
    return f"{over or 'in no tier'}, and older than the window; {newer.id} is newer and was verified"


def _log_drops(holding: Holding, kept: Sequence[One], anchor: One, since: datetime) -> Iterator[LogDrop]:
    """Give what of the log no backup that is kept needs, by neighbours."""
    known = {one.needs.system for one in holding.backups.values() if one.needs}
    needed = {system: Needed.of(system, kept, anchor) for system in {one.needs.system for one in kept if one.needs}}

    def why(file: LogObject) -> str | None:
        # Within the window all stays, needed or not: a first backup may be under way, or a manifest may have been hidden.
        if file.stored_at >= since:
            return None
        if file.system not in known:
            return "no backup of that server is left"
        if file.system not in needed:
            return "no backup of that server is kept"
        return None if needed[file.system].has(file.name) else "no backup that is kept needs it"

    ordered = sorted(holding.log, key=lambda file: (file.system, file.name))
    for (system, _, reason), group in groupby(ordered, lambda file: (file.system, file.name[:8], why(file))):
        if reason:
            files = list(group)
            yield LogDrop(system, files[0].name, files[-1].name, {file.name: file.key for file in files}, reason)


@dataclass(frozen=True)
class Needed:
    """What is needed of one server's log: what makes each backup consistent, and all that follows the one that `first` is of."""

    names: frozenset[str]
    first: Needs | None
    """None where the window is all of another server."""
    size: int

    @classmethod
    def of(cls, system: str, kept: Sequence[One], anchor: One) -> Needed:
        """Find it. `anchor`: the backup with which the window begins."""
        own = [one for one in kept if one.needs and one.needs.system == system]
        since = [one.needs for one in own if one.whole_at >= anchor.whole_at]
        needs = [one.needs for one in own if one.needs]
        # The file behind the last byte too: whoever recovers up to there looks for a record that begins at it.
        behind = {Segment.at(one.ends, one.timeline, one.size).name for one in needs}
        names = behind.union(*(one.files for one in needs))
        return cls(frozenset(names), since[0] if since else None, needs[0].size)

    def has(self, name: str) -> bool:
        """Whether a file is needed. What is on a later timeline is, and so are histories: they say where timelines part."""
        segment = Segment.named(name, self.size)
        if segment is None or name in self.names:
            return True
        return self.first is not None and (segment.timeline > self.first.timeline or segment.ends > self.first.begins)
