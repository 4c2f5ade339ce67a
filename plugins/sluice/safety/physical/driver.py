"""A PostgreSQL server by its own tools, as every driver is asked."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from sluice.safety.backup import MANIFEST, Backup, backups_of, folder_of, place_of, read_backup
from sluice.safety.census import WORKERS, Census, take_census
from sluice.safety.driver import Clock, Restored, Taken, Tell, Window, made_at
from sluice.safety.keeping.reading import reading
from sluice.safety.physical.arriving import first_followed, reaches_at_least, reaches_until, wait_for_log
from sluice.safety.physical.choosing import choose, known
from sluice.safety.physical.log import LogMissing, LogStore, log_of
from sluice.safety.physical.on_disk import OnDisk
from sluice.safety.physical.placing import Place
from sluice.safety.physical.recovering import recover
from sluice.safety.physical.scratch import Scratch
from sluice.safety.physical.taking import take
from sluice.safety.target import Target
from sluice.stores.objects import Damaged, NoSuchKey, Vault
from sluice.stores.parts import read_parts
from sluice.stores.postgres import Connection, StoreDown, connect, one
from sluice.stores.statements import statement

LOG_COMES_WITHIN = timedelta(minutes=3)
"""How long the end of a backup may be on its way into the vault."""


@dataclass(frozen=True)
class Physical(OnDisk):
    """One server, its backups in the vault, and a folder of this machine in which it is brought back."""

    store: str
    dsn: str = field(repr=False)
    vault: Vault
    scratch: Path
    full_every: timedelta = timedelta(days=7)
    """How old the whole backup may be that an increment rests on."""

    def take(self, tell: Tell) -> Taken:
        """Take an increment of the newest whole backup where that is young and the server can, else a whole one."""
        return _taken(take(self.dsn, self.store, self.vault, self._rests_on(), tell))

    def count(self, tell: Tell, workers: int = WORKERS) -> Census:
        """Count the living store at a position of its log, to which it can be brought back. Its log must be shipped meanwhile.

        Raises NotPlaced, NotShipped, Refused, Rewritten, StoreDown, Damaged, VaultDown.
        """
        place = Place(self._connect, self._log())
        return take_census(self._connect, tell, place.mark, workers)

    def backups(self) -> Sequence[Taken]:
        """List what there is, oldest first."""
        return [_taken(backup) for backup in backups_of(self.vault, self.store)]

    def window(self) -> Window | None:
        """From when the first backup was whole behind which no file of the log has gone, until when the vault has it.

        Also of a server that has died. What one writes that was made anew is in none of its backups: then it ends where the log
        of the old one does, until one of the new server is taken.
        """
        found = backups_of(self.vault, self.store)
        if not found:
            return None
        own = [one for one in found if one.system == found[-1].system]
        log = self._log_of(own[-1])
        held = log.held()
        lines = log.lines(held)
        first = first_followed(own, held, lines[0]) if lines else own[-1]
        return Window(first.ended, max(first.ended, self._reaches(log, first) or own[-1].ended))

    def _reaches(self, log: LogStore, first: Backup) -> datetime | None:
        """Tell up to when all that was committed can be reached from a backup; None where the log has not come so far yet."""
        try:
            stretch = log.since(first)
        except LogMissing:
            return None
        if stretch.missing:
            return self.vault.stored_at(stretch.files[-1].key)
        try:
            with connect(self.dsn, purpose=f"backup window of {self.store}") as c:
                return reaches_until(c, log)
        except StoreDown:
            return reaches_at_least(log)

    def goes_on_as(self) -> tuple[str, int] | None:
        """Give the server's number and timeline where its newest backup is of another: promoted since, or made anew.

        None where it is the same, where there is no backup yet, and of a server that follows another. Raises StoreDown.
        """
        newest = self._newest()
        with self._connect("backup of") as c:
            server = one(c, statement("safety.find_server"))
        now = server["system"], server["timeline"]
        known = newest is None or server["in_recovery"] or (newest.system, newest.timeline) == now
        return None if known else now

    def reaches(self) -> int:
        """Give the position up to which the vault has the log behind the newest backup without a gap; 0 where it has none."""
        backup = self._newest()
        log = self._log_of(backup) if backup else None
        with suppress(LogMissing):
            if backup and log and (newest := log.newest()):
                return min(
                    log.since(backup).reaches, newest.reaches
                )  # the file that is being written ends before its end
        return 0

    def verify(self, backup: str, tell: Tell) -> int:
        """Read every byte of a backup, and of the log without which it is nothing consistent; gives how many.

        Raises Damaged, NoSuchKey, LogMissing.
        """
        found = read_backup(self.vault, f"{folder_of(self.store, backup)}/{MANIFEST}")
        read = sum(len(piece) for piece in read_parts(self.vault, (*found.parts, found.own_manifest)))
        log = self._log_of(found)
        needed = wait_for_log(log, found, LOG_COMES_WITHIN, tell)
        read += sum(len(log.read(file)) for file in needed)
        tell(f"{self.store}: {backup} read back with {len(needed)} files of the log, {read:,} bytes")
        return read

    def restore(self, target: Target, name: str, clock: Clock, tell: Tell) -> Restored:
        """Bring it back on this machine; meanwhile nothing of its backups is pruned.

        Raises NotScratch, Broken, LogMissing, NotRecovered, Damaged, NotUnpacked.
        """
        with reading(self.vault, self.store, name, made_at(name)):
            chain = choose(self.vault, self.store, target, tell)
            tell(f"{self.store} comes back to {target}, from {' and '.join(backup.id for backup in chain)}")
            place = Scratch(self.scratch / name)
            place.folder.mkdir(mode=0o700, parents=True)
            stops_at = known(self.vault, self.store, target)
            reached = recover(chain, self._log_of(chain[-1]), stops_at, place, clock, tell)
        address = place.dsn(chain[-1].database, chain[-1].superuser)
        # Where nothing was committed while a backup was taken, it is what the store was when it was begun.
        until = reached.last_commit or (chain[-1].began if target.is_a_backup else None)
        backups = tuple(one.id for one in chain)
        return Restored(name, address, backups, until, reached.position, whole_server=True)

    def _newest(self) -> Backup | None:
        """Give the newest backup, by its own manifest alone: asked every few minutes, of years of them. None: there is none."""
        for folder in reversed(self.vault.folders(f"{place_of(self.store)}/base/")):  # names sort as they were taken
            with suppress(Damaged, NoSuchKey):  # one that is being taken has none yet
                return read_backup(self.vault, f"{folder}{MANIFEST}")
        return None

    def _log_of(self, backup: Backup) -> LogStore:
        return LogStore(self.vault, self.store, backup.system, backup.segment_bytes)

    def _connect(self, purpose: str) -> Connection:
        return connect(self.dsn, purpose=f"{purpose} {self.store}")

    def _log(self) -> LogStore:
        with self._connect("log of") as c:
            return log_of(c, self.vault, self.store)

    def _rests_on(self) -> Backup | None:
        """Give the newest whole backup, where an increment may rest on it: of this server, young, and there are summaries.

        Across a promotion none does: the new server may have no summaries of what the old one wrote.
        """
        with connect(self.dsn, purpose=f"backup {self.store}") as c:
            server = one(c, statement("safety.find_server"))
        own = (server["system"], server["timeline"])
        whole = [
            one for one in backups_of(self.vault, self.store) if one.after is None and (one.system, one.timeline) == own
        ]
        if not whole or not server["summarizes"] or server["now"] - whole[-1].ended > self.full_every:
            return None
        return whole[-1]


def _taken(backup: Backup) -> Taken:
    return Taken(backup.id, backup.ended, backup.stored, backup.after)
