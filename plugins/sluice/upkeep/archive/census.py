"""What a month holds, in one snapshot: its bounds, each tenant's rows, and which columns are plain. Read only.

A role that row-level security filters would count and store fewer rows, and count and hash would agree with what is too few.
So nothing is read unless the role sees all there is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from psycopg import sql

from sluice.errors import Terminal, Transient
from sluice.estate.dataset import Dataset
from sluice.stores.catalogue import Shape, find_table, table_by_oid
from sluice.stores.postgres import Connection, Table, one, rows
from sluice.stores.statements import statement
from sluice.upkeep.archive.columns import CALM, TEXT, Stored, form_of
from sluice.upkeep.archive.ledger import Month


class SeesPart(Terminal):
    """This session may see some rows alone: what it stores would be too few, and nothing would say so."""


class OtherEncoding(Terminal):
    """The database keeps its texts in another encoding than UTF-8, of which files and hashes are made."""


class NoSuchColumn(Terminal):
    """The file names a column that the table has not."""


class DroppedMeanwhile(Transient):
    """The table that is to be stored was dropped just now."""


def check_tenant(c: Connection, dataset: Dataset) -> None:
    """Raise NoSuchColumn where the table lacks the column by which the file tells tenants apart. Read only."""
    tenant, shape = dataset.retention and dataset.retention.tenant, find_table(c, Table.parse(dataset.table))
    if tenant and shape and shape.column(tenant) is None:
        raise NoSuchColumn(
            f"{dataset.table} has no column {tenant}: mend `retention.tenant` of include/estate/datasets/{dataset.name}.yaml, or"
            f" leave it out. It has {', '.join(column.name for column in shape.columns)}. Nothing was changed."
        )


def check_month(c: Connection, dataset: Dataset, month: Month) -> None:
    """Raise NoSuchColumn where a month that left its table lacks the column of the tenants: it came since. Read only."""
    tenant, shape = dataset.retention and dataset.retention.tenant, table_by_oid(c, month.oid)
    if tenant and shape and shape.column(tenant) is None:
        raise NoSuchColumn(
            f"{month}: {month.partition} left before {dataset.table} got its column {tenant}. Leave `retention.tenant` out of"
            f" include/estate/datasets/{dataset.name}.yaml until the month is stored, or add the column to {month.partition}."
            " Nothing was stored."
        )


@dataclass(frozen=True)
class Census:
    """What a month holds."""

    shape: Shape
    columns: tuple[Stored, ...]
    least: str | None
    most: str | None
    tenants: Mapping[str, int] | None


@contextmanager
def snapshot(c: Connection) -> Iterator[None]:
    """Read within as of one moment, whoever writes meanwhile. Raises SeesPart, OtherEncoding."""
    with c.transaction():
        c.execute(statement("archive.begin_snapshot"))
        c.execute(statement("archive.pin_transaction"))
        check_session(c)
        yield


def check_session(c: Connection) -> None:
    """Raise SeesPart unless the session sees every row, or is refused where it would not. Raises OtherEncoding."""
    session = one(c, statement("archive.find_session"))
    if session["encoding"] != "UTF8":
        raise OtherEncoding(
            f"This database is kept in {session['encoding']}: a month's hash here is none that its file would have."
            " Move it to a database in UTF8 first. Nothing was stored."
        )
    if not (session["bypasses"] and session["refuses"]):
        raise SeesPart(
            f"{session['role']} may not export: row-level security would hide rows from it. Give it BYPASSRLS, and let"
            " row_security be off in its sessions. Nothing was stored."
        )


def take_census(c: Connection, oid: int, time: str, tenant: str | None) -> Census:
    """Look at a month, within the caller's snapshot. `time` is what it is cut by. Raises DroppedMeanwhile."""
    shape = table_by_oid(c, oid)
    if shape is None:
        raise DroppedMeanwhile(
            "The month's table was dropped just now. It is tried again by itself, which says what is left."
        )
    looked = one(c, _asked(shape, time))
    columns = tuple(
        Stored(column.name, column.type, form if calm else TEXT)
        for column, form, calm in zip(shape.columns, _forms(shape), looked["plain"], strict=True)
    )
    tenants = _tenants(c, shape, tenant) if tenant else None
    return Census(shape, columns, looked["least"], looked["most"], tenants)


def _forms(shape: Shape) -> list[str]:
    return [form_of(column.type) for column in shape.columns]


def _asked(shape: Shape, time: str) -> sql.Composed:
    plain: list[sql.Composable] = []
    for column, form in zip(shape.columns, _forms(shape), strict=True):
        named = sql.Identifier("t", column.name)
        if form in CALM:
            plain.append(statement("archive.is_calm_time", column=named))
        elif form.startswith("decimal"):
            plain.append(statement("archive.is_calm_number", column=named))
        else:
            plain.append(sql.SQL("true"))
    asked = {"time": sql.Identifier("t", time), "plain": sql.SQL(", ").join(plain)}
    return statement("archive.take_census", partition=shape.table.identifier, **asked)


def _tenants(c: Connection, shape: Shape, tenant: str) -> dict[str, int]:
    asked = statement("archive.count_tenants", tenant=sql.Identifier("t", tenant), partition=shape.table.identifier)
    return {name_of(row["tenant"]): row["rows"] for row in rows(c, asked)}


def name_of(tenant: str | None) -> str:
    """Name a tenant in a manifest; rows of none are those of the empty name."""
    return tenant or ""
