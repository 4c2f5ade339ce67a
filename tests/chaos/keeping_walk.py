"""Random walks through the life of a store's backups: taken, verified, expired by right and wrong clocks, broken off, harmed.

After each step the oracle looks which moments can be restored: it knows what was taken and written when, and asks the bucket
what is still there. It shares no line with the planning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import TypeAlias

from sluice.failpoints import Broken, armed
from sluice.safety.backup import Backup, folder_of, name_at, place_of
from sluice.safety.keeping.dropping import MustAsk, apply_expiry, verify_expiry
from sluice.safety.keeping.expiring import ClockWrong, Keeping, plan_expiry
from sluice.safety.keeping.sweeping import sweep
from sluice.safety.keeping.tiers import Tier
from sluice.safety.keeping.verifying import verify
from sluice.safety.physical.wal import Segment, position
from sluice.stores.objects import Damaged, NoSuchKey
from sluice.stores.parts import store_part

from tests.kept_backups import SIZE, Shelf

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TIERS = (
    Tier("daily", "day", DAY),
    Tier("weekly", "week", 4 * DAY, whole=True),
    Tier("monthly", "month", 9 * DAY, whole=True),
)
KEEPING = Keeping(TIERS, window=DAY, at_least=1, silent_for=3 * DAY)
EDGES = ("expiry.manifest_gone", "expiry.part_gone", "expiry.log_file_gone")
AT_ONCE = timedelta(microseconds=-1)
"""Nobody writes meanwhile: halves go at once."""


class Lost(AssertionError):
    """What was promised cannot be restored any more."""


@dataclass
class Taken:
    """A backup, as the oracle knows it."""

    backup: Backup
    chain: tuple[Backup, ...]
    verified: bool = False
    harmed: bool = False
    """It itself, or what it rests on."""
    spoilt: bool = False


@dataclass
class Walk:
    """One walk. `did` is the way so far, to be told when it fails."""

    shelf: Shelf
    now: datetime
    seed: int
    taken: list[Taken] = field(default_factory=list)
    written: list[tuple[datetime, str]] = field(default_factory=list)
    """Up to which moment each file of the log tells, and its name."""
    did: list[str] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    """What was in the bucket after the last step."""

    def __post_init__(self) -> None:
        """The same way each time."""
        self.random = Random(self.seed)

    def take(self, steps: int, verbs: Sequence[Verb] = ()) -> None:
        """Take so many steps, of these verbs or of all, then let quiet nights bring it to an end."""
        weighted = dict.fromkeys(verbs, 1) or VERBS
        try:
            for _ in range(3):
                self._step(Walk.night)
            for _ in range(steps):
                self._step(self.random.choices(tuple(weighted), tuple(weighted.values()))[0])
            for verb in (Walk.night, Walk.verify, Walk.end):
                self._step(verb)
        except AssertionError as error:
            error.add_note(f"the way of {self.seed}: {'; '.join(self.did)}")
            raise

    def _step(self, verb: Verb) -> None:
        self.did.append(verb.__name__)
        before, held = set(self.reachable()), self.periods()
        verb(self)
        self.keys = self._keys()
        if verb is Walk.harm:
            return
        promised = {moment for moment in before if moment > self.now - KEEPING.window}
        if lost := promised - set(self.reachable()):
            raise Lost(f"{len(lost)} moments cannot be reached any more, such as {min(lost)}")
        if gone := {period for period, until in held.items() if until > self.now} - self.periods().keys():
            raise Lost(f"no {' backup of '.join(min(gone))} is there any more")
        self.check_halves()

    # ---- what becomes of the store ----

    def night(self) -> None:
        """A day has gone by, in which the log was written; a backup is taken, and read back."""
        self.now += self.random.choice((15, 23, 40)) * HOUR
        self._write_log()
        self.back_up()
        self.verify()

    def back_up(self) -> None:
        self.now += HOUR
        whole = [one for one in self.taken if one.backup.after is None and not one.harmed and self._is_there(one)]
        after = whole[-1].backup if whole and self.random.random() < 0.6 else None
        made = self.shelf.take(self.now, after, parts=1)
        self._note_log()
        self.taken.append(Taken(made, (after, made) if after else (made,)))

    def die_backing_up(self) -> None:
        self.now += HOUR
        name = name_at(self.now, "full")
        store_part(self.shelf.vault, f"{folder_of(self.shelf.store, name)}/part-00000.zst", b"half of one")

    def verify(self) -> None:
        """The newest that was not read yet, with what it rests on."""
        broken = self.random.random() < 0.2
        for one in [one for one in self.taken if not one.verified and self._is_there(one)][-2:]:
            try:
                with armed("verify.read=raise" if broken else ""):
                    verify(self.shelf.vault, self.shelf.store, one.backup.id, self.now, self.shelf.tell)
                one.verified = True
                if one.spoilt:
                    raise Lost(f"{one.backup.id} is harmed, and was verified")
            except Broken:
                continue
            except (Damaged, NoSuchKey):
                if not one.spoilt:
                    raise

    def expire(self) -> None:
        self._expire(self.now + timedelta(minutes=5))

    def expire_by_another_clock(self) -> None:
        """An hour back or days ahead, as a machine may be that was asleep."""
        self._expire(self.now + self.random.choice((-2 * HOUR, DAY, 20 * DAY)))

    def be_broken_off(self) -> None:
        edge = f"{self.random.choice(EDGES)}=raise@{self.random.choice((1, 1, 2, 3))}"
        self.did[-1] += f" at {edge}"
        with armed(edge):
            self._expire(self.now + timedelta(minutes=5))

    def sweep(self) -> None:
        try:
            with armed("sweep.part_gone=raise" if self.random.random() < 0.3 else ""):
                sweep(self.shelf.vault, self.shelf.store, self.now + 900 * DAY, self.shelf.tell, AT_ONCE)
        except Broken:
            self.did[-1] += ", broken off"

    def harm(self) -> None:
        """Somebody takes an object of a backup away, or spoils it."""
        there = [one for one in self.taken if self._is_there(one) and not one.harmed]
        if len(there) < 3:
            return
        one = self.random.choice(there)
        self.did[-1] += f" {one.backup.id}"
        one.spoilt, key = True, one.backup.parts[0].key
        if self.random.random() < 0.5:
            self.shelf.vault.remove(key)
        else:
            self.shelf.vault.client.put_object(Bucket=self.shelf.vault.bucket, Key=key, Body=b"spoilt")
        for other in self.taken:
            other.harmed |= one.backup in other.chain

    def end(self) -> None:
        """A night without a fault: what is over is gone, and no half is left."""
        self._expire(self.now + timedelta(minutes=5), agreed=True)
        sweep(self.shelf.vault, self.shelf.store, self.now + 900 * DAY, self.shelf.tell, AT_ONCE)
        plan = plan_expiry(self.shelf.seen.holding, KEEPING, self.now + timedelta(minutes=5))
        assert not plan.drop
        assert not plan.log
        keys = self._keys()
        folders = {key.split("/")[4] for key in keys if "/base/" in key}
        halves = folders - {one.backup.id for one in self.taken if one.backup.manifest in keys}
        assert not halves, halves

    def _expire(self, clock: datetime, agreed: bool | None = None) -> None:
        seen = self.shelf.seen
        try:
            plan = plan_expiry(seen.holding, KEEPING, clock)
            yes = self.random.random() < 0.8 if agreed is None else agreed
            done = apply_expiry(self.shelf.vault, self.shelf.store, plan, clock, self.shelf.tell, yes)
            verify_expiry(self.shelf.vault, self.shelf.store, plan, done)
            self.did[-1] += f": {len(done.gone)} gone, {done.log_files} of the log"
        except (ClockWrong, MustAsk, Broken) as error:
            self.did[-1] += f": {type(error).__name__}"

    def _write_log(self) -> None:
        self.shelf.ship()
        self._note_log()

    def _note_log(self) -> None:
        self.written.append((self.now, Segment.at(self.shelf.place - SIZE, 1, SIZE).name))

    # ---- the oracle ----

    def reachable(self) -> Iterator[datetime]:
        """Give each moment at which a file of the log was full that can be reached from a verified backup."""
        log = {key.split("/")[-1].split("-")[0] for key in self.keys if "/wal/" in key}
        for one in self.taken:
            if self._is_sound(one):
                first = Segment.at(position(one.backup.begins), 1, SIZE).name
                for at, name in self.written:
                    if name < first:
                        continue
                    if name not in log:
                        break
                    if at > one.backup.ended:
                        yield at

    def periods(self) -> dict[tuple[str, str], datetime]:
        """Give each day, week and month of which a verified backup is there, and until when one has to be."""
        log = {key.split("/")[-1].split("-")[0] for key in self.keys if "/wal/" in key}
        named: dict[tuple[str, str], datetime] = {}
        for one in self.taken:
            files = {Segment.at(position(place), 1, SIZE).name for place in (one.backup.begins, one.backup.ends)}
            if self._is_sound(one) and files <= log:
                for tier, form in zip(TIERS, ("%Y-%m-%d", "%G-W%V", "%Y-%m"), strict=True):
                    if one.backup.after is None or not tier.whole:
                        named.setdefault((tier.name, one.backup.ended.strftime(form)), one.backup.ended + tier.keep)
        return named

    def check_halves(self) -> None:
        """Raise Lost where something has a manifest and is not whole, and nobody has harmed it."""
        for one in self.taken:
            if one.backup.manifest in self.keys and not one.harmed and not self._is_there(one):
                raise Lost(f"{one.backup.id} has a manifest, and is half of a backup")

    def _is_sound(self, one: Taken) -> bool:
        verified = {other.backup.id for other in self.taken if other.verified}
        return self._is_there(one) and not one.harmed and {link.id for link in one.chain} <= verified

    def _is_there(self, one: Taken) -> bool:
        parts = {part.key for link in one.chain for part in (*link.parts, link.own_manifest)}
        return {*parts, *(link.manifest for link in one.chain)} <= self.keys

    def _keys(self) -> set[str]:
        return set(self.shelf.vault.list(f"{place_of(self.shelf.store)}/"))


Verb: TypeAlias = Callable[[Walk], None]
VERBS: dict[Verb, int] = {
    Walk.night: 6, Walk.back_up: 2, Walk.verify: 2, Walk.expire: 3, Walk.expire_by_another_clock: 2, Walk.be_broken_off: 4,
    Walk.sweep: 2, Walk.die_backing_up: 1, Walk.harm: 2,
}  # fmt: skip
