"""Find the place in the log to which a snapshot belongs: the log itself says it.

A snapshot is what commits have become visible; the log has their records, in order. A commit becomes visible a moment after its
record was written: at once where it does not wait for its disk, later where it does, or where it waits for a standby. So a
snapshot belongs to a place in the log only if all commits up to there are visible in it, and none behind. On a busy server one
snapshot in a few is like that, or one in many: many are taken, which costs a millisecond each, and the log is read once for all
of them. The snapshot that fits is the one that is counted.

1. A note of ours is committed: visible in each snapshot, so that what is read begins with what they see, and behind all that was
   read of sequences before. Whoever waits for a standby then is overtaken by it; the snapshots after that one came fit again.
2. Snapshots are taken, many. Where the log ends by then, nothing behind is visible in any of them.
3. The vault has the log so far, in a moment; its commits are read, from some way below the note on.

https://www.postgresql.org/docs/18/runtime-config-wal.html#GUC-RECOVERY-TARGET-LSN: a recovery stops after the first record that
begins at its target or behind it. So the last visible commit is the target.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from sluice.errors import Transient
from sluice.safety.census import Marked, Moment, mark_now
from sluice.safety.driver import Tell
from sluice.safety.physical.commits import Commit, Passage
from sluice.safety.physical.log import LogStore
from sluice.safety.physical.wal import as_text, position
from sluice.stores.postgres import Connect, Connection, Row, one
from sluice.stores.statements import statement

SNAPSHOTS = 300
ROUNDS = 10
PATIENCE = timedelta(minutes=2)
"""How long the vault may be behind."""
NUMBERS = 2**32
"""How many numbers of transactions there are before they begin anew, as the log has them."""
BY_ITSELF = 1.0
"""Seconds within which a server writes what commits left to it (wal_writer_delay)."""


class NotPlaced(Transient):
    """None of many snapshots belongs to a place in the log."""


@dataclass(frozen=True)
class Place:
    """Marks a snapshot of a living server with its place in the log, once the vault has that."""

    connect: Connect
    log: LogStore
    snapshots: int = SNAPSHOTS
    rounds: int = ROUNDS
    patience: timedelta = PATIENCE

    def mark(self, c: Connection, tell: Tell) -> Marked:
        """Give a snapshot with its position. Raises NotPlaced, NotShipped, Damaged, VaultDown."""
        for number in range(1, self.rounds + 1):
            passage, taken = self._take(c, tell)
            found = fitting(taken, passage.commits(self.patience))
            if found:
                index, marked = found
                tell(f"{self.log.name}: counted at {marked.moment.position}, snapshot {index + 1} of round {number}")
                return marked
            tell(
                f"{self.log.name}: no place in the log for any of {len(taken)} snapshots, round {number} of {self.rounds}"
            )
        raise NotPlaced(
            f"{self.log.name}: none of {self.rounds * self.snapshots:,} snapshots belongs to a place in its log: commits that"
            " wait, for their disk or for a standby, are overtaken by others that do not (synchronous_commit = off or local)."
            " It is tried again by itself; choose an hour with less to do, or see whether a standby is missing."
        )

    def _take(self, c: Connection, tell: Tell) -> tuple[Passage, list[Marked]]:
        """Take snapshots, and say within which passage of the log their place is."""
        note = self._note()
        taken = [mark_now(c, tell) for _ in range(self.snapshots)]
        until = position(one(c, statement("safety.find_written"))["position"])
        self._have_written(c, until)
        return Passage(self.log, int(note["timeline"], 16), position(note["position"]), until), taken

    def _note(self) -> Row:
        """Commit a note in the log: all that was written before is on disk then."""
        with self.connect("note in the log") as c, c.transaction():
            c.execute(statement("safety.wait_for_own_disk"))
            return one(c, statement("safety.note_in_log"))

    def _have_written(self, c: Connection, until: int) -> None:
        """See that the log is on disk so far: a server leaves a last page that nobody commits in where it is."""
        over = time.monotonic() + BY_ITSELF
        while position(one(c, statement("safety.find_written"))["on_disk"]) < until:
            if time.monotonic() > over:
                self._note()
                return
            time.sleep(0.02)


@dataclass(frozen=True)
class Sight:
    """Which transactions a snapshot sees, if they have committed."""

    next: int
    running: frozenset[int]

    @classmethod
    def of(cls, moment: Moment) -> Sight:
        """Give that of a snapshot."""
        return cls(int(moment.next), frozenset(map(int, moment.running)))

    @property
    def oldest(self) -> int:
        """The oldest transaction that it may not see."""
        return min(self.running, default=self.next)

    def whole(self, xid: int) -> int:
        """Give a transaction's whole number: the log has the lower half of it, and it is near the snapshot's."""
        return self.next + (xid - self.next + NUMBERS // 2) % NUMBERS - NUMBERS // 2

    def sees(self, xid: int) -> bool:
        """Tell whether a transaction is visible, if it has committed."""
        whole = self.whole(xid)
        return whole < self.next and whole not in self.running


def fitting(taken: Sequence[Marked], commits: Sequence[Commit]) -> tuple[int, Marked] | None:
    """Give the first snapshot that sees all commits up to one and none behind it, with that one's position. Pure."""
    sights = [Sight.of(marked.moment) for marked in taken]
    oldest = min(sight.oldest for sight in sights)
    # All but a few are so old that every snapshot sees them: they are looked at once.
    new = next((n for n, one in enumerate(commits) if sights[0].whole(one.xid) >= oldest), len(commits))
    for index, (marked, sight) in enumerate(zip(taken, sights, strict=True)):
        unseen = next((n for n, one in enumerate(commits[new:], new) if not sight.sees(one.xid)), len(commits))
        if unseen and not any(sight.sees(one.xid) for one in commits[unseen:]):
            return index, replace(marked, moment=replace(marked.moment, position=as_text(commits[unseen - 1].at)))
    return None
