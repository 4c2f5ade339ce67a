"""Tables by a base and the log of their streams, as every driver is asked: where the service keeps no history of its own."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from sluice.errors import Terminal
from sluice.failpoints import failpoint
from sluice.safety.backup import harm_of, named, noting_damage, place_of
from sluice.safety.census import Census
from sluice.safety.documents.base import Base, TableBase, bases_of
from sluice.safety.documents.counting import count_live
from sluice.safety.documents.log import LogShort, Run, Stretch, TableLog, runs_of
from sluice.safety.documents.putting_back import PutBack, put_back_all, wait_until_active
from sluice.safety.documents.replaying import load, replay, rounds_until
from sluice.safety.documents.scratch import creation_of, destroy, scratches, table_under
from sluice.safety.documents.shipping import TableShipper, shippers_of
from sluice.safety.documents.tables import Streamed, Tables
from sluice.safety.documents.taking import take
from sluice.safety.driver import Clock, Restored, Taken, Tell, Window, made_at
from sluice.safety.keeping.notes import note_read
from sluice.safety.keeping.reading import reading
from sluice.safety.target import Target
from sluice.stores.dynamodb.client import speaking
from sluice.stores.objects import Vault
from sluice.stores.parts import read_parts


class NotReachable(Terminal):
    """A moment to which nothing in the vault leads."""


@dataclass(frozen=True)
class Documents:
    """The tables of one store, and what the vault has of them."""

    tables: Tables
    vault: Vault
    tell: Tell = print
    opened: Callable[[str], Streamed] | None = None
    """How a stream is opened, where not as `Tables.stream` does."""

    @property
    def store(self) -> str:
        """The store's name in the estate."""
        return self.tables.store

    @cached_property
    def shippers(self) -> Mapping[str, TableShipper]:
        """What ships each table's stream."""
        return shippers_of(self.tables, self.vault, self.tell, self.opened)

    def unbased(self) -> str | None:
        """Name the log that no base goes with yet: a first one, or one that was begun behind a gap. None where one does."""
        runs = {table: runs_of(self.vault, self.store, table)[-1:] for table in self.tables.names}
        if newest := bases_of(self.vault, self.store)[-1:]:
            of_base = {one.table: [one.run] for one in newest[0].tables}
            if all(of_base.get(table) == run for table, run in runs.items()):
                return None
        told = "".join(f"{table} {run[0].id if run else ''} " for table, run in runs.items())
        return hashlib.sha256(told.encode()).hexdigest()[:12]

    def take(self, tell: Tell) -> Taken:
        """Take a base. The log begins with the first, and anew with one that is taken after it was lost."""
        return _taken(take(self.tables, self.vault, dict(self.shippers), tell))

    def backups(self) -> Sequence[Taken]:
        """List what there is, oldest first."""
        return [_taken(base) for base in bases_of(self.vault, self.store)]

    def window(self) -> Window | None:
        """From when the first base was whole behind which the log is unbroken up to now, until where it is shipped.

        What an older base can be brought back to, before the log was lost or let go, is told by asking for it.
        """
        now = {table: runs_of(self.vault, self.store, table)[-1:] for table in self.tables.names}
        begins = {table: self._log(table, run).unbroken for table, runs in now.items() for run in runs}
        bases = [
            base
            for base in bases_of(self.vault, self.store)
            if {one.table: [one.run] for one in base.tables if one.table in now} == now
            and all(one.begins >= begins[one.table] for one in base.tables if one.table in now)
        ]
        if not bases:
            return None
        reached = [one.log.until(one.begins) for one in self.logs(bases[0].id).values()]
        latest = min((one for one in reached if one), default=None)
        whole = bases[0].whole
        return Window(whole, latest) if latest and all(reached) and latest >= whole else None

    def verify(self, backup: str, tell: Tell) -> int:
        """Read every byte of a base, and the log without which it is of no one moment; gives how many of the base.

        What of the log is on its way still is shipped. That all was read is noted beside it, so that older ones may go by it;
        that it is damaged is noted too, until it is read back whole.
        Raises Broken where its manifest is damaged, Damaged, NoSuchKey, LogShort, LogLost, LogLate, VaultDown.
        """
        bases_of(self.vault, self.store, tell)  # whatever of the others is damaged is told
        base, began = self._base(backup), time.monotonic()
        with noting_damage(self.vault, base):
            read = sum(len(piece) for piece in read_parts(self.vault, base.objects))
        rounds = self._read_log(base)
        note_read(self.vault, base, time.monotonic() - began)
        tell(f"{self.store}: {backup} read back with {rounds} rounds of the log, {read:,} bytes")
        return read

    def _read_log(self, base: Base) -> int:
        """Read the log without which a base is of no one moment; gives how many rounds."""
        rounds = 0
        for table, stretch in self.logs(base.id).items():
            until = stretch.log.until(stretch.begins)
            if (until is None or until < base.whole) and table in self.shippers:
                self.shippers[table].reach(base.whole)
            rounds += sum(1 for _ in rounds_until(stretch.log, stretch.begins, base.whole))
        return rounds

    def restore(self, target: Target, name: str, clock: Clock, tell: Tell) -> Restored:
        """Bring every table back as of a moment, each beside its original. What an earlier try has left goes first.

        Meanwhile nothing of the store's bases and logs is taken away.
        Raises NotScratch, NotReachable, LogShort, Damaged, Throttled, DynamoDown.
        """
        with reading(self.vault, self.store, name, made_at(name)):
            return self._restore(target, name, clock, tell)

    def _restore(self, target: Target, name: str, clock: Clock, tell: Tell) -> Restored:
        moment, base = self.chosen(target, tell)
        tell(f"{self.store} comes back to {moment:%Y-%m-%d %H:%M:%S} UTC, from {base.id}")
        self.destroy(name)
        last: list[datetime] = []
        for one in base.tables:
            self._create(creation_of(one.settings, name, table_under(name, one.table)))
        clock.note("accepted")
        for one in base.tables:
            copy, log = table_under(name, one.table), TableLog(self.vault, self.store, one.table, one.run)
            wait_until_active(self.tables.clients.dynamodb, copy)
            items = self._load(base, one, copy, tell)
            done = replay(self.tables.clients.dynamodb, log, one, moment, copy)
            last += [done.last] if done.last else []
            tell(f"{self.store}: {one.table} is back as {copy}, {items:,} items and {done.changes:,} changes")
        failpoint("documents.restored")
        clock.note("available")
        address = ",".join(table_under(name, one.table) for one in base.tables)
        return Restored(name, address, (base.id,), max(last, default=None), moment.isoformat())

    def _load(self, base: Base, of: TableBase, copy: str, tell: Tell) -> int:
        """Fill a copy from a base; gives how many items. Where the base is damaged, that is noted and told."""
        with noting_damage(self.vault, base, tell):
            return load(self.tables.clients.dynamodb, self.vault, of, copy)

    def hand_over(self, found: Restored, port: int | None) -> str:
        """Put back for good what was set of the originals, expiry, alarms and all; gives the names of the tables.

        Where they listen is not ours to say. Safe to repeat. Raises NotScratch, TableNotReady, AccessDenied.
        """
        done = self.put_back(found.name, found.backups[-1], drill=False, tell=self.tell)
        for left in done.left:
            self.tell(f"{self.store}: not put back: {left}")
        return found.address

    def put_back(self, name: str, backup: str, *, drill: bool, tell: Tell) -> PutBack:
        """Put back on copies what was set of the originals, as the base tells it; gives what was done and what was left.

        Safe to repeat. Raises NotScratch, TableNotReady, DynamoRefused, AccessDenied.
        """
        was = [one.settings for one in self._base(backup).tables]
        return put_back_all(self.tables, name, was, drill=drill, tell=tell)

    def scratches(self) -> Sequence[str]:
        """List the names under which copies of this store stand."""
        return scratches(self.tables.clients.dynamodb, self.store)

    def destroy(self, name: str) -> None:
        """Take the copies of a name away. Safe to repeat. Raises NotScratch, NotGone."""
        destroy(self.tables.clients, name)

    def count(self, tell: Tell) -> Census:
        """Count the live tables as of a moment. Raises StreamLied, LogLost, NoLog, LogLate."""
        return count_live(self.tables, self.shippers, tell)

    def logs(self, backup: str) -> dict[str, Stretch]:
        """Give the log of each table that goes with a base."""
        base = self._base(backup)
        logs = {one.table: TableLog(self.vault, self.store, one.table, one.run) for one in base.tables}
        return {one.table: Stretch(logs[one.table], one.begins, base.whole) for one in base.tables}

    def blur(self, target: Target) -> timedelta:
        """Tell how far around its moment a copy may be of: it is of this second."""
        return timedelta(0)

    def chosen(self, target: Target, tell: Tell = lambda line: None) -> tuple[datetime, Base]:
        """Choose the base for a target, and the moment it stands for. Raises NotReachable, LogShort.

        One that lacks something, or was seen damaged, is passed over and told, unless there is no other: the log leads on from
        the one before as well.
        """
        bases = bases_of(self.vault, self.store)
        if not bases:
            raise NotReachable(f"{self.store} has no base in the vault: take one.")
        if target.kind == "latest":
            return self._latest(self._newest_first(bases, tell))
        if target.kind != "time":
            raise NotReachable(
                f"{self.store} is a store of documents: {target} is none of a time or the latest moment."
            )
        moment = datetime.fromisoformat(target.value).replace(microsecond=0)
        before = [base for base in bases if base.whole <= moment]
        if not before:
            raise NotReachable(
                f"{self.store} cannot be brought back to {moment:%Y-%m-%d %H:%M:%S} UTC: the earliest moment is"
                f" {bases[0].whole:%Y-%m-%d %H:%M:%S} UTC, when {bases[0].id} was read. Ask for that or a later one."
            )
        return moment, next(self._newest_first(before, tell))

    def _newest_first(self, bases: Sequence[Base], tell: Tell) -> Iterator[Base]:
        """Give those of which nothing is lost, nor was seen damaged, the newest first; then the others all the same."""
        sizes = self.vault.sizes(f"{place_of(self.store)}/base/")
        harmed = []
        for base in reversed(bases):
            if harm := next(harm_of(base, sizes), None):
                tell(f"{self.store}: {base.id} is passed over: {harm}")
                harmed.append(base)
            else:
                yield base
        for base in harmed:
            tell(f"{self.store}: there is no other: {base.id} is tried all the same")
            yield base

    def _latest(self, newest_first: Iterator[Base]) -> tuple[datetime, Base]:
        """Give the first base that the log has come past. Raises LogShort where there is none."""
        short = []
        for base in newest_first:
            try:
                return self._reached(base), base
            except LogShort as why:
                short.append(why)
        raise short[0]

    def _log(self, table: str, run: Run) -> TableLog:
        return TableLog(self.vault, self.store, table, run)

    def _base(self, id: str) -> Base:
        return named(bases_of(self.vault, self.store), self.store, id)

    def _reached(self, base: Base) -> datetime:
        """Tell up to when the log of every table is shipped. Raises LogShort where one has not come past the base yet."""
        found = []
        for one in base.tables:
            log = TableLog(self.vault, self.store, one.table, one.run)
            until = log.until(one.begins)
            if not until or until < base.whole:
                raise LogShort(
                    f"{self.store}: the log of {one.table} has not come past {base.id}, which was whole at"
                    f" {base.whole:%Y-%m-%d %H:%M:%S} UTC. Ship it, then ask again."
                )
            found.append(until)
        return min(found)

    def _create(self, creation: dict[str, object]) -> None:
        with speaking("make", str(creation["TableName"])):
            self.tables.clients.dynamodb.create_table(**creation)
        failpoint("documents.made")


def _taken(base: Base) -> Taken:
    return Taken(base.id, base.whole, base.stored)
