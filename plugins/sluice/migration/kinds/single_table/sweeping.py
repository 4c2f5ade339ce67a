"""Take away what a copy of a later epoch found nobody to lead to, and tombstones when nobody needs them any more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sluice.migration.kinds.dynamodb_source.tokens import SWEPT, token
from sluice.migration.kinds.single_table.leading import nobody_leads_to
from sluice.migration.kinds.single_table.ours import FROM, TOKEN, is_gone
from sluice.migration.kinds.single_table.sides import Sides
from sluice.migration.kinds.single_table.wishes import Wish, origin
from sluice.stores.dynamodb.scan import scan_page
from sluice.stores.dynamodb.tables import TableDefinition
from sluice.stores.dynamodb.values import Item, Key, key_of


def left_over(sides: Sides, epoch: int, migration: str, *, unmarked: bool) -> Iterator[Wish]:
    """Wish away every item, of an epoch gone by or of the copy, that nothing leads to.

    Its leader was deleted while nobody followed; or beside the copy, which had read it, and no tombstone was in the copy's way.
    `unmarked` says whether what has none of our attributes goes too: of a record nobody knows then whether it is an
    application's that it has acknowledged, and the comparison names it.
    """
    floor, swept = token(epoch), token(epoch, SWEPT)
    for table, key, item, leader in nobody_leads_to(sides):
        if item[TOKEN]["S"] <= floor if TOKEN in item else unmarked:
            yield Wish(table, key, None, origin(migration, leader), swept)


def tombstones(client: Any, tables: Iterable[TableDefinition], migration: str) -> Iterator[Wish]:
    """Name every tombstone of a migration, as the wish that left it."""
    for table in tables:
        after: Key | None = None
        while True:
            page = scan_page(client, table.name, after=after)
            for item in page.items:
                if is_gone(item) and item[FROM]["S"].startswith(f"{migration}/"):
                    yield _wish(table, item)
            if page.next_key is None:
                break
            after = page.next_key


def _wish(table: TableDefinition, item: Item) -> Wish:
    names = (table.partition, table.sort) if table.sort else (table.partition,)
    return Wish(table.name, key_of(item, *names), None, item[FROM]["S"], item[TOKEN]["S"])
