"""Archive the months of a table: those that are old are detached, stored, read back, and cool; later they are dropped.

Each step is written down in the ledger beside the data, and may be taken again by whoever comes after one that died. At every
instant every row is in the database, or in an object that was read back: only sluice_archive.drop_month takes rows away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from sluice.estate.dataset import Dataset
from sluice.estate.retention import Retention
from sluice.failpoints import failpoint
from sluice.ledger.in_flight import held_apart
from sluice.stores.clock import find_now
from sluice.stores.objects import Vault
from sluice.stores.postgres import Connection, LockBusy, Table, translated
from sluice.upkeep.archive import ledger
from sluice.upkeep.archive.census import check_month, check_tenant
from sluice.upkeep.archive.choosing import holding, is_old, nearest_of
from sluice.upkeep.archive.detaching import Tell, detach, finish_broken_off
from sluice.upkeep.archive.dropping import NotDropped, drop, is_due
from sluice.upkeep.archive.exporting import Exporter
from sluice.upkeep.archive.gone import Gone
from sluice.upkeep.archive.late import begin_anew, has_rows, late_of, make_room
from sluice.upkeep.archive.ledger import Month, OutOfOrder, Overtaken, alone_at, move
from sluice.upkeep.archive.reading_back import verify
from sluice.upkeep.archive.reconciling import reconcile
from sluice.upkeep.archive.restoring import restore, why_not
from sluice.upkeep.archive.roles import let_drop, let_export, let_read, role_of
from sluice.upkeep.partitions.looking import look
from sluice.upkeep.partitions.making import alone
from sluice.upkeep.partitions.spans import Span
from sluice.upkeep.partitions.there import Branch, Partition, branches_of
from sluice.upkeep.refusals import NoRetention, NoSuchMonth, NotBroughtBack
from sluice.upkeep.vault.configuring import kept_by
from sluice.upkeep.vault.staying import check_stays

Facts: TypeAlias = Mapping[str, int]


UNDER_WAY = ("detaching", "detached", "exported")
"""States of a month that has begun to leave: it goes on until it is proven, whatever its file says."""


IN_TABLE = ("eligible", "detaching")
"""States of a month that has not left its table."""


@dataclass(frozen=True)
class Archive:
    """One table, its vault, and the sessions of those who work at it. They may all be of one role; better they are not."""

    dataset: Dataset
    vault: Vault
    keeper: Connection
    """Of a role that owns the table, or is a member of who does."""
    exporter: Connection
    """Of a role that sees every row."""
    dropper: Connection
    """Of a role that may call one function."""

    @property
    def retention(self) -> Retention:
        """What the file says. Raises NoRetention."""
        if self.dataset.retention is None:
            raise NoRetention(
                f"{self.dataset.table}: include/estate/datasets/{self.dataset.name}.yaml has no `retention`. Nothing was changed."
            )
        return self.dataset.retention

    def let_roles(self) -> None:
        """Let the exporter and the dropper do what they are for, where they are roles of their own. Safe to repeat."""
        ledger.prepare(self.keeper)
        keeper, exporter, dropper = map(role_of, (self.keeper, self.exporter, self.dropper))
        if exporter != keeper:
            let_export(self.keeper, exporter)
        if dropper != keeper:
            let_drop(self.keeper, dropper)

    def list_due(self, tell: Tell) -> list[Month]:
        """List the months with something to do, a drop included. One that somebody is at is left to them."""
        with self.at_table(tell) as branches:
            for branch in branches:
                self._plan(branch)
            found = [(branch, month) for branch in branches for month in ledger.months_of(self.keeper, branch.table)]
            due = []
            for branch, known in found:
                try:
                    with alone_at(self.keeper, known):
                        month = reconcile(self.keeper, self.vault, branch, known, tell)
                        month = self._see_late(branch, month, tell)
                except LockBusy as busy:
                    tell(str(busy))
                    continue
                except (Gone, OutOfOrder, Overtaken) as wrong:  # its own branch of the night says so; the others go on
                    tell(str(wrong))
                    due.append(known)
                    continue
                if self._goes_on(month) or self.may_drop(month) or self._reopened_by(branch, month):
                    due.append(month)
            return due

    def advance(self, partition: Table, tell: Tell) -> Month:
        """Bring one month as far as it goes without a drop. Safe to repeat. Raises NoSuchMonth, LockBusy.

        The table is held while the month leaves it, and not while it is stored: that may take long.
        """
        with self._at_month(partition):
            with self.at_table(tell) as branches:
                branch, month = self._find(branches, partition)
                month = reconcile(self.keeper, self.vault, branch, month, tell)
                if late := self._reopened_by(branch, month):
                    return restore(self.keeper, self.vault, month, self.retention.cooling, late)
                month = self._leave(branch, month, tell)
            return self._store(branch, month, tell)

    def archive(self, tell: Tell) -> Facts:
        """Bring every month that is old as far as it goes without a drop. Gives how many stand where. Safe to repeat."""
        for month in self.list_due(tell):
            self.advance(month.partition, tell)
        return self.count()

    def drop_month(self, partition: Table, tell: Tell, shown: ledger.Export | None = None) -> None:
        """Drop one month that is due, and only as it was `shown`, where that is given. Safe to repeat.

        Raises NoSuchMonth, NotDropped, EndsEarly, Damaged, Unlike, LockBusy.
        """
        with self._at_month(partition):
            branches = _ranged(look(self.keeper, self.dataset))
            for one in branches:
                self._hold(one)  # since the night's list somebody may have written one down
            branch, known = self._find(branches, partition)
            month = reconcile(self.keeper, self.vault, branch, known, tell)
            if month.state != "dropped" and not self.may_drop(month):
                raise NotDropped(
                    f"{month} is {month.standing}, and by the file of {self.dataset.name} it does not go now (`then`, `keep`,"
                    " `cooling`, `holds`). Nothing was dropped."
                )
            if shown and month.export != shown:
                raise NotDropped(
                    f"{month} was stored anew since its gates were green. Nothing was dropped: run it again."
                )
            self.check_stays()
            tell(drop(self.dropper, self.vault, month))

    def drop(self, tell: Tell) -> int:
        """Drop what has cooled, where the file says so; gives how many. Raises NotDropped, Damaged, Unlike."""
        due = [month for month in self.list_due(tell) if self.may_drop(month)]
        for month in due:
            self.drop_month(month.partition, tell)
        return len(due)

    def may_drop(self, month: Month) -> bool:
        """Whether a month has cooled, nobody holds it, and the file says that it goes."""
        return self.retention.then == "drop" and is_due(month, self.retention)

    def check_stays(self) -> None:
        """Raise EndsEarly where the vault's own rules would take months of this table away before its file says so. Read-only."""
        check_stays(self.vault, kept_by([self.dataset]), f"include/estate/datasets/{self.dataset.name}.yaml")

    def find(self, named: str) -> Month:
        """Give what the ledger says of a month, by its partition as it is printed. Read-only. Raises NoSuchMonth."""
        for branch in _ranged(look(self.keeper, self.dataset)):
            for month in ledger.months_of(self.keeper, branch.table):
                if str(month.partition) == named:
                    return month
        raise self._unknown(named)

    def restore(self, moment: datetime, lasts: timedelta, tell: Tell) -> list[Month]:
        """Bring back the months that hold a moment, for so long; gives them. Raises NotBroughtBack, Damaged, Unlike."""
        return self.restore_all(Span(moment, moment + timedelta.resolution), lasts, tell)

    def restore_all(self, asked: Span, lasts: timedelta, tell: Tell) -> list[Month]:
        """Bring back all that holds anything of a time, for so long; gives it. Raises NotBroughtBack, Damaged, Unlike."""
        with self.at_table(tell) as branches:
            found = self._of(branches, asked)
            left = [(b, m) for b, m in found if m.state != "lost" and (m.state not in IN_TABLE or m.supplement_of)]
            for _, month in found if left else ():
                if month.state == "lost":
                    tell(why_not(month))
            back = []
            for branch, known in left or found:
                with alone_at(self.keeper, known):
                    month = reconcile(self.keeper, self.vault, branch, known, tell)
                    back.append(restore(self.keeper, self.vault, month, lasts, late_of(branch, month)))
                tell(f"{back[-1]} is back in {back[-1].partition} until {back[-1].expires_at:%Y-%m-%d %H:%M} UTC")
            return back

    def end_all(self, asked: Span, tell: Tell) -> list[Month]:
        """Let all that is back of a time be over its own: the next run takes it up. Gives it. Raises NotBroughtBack, LockBusy."""
        with self.at_table(tell) as branches:
            back = [(branch, month) for branch, month in self._of(branches, asked) if month.state == "restored"]
            if not back:
                raise NotBroughtBack(
                    f"{self.dataset.table}: nothing of {asked} was brought back into it, so nothing is ended. Copies end with"
                    " `where`: beside; sluice_archive.status shows what is back. Nothing was changed."
                )
            ended = []
            for branch, known in back:
                with alone_at(self.keeper, known):
                    month = reconcile(self.keeper, self.vault, branch, known, tell)
                    if month.state == "restored":
                        month = restore(self.keeper, self.vault, month, timedelta(0))
                ended.append(month)
                held = f"; it is held ({month.held}), and stays until that ends" if month.held else ""
                tell(
                    f"{month} is {month.state}: archive_retention takes it out of {month.parent} when it runs next{held}"
                )
            return ended

    def count(self) -> Facts:
        """Count the months by where they stand. Read-only."""
        found: Counter[str] = Counter()
        for branch in _ranged(look(self.keeper, self.dataset)):
            found.update("held" if one.held else one.state for one in ledger.months_of(self.keeper, branch.table))
        return dict(found)

    @contextmanager
    def at_table(self, tell: Tell) -> Iterator[list[Branch]]:
        """Keep migrations and others of us away; give the table's branches that are cut by time. Raises InFlight, LockBusy.

        First of all a detach that was broken off is finished, and what the file holds is written down.
        """
        with self._held_apart():
            whole = look(self.keeper, self.dataset)
            check_tenant(self.keeper, self.dataset)
            with alone(self.keeper, whole):
                finish_broken_off(self.keeper, whole, tell)
                branches = _ranged(look(self.keeper, self.dataset))
                for branch in branches:
                    self._hold(branch)
                yield branches

    @contextmanager
    def _at_month(self, partition: Table) -> Iterator[None]:
        """Keep migrations of the table away, and others of us from this month. Raises NoSuchMonth, InFlight, LockBusy."""
        with self._held_apart(), alone_at(self.keeper, self.find(str(partition))):
            yield

    @contextmanager
    def _held_apart(self) -> Iterator[None]:
        table = Table.parse(self.dataset.table)
        ledger.prepare(self.keeper)
        with held_apart(self.keeper, table), translated(f"archiving {table}"):
            yield

    def _find(self, branches: list[Branch], partition: Table) -> tuple[Branch, Month]:
        for branch in branches:
            for month in ledger.months_of(self.keeper, branch.table):
                if month.partition == partition:
                    return branch, month
        raise self._unknown(partition)

    def _of(self, branches: list[Branch], asked: Span) -> list[tuple[Branch, Month]]:
        """Give the months that hold anything of a time. Raises NotBroughtBack, which tells what there is."""
        known = [(branch, month) for branch in branches for month in ledger.months_of(self.keeper, branch.table)]
        if found := [(branch, month) for branch, month in known if month.span.meets(asked)]:
            return found
        there = [month.span for _, month in known if month.state not in IN_TABLE]
        raise NotBroughtBack(
            f"{self.dataset.table}: the archive has no month with {asked.lower:%Y-%m-%d} in it. {nearest_of(there, asked)}"
        )

    def _unknown(self, partition: object) -> NoSuchMonth:
        return NoSuchMonth(
            f"{self.dataset.table}: the archive knows no month {partition}. It may be called otherwise by now, as late rows make"
            " it: sluice_archive.month names all, and a new run of archive_retention lists those that are due. Nothing was done."
        )

    def _goes_on(self, month: Month) -> bool:
        if month.state == "verified":
            return self.retention.then == "drop"
        if month.state == "eligible":
            return not month.held and is_old(month.span, self.retention.keep, month.now)
        return month.state in UNDER_WAY

    def _plan(self, branch: Branch) -> None:
        """Write down what is old by now, and what is held by now."""
        now = find_now(self.keeper)
        for one in branch.partitions:
            if one.span and not one.leaving and is_old(one.span, self.retention.keep, now):
                ledger.add(self.keeper, branch.table, one.span, one.bounds, one.table, one.oid)
        self._hold(branch)

    def _hold(self, branch: Branch) -> None:
        for month in ledger.months_of(self.keeper, branch.table):
            because = holding(month.span, self.retention.holds)
            if because != month.held:
                ledger.hold(self.keeper, month, because)

    def _see_late(self, branch: Branch, month: Month, tell: Tell) -> Month:
        """Make room for a month's late rows, or let those that came take its way; or tell of them, as the file says."""
        late = late_of(branch, month)
        if self.retention.late == "refuse":
            _tell_late(month, late, tell)
        elif late is None:
            make_room(self.keeper, branch, month, tell)
        elif self.retention.late == "side" and self._waits(month, late):
            tell(f"{month}: rows came late, and lie in {late.table}")
            return begin_anew(self.keeper, month, late)
        return month

    def _reopened_by(self, branch: Branch, month: Month) -> Partition | None:
        """Give the late rows for which a month is to be brought back."""
        late = late_of(branch, month)
        return late if late and self.retention.late == "reopen" and self._waits(month, late) else None

    def _waits(self, month: Month, late: Partition) -> bool:
        return month.state == "dropped" and not month.held and has_rows(self.keeper, late)

    def _leave(self, branch: Branch, month: Month, tell: Tell) -> Month:
        while month.state in IN_TABLE and self._goes_on(month):
            month = detach(self.keeper, branch, month, tell)
            tell(f"{month}: {month.state}")
        if month.state == "detached" and self.retention.late != "refuse":
            make_room(self.keeper, branch, month, tell)
        return month

    def _store(self, branch: Branch, month: Month, tell: Tell) -> Month:
        steps: Mapping[str, Callable[[Month], Month]] = {
            "detached": lambda month: self._export(branch, month),
            "exported": self._verify,
        }
        while month.state in steps:
            month = steps[month.state](month)
            tell(f"{month}: {month.state}")
        if month.state == "verified" and self._goes_on(month):
            month = move(self.keeper, month, "cooling", cooling=self.retention.cooling)
            failpoint("month.cooling")
        return month

    def _export(self, branch: Branch, month: Month) -> Month:
        check_month(self.keeper, self.dataset, month)
        let_read(self.keeper, month, role_of(self.exporter))
        of = (self.dataset.store, branch.columns[0], self.retention.tenant)
        how = Exporter(self.exporter, self.keeper, self.vault, *of)
        made = how.run(month)
        noted = {"rows": made.rows, "hash": made.hash, "manifest": made.key, "sha256": made.sha256}
        month = move(self.exporter, month, "exported", **noted, version=made.version)
        failpoint("month.exported")
        return month

    def _verify(self, month: Month) -> Month:
        assert month.export is not None
        found = verify(self.vault, month.export)
        failpoint("month.read_back")
        return move(self.exporter, month, "verified", rows=found.rows, hash=str(found.hash))


def _tell_late(month: Month, late: Partition | None, tell: Tell) -> None:
    """Tell of rows that came to a month that is gone, where the file has them refused: nobody made room for them but a person."""
    if late and month.state == "dropped":
        tell(
            f"{month} was dropped, and the table has {late.table} for it: it is left alone. Move its rows aside, drop it,"
            " bring the month back, and add them; or say in the file what becomes of them (`late`)"
        )


def _ranged(whole: Branch) -> list[Branch]:
    return [one for one in branches_of(whole) if one.how == "range"]
