"""A look at one migration: its file, its marks, and how its copy goes. It makes nothing, and waits for nobody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sluice.estate import Migration, SingleTableMigration, migration_files, read_stores
from sluice.flow.connections import dsn_of, opened_kind
from sluice.flow.project import ROOT, migration_named

if TYPE_CHECKING:
    from sluice.overview.migrations.seen import Stood


def names() -> Sequence[str]:
    """Name every migration that has a file."""
    return [path.stem for path in migration_files(ROOT)]


def look(name: str) -> Mapping[str, Any]:
    """Look at one. Raises EstateErrors, NoConnection, StoreDown, DynamoDown and whatever else a store says."""
    from sluice.overview.migrations.seen import described, found

    m = migration_named(name)
    stood = _items_stood(name) if isinstance(m, SingleTableMigration) else _rows_stood(m)
    before, now = _before(name)
    return found(described(m, now), stood, before, now)


def _rows_stood(m: Migration) -> Stood:
    """Those whose marks lie in PostgreSQL; never by the kind, which would bring their schema up to date."""
    from sluice.overview.migrations.marks_read import read_marks
    from sluice.stores.postgres import connect

    with connect(dsn_of(read_stores(ROOT).stores[m.rows_in].connection), purpose="overview") as c:
        return read_marks(c, m.name, follows_later=m.follows_later)


def _items_stood(name: str) -> Stood:
    """Those whose marks are items."""
    from sluice.overview.migrations.items_read import read_kind

    with opened_kind(name) as (_, kind):
        return read_kind(kind)


def _before(name: str) -> tuple[Mapping[str, Any], datetime]:
    """Give what the last look kept, and what time it is by the clock that looks are told by."""
    from sluice.ledger.seen import Kind, SeenThings
    from sluice.stores.postgres import connect

    with connect(dsn_of(read_stores(ROOT).ledger.connection), purpose="overview") as c:
        seen = SeenThings(c)
        kept = seen.one_of(Kind.MIGRATION, name)
        return kept.found if kept else {}, seen.now()
