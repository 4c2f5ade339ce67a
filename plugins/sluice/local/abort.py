"""Takes a migration back, also when its file is broken, moved or gone: its marks in the store know what there is to undo."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg import errors

from sluice.errors import SluiceError, Terminal
from sluice.estate import EstateErrors, read_stores
from sluice.local.airflow_processes import use_connections
from sluice.stores.postgres import Connection, one, rows, translated
from sluice.stores.statements import statement

if TYPE_CHECKING:
    from sluice.ledger.item_marks import ItemMarks
    from sluice.migration.engine.contract import Kind


class NotFound(Terminal):
    """No store that can be asked has marks of that migration, or more than one has."""


@dataclass(frozen=True)
class Marked:
    """A migration that a store has marks of."""

    name: str
    phase: str
    store: str
    connection: str
    engine: str

    def __str__(self) -> str:
        return f"{self.name} ({self.phase}, in store {self.store})"


def abort_migration(name: str) -> str:
    """Take a migration back to planned and say what was done. Raises Terminal after its cutover, StoreDown, LockBusy."""
    use_connections()
    from sluice.flow.connections import opened_kind

    try:
        with opened_kind(name) as (_, kind):
            said = kind.abort()
            return f"{said}{_told_to_ledger(kind)}"
    except EstateErrors as wrong:
        return _abort_by_marks(name, wrong)


def _told_to_ledger(kind: Kind) -> str:
    """Have the ledger follow, which would else take its stream for one that nobody reads; say so where it cannot be told."""
    from sluice.flow.connections import opened_control

    now = kind.position()
    try:
        with opened_control(kind.name, "abort") as control:
            control.reconcile(now.phase, now.epoch, "abort")
    except SluiceError as why:
        return f"; the ledger learns it with the next run, it could not be told now: {why}"
    return ""


def _abort_by_marks(name: str, wrong: EstateErrors) -> str:
    """Find the one store that has marks of it, and abort there as psql would. Raises NotFound."""
    silent: list[str] = []
    known = list(_marked(name, wrong, silent))
    ours = [one for one in known if one.name == name]
    ours = [one for one in ours if one.phase != "planned"] or ours[:1]
    if len(ours) != 1:
        raise NotFound(_not_found(name, wrong, ours or known, silent))
    said = _abort_items(ours[0]) if ours[0].engine == "dynamodb" else _abort_rows(ours[0])
    return f"{said} (by its marks in store {ours[0].store}; its file cannot be read: {wrong})"


def _marked(name: str, wrong: EstateErrors, silent: list[str]) -> Iterator[Marked]:
    """Give the migrations that stores have marks of; who does not answer is added to `silent`."""
    from sluice.flow.project import ROOT

    try:
        stores = read_stores(ROOT).stores
    except EstateErrors as broken:
        raise NotFound(_not_found(name, broken, [], [])) from wrong
    for store, its in stores.items():
        try:
            found = _phases_of_items(its.connection) if its.engine == "dynamodb" else _phases_of_rows(its.connection)
        except SluiceError as why:
            silent.append(f"{store}: {why}")
            continue
        yield from (Marked(one, phase, store, its.connection, its.engine) for one, phase in found.items())


def _phases_of_rows(connection: str) -> dict[str, str]:
    with _opened(connection) as c, translated("reading the marks"):
        there = one(c, statement("marks.are_there"))["there"]
        found = rows(c, statement("marks.show_status")) if there else []
    return {row["migration"]: row["phase"] for row in found}


def _phases_of_items(connection: str) -> dict[str, str]:
    return _item_marks(connection, "").phases()


def _abort_rows(marked: Marked) -> str:
    try:
        with _opened(marked.connection) as c, translated(f"aborting {marked.name}"):
            return str(one(c, statement("marks.abort"), name=marked.name)["said"])
    except errors.RaiseException as refused:
        raise Terminal(f"{refused.diag.message_primary}.") from None


def _abort_items(marked: Marked) -> str:
    from sluice.migration.kinds.single_table.aborting import abort

    marks = _item_marks(marked.connection, marked.name)
    return abort(marks, marks.find())


def _item_marks(connection_id: str, name: str) -> ItemMarks:
    from sluice.flow.connections import documents_of
    from sluice.ledger import marks_table
    from sluice.ledger.item_marks import ItemMarks

    return ItemMarks(documents_of(connection_id)[0], name, marks_table.TABLE)


def _opened(connection_id: str) -> Connection:
    from sluice.flow.connections import dsn_of
    from sluice.stores.postgres import connect

    return connect(dsn_of(connection_id), purpose="abort")


def _not_found(name: str, wrong: EstateErrors, found: list[Marked], silent: list[str]) -> str:
    several = len({one.store for one in found if one.name == name}) > 1
    return "\n".join(
        (
            f"{name} was not aborted: {'more than one store has' if several else 'no store has'} marks of it.",
            f"  its file: {wrong}",
            f"  there are: {'; '.join(map(str, found)) or 'none'}",
            *(f"  not asked: {line}" for line in silent),
            f"In psql, on the database of its table: SELECT sluice.abort('{name}'); what it knows is in the view sluice.status.",
        )
    )
