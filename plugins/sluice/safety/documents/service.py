"""Tables by the service's own backups: history to any second, and backups on demand; as every driver is asked.

A restore takes from minutes to hours: `begin`, `look` and `finish` are for whoever must not sit and wait; `restore` does. What is
set of the tables is kept in the vault with each backup, for the day when there is no table to read it of.

    backups/stores/<store>/settings/<moment>.json
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from sluice.errors import Terminal, Transient
from sluice.safety.backup import name_at, place_of
from sluice.safety.census import Census
from sluice.safety.documents.counting import count_live, count_still
from sluice.safety.documents.log import Stretch, TableLog, runs_of
from sluice.safety.documents.putting_back import PutBack, put_back_all
from sluice.safety.documents.restoring import Source, restore_request
from sluice.safety.documents.scratch import check_ours, destroy, scratches, table_under
from sluice.safety.documents.settings import OURS, Settings, read_settings
from sluice.safety.documents.shipping import TableShipper, shippers_of
from sluice.safety.documents.tables import Tables
from sluice.safety.driver import Clock, Restored, Taken, Tell, Window, made_at
from sluice.safety.target import Target
from sluice.stores.dynamodb.backups import back_up, kept_of_deleted
from sluice.stores.dynamodb.client import DynamoRefused, NoSuchTable, speaking
from sluice.stores.dynamodb.identity import identify
from sluice.stores.objects import Vault

HISTORY = "history"
"""What a restore rests on that rests on no backup."""


class NoHistory(Terminal):
    """A table whose history the service does not keep."""


class NoSuchBackup(Terminal):
    """The service has no whole backup of that name."""


class NotRestored(Terminal):
    """The service has not made of a backup what it was asked for."""


class StillRestoring(Transient):
    """The service restores still."""


@dataclass(frozen=True)
class Begun:
    """A restore that is under way: plain values, for a task that is put off and goes on elsewhere."""

    name: str
    target: tuple[str, str]
    copies: Mapping[str, str]
    """The copy of each table."""
    backups: tuple[str, ...]


@dataclass(frozen=True)
class ServiceBackups:
    """The tables of one store, as the service backs them up."""

    tables: Tables
    vault: Vault
    tell: Tell = print
    look_every: timedelta = timedelta(seconds=20)
    patience: timedelta = timedelta(hours=12)
    within: timedelta = timedelta(minutes=1)
    """How much before and after its moment a backup on demand may have been written: the service promises no more."""
    days: int = 35
    """For how many days it keeps the history of each table."""

    @property
    def store(self) -> str:
        """The store's name in the estate."""
        return self.tables.store

    @cached_property
    def shippers(self) -> Mapping[str, TableShipper]:
        """What ships each table's stream: by it copies are compared, and nothing is brought back."""
        return shippers_of(self.tables, self.vault, self.tell)

    def unbased(self) -> str | None:
        """None: no backup of the service goes with a log."""
        return None

    def keep_history(self, tell: Tell) -> None:
        """Have the service keep the history of each table for as many days as it is to. Safe to repeat."""
        for table in self.tables.names:
            wanted = {"PointInTimeRecoveryEnabled": True, "RecoveryPeriodInDays": self.days}
            with speaking("keep the history of", table):
                told = self._client.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
                kept = told.get("PointInTimeRecoveryDescription") or {}
                if (
                    kept.get("PointInTimeRecoveryStatus") != "ENABLED"
                    or kept.get("RecoveryPeriodInDays", 35) != self.days
                ):
                    self._client.update_continuous_backups(TableName=table, PointInTimeRecoverySpecification=wanted)
                    tell(f"{self.store}: the history of {table} is kept for {self.days} days from now on")

    def take(self, tell: Tell) -> Taken:
        """Have the service keep each table's history, back it up, and keep what is set of it. Each is of a second of its own.

        Safe to repeat: one that was begun in the same second is taken. Raises NoBackups, BackupNotReady, NoSuchTable.
        """
        self.keep_history(tell)
        now = self.tables.now()
        name = f"{self._prefix}{name_at(now, 'full')}"
        self.keep_settings(now)
        for table in self.tables.names:
            found = identify(self._client, table)
            if found is None:
                raise NoSuchTable(f"{self.store}: there is no table {table} to back up.")
            back_up(self._client, found, "on_demand", name)
        tell(f"{self.store}: {name} made of {len(self.tables.names)} tables")
        return self._backup(name)[0]

    def backups(self) -> Sequence[Taken]:
        """List the backups on demand that every table has, oldest first."""
        return [taken for taken, _ in self._backups().values()]

    def window(self) -> Window | None:
        """The moments that the history of every table reaches; None where it is not kept of one."""
        found = [self._history(table) for table in self.tables.names]
        if not all(found):
            return None
        kept = [one for one in found if one]
        window = Window(max(one.earliest for one in kept), min(one.latest for one in kept))
        return window if window.earliest <= window.latest else None

    def verify(self, backup: str, tell: Tell) -> int:
        """Tell how many bytes the service says that a backup has. It gives none of them out: a restore alone reads them."""
        taken, _ = self._backup(backup)
        tell(f"{self.store}: {backup} is available, by the service's word; only a drill reads it")
        return taken.bytes

    def restore(self, target: Target, name: str, clock: Clock, tell: Tell) -> Restored:
        """Restore every table beside its original, and wait. What an earlier try has begun under this name goes on.

        Raises NotScratch, NoHistory, NoSuchBackup, NotRestored, StillRestoring, DynamoRefused.
        """
        made_at(name)
        begun = self.begin(target, name, tell)  # what a task before has begun under this name goes on
        clock.note("accepted")
        deadline = time.monotonic() + self.patience.total_seconds()
        while waiting := self.look(begun):
            if time.monotonic() > deadline:
                raise StillRestoring(f"{self.store}: {', '.join(waiting)} is being restored still. Look again later.")
            time.sleep(self.look_every.total_seconds())
        found = self.finish(begun)
        clock.note("available")
        return found

    def begin(self, target: Target, name: str, tell: Tell) -> Begun:
        """Ask for the restore of every table; what was asked before by this name is left alone. Safe to repeat.

        A table that was deleted comes back as it was then. Raises NotScratch, NoHistory, NoSuchBackup, BackupNotReady,
        DynamoRefused.
        """
        copies = {table: table_under(name, table) for table in self.tables.names}
        sources, backups = self._sources(target, tell)
        for table, copy in copies.items():
            if identify(self._client, copy):
                check_ours(self._client, name, copy)
                continue
            call, asked = restore_request(self._settings(table, target), sources[table], copy)
            with speaking(f"restore to {target}", table):
                getattr(self._client, call)(**asked)
            with suppress(
                DynamoRefused
            ):  # while it is being restored; that it came of a restore is in the table itself
                self._mark(name, copy)
            tell(f"{self.store}: {table} is being restored as {copy}, to {target}")
        return Begun(name, (target.kind, target.value), copies, backups)

    def look(self, begun: Begun) -> list[str]:
        """Name the copies that are not there yet. Raises NotRestored where one is gone."""
        waiting = []
        for copy in begun.copies.values():
            told = self._told(copy)
            if told["TableStatus"] != "ACTIVE":
                waiting.append(copy)
        return waiting

    def finish(self, begun: Begun) -> Restored:
        """Mark the copies as a drill's, and tell of what they are. Safe to repeat. Raises NotRestored."""
        as_of = []
        for copy in begun.copies.values():
            told = self._told(copy)
            self._mark(begun.name, copy)
            if when := told.get("RestoreSummary", {}).get("RestoreDateTime"):
                as_of.append(when.astimezone(UTC))
        if begun.target[0] == "time":
            as_of = [datetime.fromisoformat(begun.target[1])]
        if begun.target[0] == "point":
            as_of = [self._backup(begun.target[1])[0].whole_at]
        reached = min((one.replace(microsecond=0) for one in as_of), default=None)
        address = ",".join(begun.copies.values())
        return Restored(begun.name, address, begun.backups, reached, reached.isoformat() if reached else None)

    def hand_over(self, found: Restored, port: int | None) -> str:
        """Put back for good what was set of the originals, expiry, alarms and all; gives the names of the tables.

        Where they listen is not ours to say. Safe to repeat. Raises NotScratch, TableNotReady, AccessDenied.
        """
        done = self.put_back(found.name, found.backups[-1], drill=False, tell=self.tell)
        for left in done.left:
            self.tell(f"{self.store}: not put back: {left}")
        return found.address

    def put_back(self, name: str, backup: str, *, drill: bool, tell: Tell) -> PutBack:
        """Put back on copies what was set of the originals, as it was kept last. Safe to repeat. Raises NoSuchBackup."""
        was = [self._settings(table, Target("latest")) for table in self.tables.names]
        return put_back_all(self.tables, name, was, drill=drill, tell=tell)

    def logs(self, backup: str) -> Mapping[str, Stretch]:
        """Give the log of each table's stream, where it is shipped to the vault: with it copies are compared at any moment."""
        found: dict[str, Stretch] = {}
        for table in self.tables.names:
            for run in runs_of(self.vault, self.store, table)[-1:]:
                log = TableLog(self.vault, self.store, table, run)
                since = next((round_.until for round_ in log.since(0) if round_.until), None)
                found |= {table: Stretch(log, 0, since)} if since else {}
        return found if len(found) == len(self.tables.names) else {}

    def blur(self, target: Target) -> timedelta:
        """Tell how far around its moment a copy may be of: nothing for one out of the history."""
        return self.within if target.kind == "point" else timedelta(0)

    def count(self, tell: Tell) -> Census:
        """Count the live tables as of a moment, by the log of their streams where that is shipped. Raises StreamLied, LogLost."""
        if not self.logs(HISTORY):
            return count_still(self.tables)
        return count_live(self.tables, self.shippers, tell)

    def scratches(self) -> Sequence[str]:
        """List the names under which copies of this store stand."""
        return scratches(self._client, self.store)

    def destroy(self, name: str) -> None:
        """Take the copies of a name away. Safe to repeat. Raises NotScratch, NotGone."""
        destroy(self.tables.clients, name)

    def keep_settings(self, now: datetime) -> None:
        """Keep in the vault what is set of each table. Raises AlreadyThere, VaultDown."""
        told = {table: asdict(read_settings(self.tables.clients, table)) for table in self.tables.names}
        body = json.dumps(told, indent=1, ensure_ascii=False, default=str).encode()
        self.vault.put_once(f"{self._kept}{now:%Y%m%dT%H%M%SZ}.json", body, "application/json")

    @property
    def _client(self) -> Any:
        return self.tables.clients.dynamodb

    @property
    def _prefix(self) -> str:
        return f"sluice-{self.store}-"

    @property
    def _kept(self) -> str:
        return f"{place_of(self.store)}/settings/"

    def _mark(self, name: str, copy: str) -> None:
        arn = self._told(copy)["TableArn"]
        with speaking("tag", copy):
            self._client.tag_resource(ResourceArn=arn, Tags=[{"Key": OURS, "Value": name}])

    def _told(self, copy: str) -> dict[str, Any]:
        try:
            return self.tables.described(copy)
        except NoSuchTable as error:
            raise NotRestored(
                f"{self.store}: the service has given {copy} up, or somebody deleted it. Restore anew."
            ) from error

    def _settings(self, table: str, target: Target) -> Settings:
        """Give what was set of a table: as it was kept by the moment of the target, else as soon after as there is."""
        keys = self.vault.list(self._kept)
        if not keys:
            raise NoSuchBackup(f"{self.store}: nothing was kept of what is set of its tables. Take a backup first.")
        moment = datetime.fromisoformat(target.value).astimezone(UTC) if target.kind == "time" else None
        until = f"{self._kept}{moment:%Y%m%dT%H%M%SZ}.json" if moment else None
        before = [key for key in keys if until is None or key <= until]
        told = json.loads(self.vault.get(before[-1] if before else keys[0]))[table]
        return Settings(**{**told, "unanswered": tuple(told["unanswered"])})

    def _sources(self, target: Target, tell: Tell) -> tuple[dict[str, Source], tuple[str, ...]]:
        if target.kind == "point":
            _, addresses = self._backup(target.value)
            return {table: Source(backup=address) for table, address in addresses.items()}, (target.value,)
        if target.kind == "position":
            raise NoHistory(
                f"{self.store} is a store of documents: {target} is none of a time, a backup or the latest moment."
            )
        moment = datetime.fromisoformat(target.value) if target.kind == "time" else None
        sources = {table: self._source(table, moment, tell) for table in self.tables.names}
        return sources, tuple(dict.fromkeys(source.backup or HISTORY for source in sources.values()))

    def _source(self, table: str, moment: datetime | None, tell: Tell) -> Source:
        """Say from what a table is restored: its history, or what the service kept of it when it was deleted."""
        try:
            self._check_reaches(table, moment)
        except NoSuchTable:
            return self._source_of_deleted(table, moment, tell)
        return Source(moment=moment)

    def _source_of_deleted(self, table: str, moment: datetime | None, tell: Tell) -> Source:
        kept = kept_of_deleted(self._client, table)
        if kept is None:
            raise NoHistory(
                f"{self.store}: table {table} is gone, and the service kept nothing of it (ListBackups of type SYSTEM names"
                " none): its history was not kept, it was deleted more than 35 days ago, or the connection leads elsewhere."
                " Check its region and endpoint; restore a backup that was made on demand, a `point`; or, to have the others"
                f" back without it, take {table} out of the store's `tables`."
            )
        deleted = f"{kept.deleted_at:%Y-%m-%d %H:%M:%S} UTC"
        if moment and moment < kept.deleted_at:
            after = kept.deleted_at.replace(microsecond=0) + timedelta(seconds=1)
            raise NoHistory(
                f"{self.store}: {table} was deleted at {deleted}, and of its history the service keeps that moment alone;"
                f" {moment:%Y-%m-%d %H:%M:%S} was asked for. Ask for {after:%Y-%m-%d %H:%M:%S} or later, for the latest"
                " moment, or for a backup on demand, a `point`."
            )
        tell(f"{self.store}: {table} was deleted, and comes back as it was then: {deleted}, out of {kept.address}")
        return Source(backup=kept.address)

    def _check_reaches(self, table: str, moment: datetime | None) -> None:
        window = self._history(table)
        if window is None:
            raise NoHistory(
                f"{self.store}: the service keeps no history of {table}. The next backup switches it on; until it reaches"
                " back, restore a backup that was made on demand."
            )
        if moment and not window.earliest <= moment <= window.latest:
            raise NoHistory(
                f"{self.store}: the history of {table} reaches from {window.earliest:%Y-%m-%d %H:%M:%S} to"
                f" {window.latest:%Y-%m-%d %H:%M:%S} UTC, and {moment:%Y-%m-%d %H:%M:%S} was asked for."
            )

    def _history(self, table: str) -> Window | None:
        with speaking("look for the history of", table):
            told = self._client.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
        kept = told.get("PointInTimeRecoveryDescription") or {}
        if kept.get("PointInTimeRecoveryStatus") != "ENABLED":
            return None
        names = [f"{end}RestorableDateTime" for end in ("Earliest", "Latest")]
        # Just switched on, it does not say yet from when to when.
        return Window(*(kept[name].astimezone(UTC) for name in names)) if all(map(kept.get, names)) else None

    def _backup(self, name: str) -> tuple[Taken, dict[str, str]]:
        found = self._backups()
        if name not in found:
            there = ", ".join(found) or "none"
            raise NoSuchBackup(f"{self.store}: the service has no backup {name} of all of its tables; it has {there}.")
        return found[name]

    def made(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Give what the service keeps that Sluice had it make, by name: what it says of each table's. Halves are among them."""
        by_name: dict[str, dict[str, dict[str, Any]]] = {}
        ours = re.compile(rf"{re.escape(self._prefix)}\d{{8}}T\d{{9}}Z-full")
        for table in self.tables.names:
            with speaking("look for backups of", table):
                pages = self._client.get_paginator("list_backups").paginate(TableName=table)
                for one in [one for page in pages for one in page.get("BackupSummaries", [])]:
                    if ours.fullmatch(one["BackupName"]) and one["BackupStatus"] == "AVAILABLE":
                        by_name.setdefault(one["BackupName"], {})[table] = one
        return dict(sorted(by_name.items()))

    def tables_then(self, backup: str) -> set[str]:
        """Name the tables that the store had when a backup was made, of those that it has still. Raises VaultDown."""
        kept = f"{self._kept}{backup.removeprefix(self._prefix)[:15]}Z.json"
        there = json.loads(self.vault.get(kept)) if self.vault.sizes(kept) else self.tables.names
        return {table for table in self.tables.names if table in there}

    def _backups(self) -> dict[str, tuple[Taken, dict[str, str]]]:
        """Give those that every table has, by name: what is common to them, and the address of each table's."""
        whole = {name: found for name, found in self.made().items() if len(found) == len(self.tables.names)}
        return {name: (self.taken(name, found), _addresses(found)) for name, found in whole.items()}

    def taken(self, name: str, found: Mapping[str, Mapping[str, Any]]) -> Taken:
        """Say of a backup on demand what every driver says of one, by what the service says of each table's. Pure."""
        at = max(one["BackupCreationDateTime"].astimezone(UTC) for one in found.values())
        return Taken(name, at, sum(int(one.get("BackupSizeBytes") or 0) for one in found.values()))


def _addresses(found: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    return {table: str(one["BackupArn"]) for table, one in found.items()}
