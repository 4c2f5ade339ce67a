"""The archive's ledger, in the store beside the data: one row a month of a table, and where it stands.

The database keeps the order of the states and the times by itself (include/sql/schema/archive); here it is read, and asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import errors, sql

from sluice.errors import Terminal, Transient
from sluice.ledger import alone
from sluice.ledger.releases import bring_up_to_date
from sluice.stores.postgres import Connection, Row, Table, one, rows
from sluice.stores.statements import statement
from sluice.upkeep.partitions.spans import Span

NOTED: Mapping[str, str] = {
    "eligible": "archive.note_late",
    "exported": "archive.note_export",
    "verified": "archive.note_reading",
    "cooling": "archive.note_cooling",
    "restored": "archive.note_restoring",
    "dropped": "archive.note_gone",
}
"""What is written with a state, beside it."""


class Overtaken(Transient):
    """Somebody else has moved the month on meanwhile."""


class OutOfOrder(Terminal):
    """The ledger refuses: this step does not follow that one, or what it stands on is not so."""


@dataclass(frozen=True)
class Export:
    """What a month was stored as."""

    rows: int
    hash: str
    """The sum of its rows' portable hashes, as text."""
    key: str
    """Of the manifest, in the vault."""
    sha256: str
    version: str | None

    @property
    def named(self) -> dict[str, str]:
        """What names its manifest, among facts."""
        return {"manifest": self.key, "manifest_sha256": self.sha256}


@dataclass(frozen=True)
class Reading:
    """What was counted in the stored objects when they were read back, and when that was."""

    rows: int
    hash: str
    at: datetime


@dataclass(frozen=True)
class Month:
    """One month of a table."""

    parent: Table
    span: Span
    bounds: str
    partition: Table
    oid: int
    state: str
    held: str | None
    export: Export | None
    reading: Reading | None
    cools_until: datetime | None
    expires_at: datetime | None
    now: datetime
    """The database's clock when this was read."""
    supplement_of: Export | None = None
    """What was stored and dropped before, where this are its late rows."""
    note: str | None = None
    """Of one that did not go the usual way: that somebody else dropped it, or why nobody is to look for it any more."""

    def __str__(self) -> str:
        return f"{self.parent}, {self.span}"

    @property
    def standing(self) -> str:
        """Where it stands, in words."""
        until = {"cooling": self.cools_until, "restored": self.expires_at}.get(self.state)
        ends = f" until {until:%Y-%m-%d %H:%M} UTC" if until else ""
        return f"{self.state}{ends}{f', held: {self.held}' if self.held else ''}"

    @property
    def place(self) -> dict[str, object]:
        """What finds its row."""
        return {**_named(self.parent), "lower_bound": self.span.lower, "upper_bound": self.span.upper}


def prepare(c: Connection) -> None:
    """Make the schema `sluice_archive` if it is missing or old. Raises Outdated where a newer version has been here."""
    bring_up_to_date(c, "archive")


def is_there(c: Connection) -> bool:
    """Tell whether the archive has ever been in this database. Read-only."""
    return bool(one(c, statement("archive.is_there"))["there"])


def months_of(c: Connection, parent: Table) -> list[Month]:
    """List the months of a table that the ledger knows, the oldest first. Read-only."""
    return [_month(row) for row in rows(c, statement("archive.list_months"), **_named(parent))]


def out_of_database(c: Connection) -> list[Month]:
    """List the months of which something is in the vault alone, of every table of a database; none without an archive."""
    if not one(c, statement("archive.is_there"))["there"]:
        return []
    prepare(c)
    return [_month(row) for row in rows(c, statement("archive.list_out_of_database"))]


def add(c: Connection, parent: Table, span: Span, bounds: str, partition: Table, oid: int) -> None:
    """Write a month down as eligible, unless it is there."""
    values = {"bounds": bounds, "schema": partition.schema, "name": partition.name, "oid": oid}
    edges = {"lower_bound": span.lower, "upper_bound": span.upper}
    c.execute(statement("archive.add_month"), {**_named(parent), **edges, **values})


def alone_at(c: Connection, month: Month) -> AbstractContextManager[object]:
    """Keep others of us away from a month, whichever run or machine. Raises LockBusy where one is at it."""
    return alone.alone_at(c, f"{month.parent} {month.span}")


def hold(c: Connection, month: Month, because: str | None) -> None:
    """Hold a month, or let it go."""
    c.execute(statement("archive.hold_month"), {**month.place, "because": because})


def move(c: Connection, month: Month, state: str, **noted: object) -> Month:
    """Move a month to its next state, with what is noted beside it. Raises Overtaken, OutOfOrder."""
    beside = statement(NOTED[state]) if noted else sql.Composed([])
    try:
        found = rows(
            c, statement("archive.move_month", noted=beside), **month.place, state=state, was=month.state, **noted
        )
    except errors.RaiseException as refused:
        raise OutOfOrder(f"{month}: {refused.diag.message_primary}. Nothing was changed.") from refused
    return _moved(month, found)


def place(c: Connection, month: Month, oid: int) -> Month:
    """Say which table a month is by now, where all else of it is as it was. Raises Overtaken."""
    return _moved(month, rows(c, statement("archive.place_month"), **month.place, was=month.state, oid=oid))


def _moved(month: Month, found: list[Row]) -> Month:
    if not found:
        raise Overtaken(f"{month} is no longer {month.state}: somebody moved it on. It is tried again by itself.")
    return _month(found[0])


def _named(parent: Table) -> dict[str, object]:
    return {"parent_schema": parent.schema, "parent_name": parent.name}


def _month(row: Row) -> Month:
    cooling: timedelta | None = row["cooling"]
    return Month(
        Table(row["parent_schema"], row["parent_name"]),
        Span(_utc(row["lower_bound"]), _utc(row["upper_bound"])),
        row["bounds"],
        Table(row["partition_schema"], row["partition_name"]),
        row["oid"],
        row["state"],
        row["held_because"],
        _export(row) if row["manifest"] else None,
        Reading(row["rows_read"], row["hash_read"], _utc(row["verified_at"])) if row["verified_at"] else None,
        _utc(row["verified_at"] + cooling) if cooling is not None else None,
        _utc(row["expires_at"]) if row["expires_at"] else None,
        _utc(row["now"]),
        Export(**row["supplement_of"]) if row["supplement_of"] else None,
        row["note"],
    )


def _export(row: Row) -> Export:
    return Export(row["rows"], row["hash"], row["manifest"], row["manifest_sha256"], row["manifest_version"])


def _utc(moment: Any) -> datetime:
    found: datetime = moment.astimezone(UTC)
    return found
