"""A drill of tables: brought back, read to the last item, settings put back and diffed, compared, certified, taken away again."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from sluice.safety.census import Census
from sluice.safety.comparing import compare, settled
from sluice.safety.documents.counting import OneImage, carried, count_copy, told_by
from sluice.safety.documents.log import LogShort, Stretch
from sluice.safety.documents.putting_back import PutBack
from sluice.safety.documents.scratch import table_under, tables_under
from sluice.safety.documents.settings import read_settings
from sluice.safety.documents.shipping import TableShipper
from sluice.safety.documents.tables import Tables
from sluice.safety.drill.certificate import Certificate, Compared, digest
from sluice.safety.drill.drilling import Asked, Counted, certify, restored
from sluice.safety.drill.heartbeat import lost_between
from sluice.safety.driver import Clock, Driver, Restored, Tell, destroy_of_run, name_scratch
from sluice.safety.target import Target
from sluice.stores.dynamodb.scan import scan_page


class DocumentDriver(Driver, Protocol):
    """What a drill of tables needs beside the contract."""

    @property
    def tables(self) -> Tables:
        """The tables, and how they are reached."""

    @property
    def shippers(self) -> Mapping[str, TableShipper]:
        """What ships each table's stream."""

    def unbased(self) -> str | None:
        """Name the log that no backup goes with yet, though one must; None where there is one, or none is wanted."""

    def put_back(self, name: str, backup: str, *, drill: bool, tell: Tell) -> PutBack:
        """Put back on copies what was set of the originals."""

    def logs(self, backup: str) -> Mapping[str, Stretch]:
        """Give the log of each table that goes with a backup; none where nothing is shipped."""

    def blur(self, target: Target) -> timedelta:
        """Tell how far around its moment a copy may be of."""


def drill(driver: DocumentDriver, asked: Asked, every: timedelta, tell: Tell) -> Certificate:
    """Do one drill. What was brought back goes, also where this raises. `every`: how often the log is shipped.

    Raises NotReachable, LogShort, Damaged, NotScratch, Throttled, DynamoDown, VaultDown.
    """
    clock, name = Clock(), asked.name or name_scratch(driver.store, asked.at, asked.seed)
    destroy_of_run(driver, asked.seed, but=[name])
    with restored(driver, asked.target, name, clock, tell) as found:
        names, copies = _brought_back(driver.tables, name)
        scan_page(copies.clients.dynamodb, copies.names[0], limit=1)
        clock.note("first query")
        as_of = datetime.fromisoformat(found.position or asked.at.isoformat())
        there = count_copy(copies, as_of, {}, names)
        clock.note("fully read")
        # Only now: expiry takes away what has expired since.
        done = driver.put_back(name, found.backups[-1], drill=True, tell=tell)
        clock.note("settings put back")
        around = told_by([read_settings(copies.clients, copy) for copy in copies.names], names)
        clock.note("verified")
    there = replace(there, surroundings=around)
    against = expected(driver, asked, found, as_of)
    made = certify(driver.store, asked, found, clock, lost_between([as_of], asked.at, every), digest(there))
    unknown = "" if against else f"no count of the live tables leads to {as_of:%Y-%m-%d %H:%M:%S} UTC; {_COUNT}"
    held = _compared(against, there, as_of) if against else None
    return replace(made, compared=held, uncompared=unknown, put_back=tuple(map(str, done.steps)), left=done.left)


_COUNT = "count them, and drill again"


def _brought_back(tables: Tables, name: str) -> tuple[list[str], Tables]:
    """Give the tables that have a copy, and the copies: one that is younger than the backup has none, and will be missed."""
    there = tables_under(tables.clients.dynamodb, name)
    names = [table for table in tables.names if table_under(name, table) in there]
    return names, replace(tables, names=tuple(table_under(name, table) for table in names))


def expected(driver: DocumentDriver, asked: Asked, found: Restored, as_of: datetime) -> Counted | None:
    """Choose what the copy must hold: the count of its moment, or one that is carried there, first the nearest behind it.

    Where no log leads there, what the counts around it agree in.
    """
    logs = driver.logs(found.backups[-1]) if found.backups else {}
    if blur := driver.blur(asked.target):
        sides = [_at(asked, logs, as_of + way) for way in (-blur, blur)]
        around = [one for one in sides if one]
        # What was written in between may be in the copy, or not.
        return Counted(around[0].key, settled(around[0].census, around[1].census)) if len(around) == 2 else None
    if found.census:
        return next(one for one in asked.counted if one.key == found.census)
    return _at(asked, logs, as_of)


def _at(asked: Asked, logs: Mapping[str, Stretch], as_of: datetime) -> Counted | None:
    exact = [one for one in asked.counted if one.at == as_of]
    if exact:
        return exact[-1]
    before, after = ([one for one in asked.counted if (one.at > as_of) == later] for later in (False, True))
    # What was changed before is not in the log that goes with the backup.
    since = max((one.since for one in logs.values()), default=None)
    for one in (*after[:1], *before[-1:]):
        if since and min(as_of, one.at) >= since:
            with suppress(LogShort, OneImage):  # it was lost between the two; or tells too little
                return Counted(one.key, carried(one.census, logs, as_of))
    if before and after:
        return Counted(before[-1].key, settled(before[-1].census, after[0].census))
    return None


def _compared(against: Counted, there: Census, as_of: datetime) -> Compared:
    wanted = against.census
    tables = {table: content for table, content in there.tables.items() if table in wanted.tables}
    lines = compare(wanted, replace(there, tables=tables)).lines
    besides = [held.rows for table, held in there.tables.items() if table not in wanted.tables]
    return Compared(
        against.key, len(wanted.tables), wanted.rows, tuple(lines), as_of.isoformat(), len(besides), sum(besides)
    )
