"""pgBackRest, as every driver is asked: its repository, its schedule of what expires and its secrets stay its own."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, TypeAlias

from psycopg.conninfo import conninfo_to_dict

from sluice.safety.backup import Broken, named
from sluice.safety.census import Census, take_census
from sluice.safety.driver import Clock, Restored, Taken, Tell, Window, made_at
from sluice.safety.pgbackrest.archive import Archive, size_of
from sluice.safety.pgbackrest.counting import mark_still
from sluice.safety.pgbackrest.info import Kept, backups_in, last_server
from sluice.safety.pgbackrest.program import Program
from sluice.safety.pgbackrest.recovering import Wanted, recover
from sluice.safety.pgbackrest.verifying import verify_repository
from sluice.safety.physical.choosing import known, whole_before
from sluice.safety.physical.log import LogMissing
from sluice.safety.physical.on_disk import OnDisk
from sluice.safety.physical.recovering import check_reachable
from sluice.safety.physical.scratch import Scratch
from sluice.safety.physical.wal import position
from sluice.safety.target import Target
from sluice.stores.objects import Damaged, Vault
from sluice.stores.postgres import Connection, StoreDown, connect, one
from sluice.stores.statements import statement

How: TypeAlias = Literal["full", "diff", "incr"]
LOG_COMES_WITHIN = timedelta(minutes=1)
"""How long a file of the log may be on its way, while a later one is there already."""
REPOSITORY = "pgBackRest's repository"


@dataclass(frozen=True)
class PgBackRest(OnDisk):
    """One stanza, in one of its repositories, and a folder of this machine in which its server is brought back."""

    store: str
    dsn: str = field(repr=False)
    """Of the living server: its clock and its position. A restore needs the names in it alone: of a database, and of a role."""
    vault: Vault
    """Where points are noted that we have named; no backup is in it."""
    scratch: Path
    stanza: str
    config: Path | None = None
    repo: int = 1
    full_every: timedelta = timedelta(days=7)
    """How old the newest full backup may be before the next is full."""
    diff_every: timedelta | None = None
    """How old the newest full or differential one may be before the next is differential; None: all between are incremental."""
    takes: bool = True
    """Whether backups are taken from here; where pgBackRest's own timer takes them, its newest is told."""

    @property
    def program(self) -> Program:
        """What is run."""
        return Program(self.stanza, self.config, self.repo)

    def take(self, tell: Tell) -> Taken:
        """Have pgBackRest take one: full, differential or incremental, by the age of what there is.

        As it is configured: what its retention lets go of, it removes then. Raises RepositoryBusy, PgBackRestFailed, Broken.
        """
        if self.takes:
            found = backups_in(self.program, self.store)
            how = kind_of(found, self._now(), self.full_every, self.diff_every)
            tell(f"{self.store}: pgBackRest takes a backup of stanza {self.stanza}: {how}")
            self.program.run("backup", f"--type={how}")
        newest = self._found()[-1]
        tell(f"{self.store}: {newest.id}, {newest.stored:,} bytes in pgBackRest's repository {self.repo}")
        return newest.taken

    def count(self, tell: Tell) -> Census:
        """Count the living store in one snapshot, at a position of its log where it is still for an instant.

        Raises Refused, Rewritten, StoreDown.
        """
        return take_census(self._connect, tell, mark_still)

    def backups(self) -> Sequence[Taken]:
        """List what its repository has, oldest first. Raises NoStanza, RepositoryBusy."""
        return [backup.taken for backup in backups_in(self.program, self.store)]

    def window(self) -> Window | None:
        """From when the first backup was whole, until when its repository has the log; None while there is no backup."""
        found = backups_in(self.program, self.store)
        if not found:
            return None
        mine = last_server(found)
        reach = self._archive(mine[-1]).since(mine[-1])
        until = max([mine[-1].ended, *(file.at for file in reach.files[-1:])])
        return Window(mine[0].ended, max(mine[0].ended, self._now_if_behind(reach.reaches) or until))

    def reaches(self) -> int:
        """Give the position up to which its repository has the log behind the newest backup, without a gap; 0: it has none."""
        mine = last_server(backups_in(self.program, self.store))[-1:]
        with suppress(LogMissing):
            return max((self._archive(one).since(one).reaches for one in mine), default=0)
        return 0

    def verify(self, backup: str, tell: Tell) -> int:
        """Have pgBackRest read a backup and its log where they are kept, and look for gaps in the log; gives how many bytes.

        Raises Broken, Damaged, LogMissing, RepositoryBusy, PgBackRestFailed.
        """
        found = named(backups_in(self.program, self.store), self.store, backup)
        if found.pages_damaged:
            raise Damaged(
                f"{backup} of {self.store} has pages that do not match their checksums: the server's own files were damaged as it"
                " was taken. See pg_amcheck and the log of pgBackRest; nothing rests on this backup."
            )
        verify_repository(self.program, backup)
        reach = self._archive(found).wait_for(found, position(found.ends), LOG_COMES_WITHIN, tell)
        check_reachable(found, reach, Target("latest"), REPOSITORY)
        read = found.reads + sum(file.bytes for file in reach.files)
        tell(f"{self.store}: {backup} read back by pgBackRest with {len(reach.files)} files of the log, {read:,} bytes")
        return read

    def restore(self, target: Target, name: str, clock: Clock, tell: Tell) -> Restored:
        """Bring it back on this machine. Raises NotScratch, Broken, LogMissing, NotRecovered, Damaged, RepositoryBusy."""
        made_at(name)
        place = known(self.vault, self.store, target)
        backup = choose(self._found(), place)
        tell(f"{self.store} comes back to {target}, from {backup.id}")
        archive = self._archive(backup)
        needed = position(place.value if place.kind == "position" else backup.ends)
        reach = archive.wait_for(backup, needed, LOG_COMES_WITHIN, tell)
        check_reachable(backup, reach, place, REPOSITORY, max((file.at for file in reach.files), default=None))
        scratch = Scratch(self.scratch / name)
        scratch.folder.mkdir(mode=0o700, parents=True)
        told = conninfo_to_dict(self.dsn)
        role, database = str(told["user"]), str(told["dbname"])
        reached = recover(Wanted(backup, reach, place, database, role), archive, scratch, clock, tell)
        with connect(scratch.dsn(database, role), purpose="drill") as c:
            superuser = one(c, statement("safety.find_server"))["superuser"]
        address = scratch.dsn(database, superuser)
        return Restored(name, address, backup.rests_on, reached.last_commit, reached.position, whole_server=True)

    def _found(self) -> list[Kept]:
        found = backups_in(self.program, self.store)
        if not found:
            raise Broken(f"pgBackRest has no backup of stanza {self.stanza} in repository {self.repo}. Take one first.")
        return found

    def _archive(self, backup: Kept) -> Archive:
        return Archive(self.program, backup.archive, size_of([(backup.begins, backup.first_file)]))

    def _connect(self, purpose: str) -> Connection:
        return connect(self.dsn, purpose=f"{purpose} {self.store}")

    def _now(self) -> datetime:
        with self._connect("backup") as c:
            now: datetime = one(c, statement("safety.find_position"))["now"]
        return now

    def _now_if_behind(self, reaches: int) -> datetime | None:
        """Give the server's time, if all that it has written is in the repository; None where not, or where it is down."""
        try:
            with self._connect("backup window of") as c:
                found = one(c, statement("safety.find_position"))
        except StoreDown:
            return None
        now: datetime = found["now"]
        return now if position(found["position"]) <= reaches else None


def kind_of(found: Sequence[Kept], now: datetime, full_every: timedelta, diff_every: timedelta | None) -> How:
    """Choose the next backup by the age of what there is: an upgraded server begins anew. Pure."""
    mine = last_server(found) if found else []
    full = [one for one in mine if one.kind == "full"]
    if not full or now - full[-1].ended >= full_every:
        return "full"
    wide = [one for one in mine if one.kind in ("full", "diff")]
    return "diff" if diff_every is not None and now - wide[-1].ended >= diff_every else "incr"


def choose(found: Sequence[Kept], target: Target) -> Kept:
    """Give the newest backup that was whole before a moment. Pure. Raises Broken."""
    mine = found if target.kind == "time" else last_server(found)
    whole = [one for one in mine if whole_before(one, target)]
    if not whole:
        first = mine[0]
        raise Broken(
            f"No backup of {first.store} was whole before {target}: the first is {first.id}, whole at {first.ends},"
            f" {first.ended:%Y-%m-%d %H:%M:%S} UTC. That moment cannot be restored to."
        )
    return whole[-1]
