"""Looks at the months of tables and of records: for each file under care, by a few cheap questions that only read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sluice.errors import Terminal, Transient
from sluice.flow.items import archive_of
from sluice.flow.keeping import opened_dataset
from sluice.flow.project import items_names

if TYPE_CHECKING:
    from sluice.estate import Dataset
    from sluice.stores.postgres import Connection
    from sluice.upkeep.archive.ledger import Month
    from sluice.upkeep.items.archiving import ItemArchive
    from sluice.upkeep.partitions.there import Branch

PATIENCE = "20s"
"""So long a question may take: a look that holds a store up is none."""


class TooSlow(Transient):
    """A store took too long to say how its partitions stand."""


class OldLedger(Terminal):
    """The archive's ledger in a store is not of this version."""


def look_at_months(name: str) -> Mapping[str, Any]:
    """Look at the table of a dataset. Raises TooSlow, OldLedger, EstateErrors, NoConnection, and what `look` raises."""
    with opened_dataset(name) as (dataset, c):
        return look_at(c, dataset)


def look_at(c: Connection, dataset: Dataset) -> dict[str, Any]:
    """Look at it by an open connection. Raises TooSlow, OldLedger, NotPartitioned, NotTimes, Misfit, StoreDown."""
    from psycopg import errors

    from sluice.overview.partitions.of_tables import table_found
    from sluice.stores.clock import find_now
    from sluice.stores.postgres import pin_until_commit, translated
    from sluice.upkeep.partitions.looking import look
    from sluice.upkeep.partitions.there import branches_of

    try:
        with translated(f"looking at the partitions of {dataset.table}"), c.transaction():
            pin_until_commit(c, statement_timeout=PATIENCE)
            whole = look(c, dataset)
            branches = [one for one in branches_of(whole) if one.how == "range"]
            return table_found(dataset, list(_known(c, dataset, branches)), list(_caught(c, whole)), find_now(c))
    except errors.QueryCanceled as slow:
        raise TooSlow(
            f"{dataset.store}: {dataset.table} did not say within {PATIENCE} how its partitions stand."
        ) from slow


def look_at_item_months(name: str) -> Mapping[str, Any]:
    """Look at the records of a file of items. Raises EstateErrors, NoConnection, and as `look_at_items`."""
    return look_at_items(archive_of(name))


def look_at_items(archive: ItemArchive) -> dict[str, Any]:
    """Look at records by an open archive. Raises VaultDown, AccessDenied, DynamoDown, NoSuchTable."""
    from sluice.overview.partitions.of_items import items_found
    from sluice.stores.dynamodb.clock import store_clock
    from sluice.upkeep.items.rounds import every_round

    place = archive.place
    now = store_clock(archive.client, place.table)
    return items_found(archive.items, place.table, every_round(archive.vault, archive.folder), place.is_any, now)


def archived_items() -> list[str]:
    """Name the files of items whose months are archived."""
    return items_names(lambda items: items.file.archive is not None)


def _known(c: Connection, dataset: Dataset, branches: Sequence[Branch]) -> Iterator[tuple[Branch, list[Month]]]:
    """Give each part of a table with what the archive's ledger knows of it. It is brought up to date by who archives alone."""
    from sluice.ledger.releases import is_current
    from sluice.upkeep.archive.ledger import is_there, months_of

    if is_there(c) and not is_current(c, "archive"):
        raise OldLedger(
            f"The archive's ledger in {dataset.store} is of an older version than this one: the next run of archive_retention"
            " brings it up to date."
        )
    for one in branches:
        yield one, months_of(c, one.table) if is_there(c) else []


def _caught(c: Connection, whole: Branch) -> Iterator[str]:
    """Name the default partitions that hold rows: those have no month, and no one looks for them there."""
    from sluice.upkeep.archive.late import has_rows
    from sluice.upkeep.partitions.there import branches_of

    for one in branches_of(whole):
        if one.default and one.default.branch is None and has_rows(c, one.default):
            yield str(one.default.table)
