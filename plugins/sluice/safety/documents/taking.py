"""Take a base: note where the logs stand, then read every item, consistently, into parts in the vault; the manifest last."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sluice.failpoints import failpoint
from sluice.safety.backup import folder_of, name_at
from sluice.safety.documents.base import Base, TableBase
from sluice.safety.documents.settings import read_settings
from sluice.safety.documents.shipping import TableShipper
from sluice.safety.documents.tables import YOUNGER, Tables
from sluice.safety.driver import Tell
from sluice.stores.dynamodb.export_lines import BITS, Tally, line_of
from sluice.stores.dynamodb.scan import scan_page
from sluice.stores.dynamodb.values import Item
from sluice.stores.objects import Vault
from sluice.stores.parts import Part, store_part

SEGMENTS = 4
PIECE = 16_000_000
"""Bytes of lines after which a part ends: what each thread keeps in memory."""


def take(tables: Tables, vault: Vault, shippers: dict[str, TableShipper], tell: Tell) -> Base:
    """Take a base of every table of a store. A log that is lost, or is not there, is begun anew by it.

    Raises LogLost where there is no stream, ImagesLacking, NoSuchTable, Throttled, DynamoDown, VaultDown, AccessDenied.
    """
    began, id = _named(tables, vault)
    begun = [_Begun(tables, vault, id, shippers[table]) for table in tables.names]
    # Before anything is read: what is written from now on is in a round that comes.
    for one in begun:
        one.shipper.begin()
    taken = tuple(one.read(tell) for one in begun)
    failpoint("documents.base_stored")
    base = Base(tables.store, id, began.isoformat(), (tables.now() + YOUNGER).isoformat(), taken)
    base.keep(vault)
    failpoint("documents.base_kept")
    items = sum(one.items for one in taken)
    tell(f"{tables.store}: {id}, {items:,} items of {len(taken)} tables, {base.stored:,} bytes in the vault")
    return base


def _named(tables: Tables, vault: Vault) -> tuple[datetime, str]:
    """Name it by the service's clock. That tells whole seconds: where one was begun in this, the next second is waited for."""
    while True:
        began = tables.now()
        if not vault.list(f"{folder_of(tables.store, id := name_at(began, 'full'))}/"):
            return began, id
        time.sleep(0.5)


@dataclass(frozen=True)
class _Begun:
    """One table of a base that is taken."""

    tables: Tables
    vault: Vault
    id: str
    shipper: TableShipper

    def read(self, tell: Tell) -> TableBase:
        table, begins = self.shipper.table, self.shipper.next
        told = self.tables.described(table)
        settings = read_settings(self.tables.clients, table)
        with ThreadPoolExecutor(SEGMENTS) as pool:
            stored = [one for some in pool.map(partial(self._segment, table), range(SEGMENTS)) for one in some]
        tally = Tally()
        for _, counted in stored:
            tally.join(counted)
        tell(f"{self.tables.store}: {table} read, {tally.items:,} items")
        key = tuple(part["AttributeName"] for part in told["KeySchema"])
        parts = tuple(part for part, _ in stored)
        return TableBase(
            table, told["TableId"], key, settings, self.shipper.log.run, begins, tally.items, tally.text, parts
        )

    def _segment(self, table: str, segment: int) -> list[tuple[Part, Tally]]:
        folder = f"{folder_of(self.tables.store, self.id)}/{table}"
        stored = []
        for number, (piece, tally) in enumerate(
            _pieces(scanned(self.tables.clients.dynamodb, table, segment, SEGMENTS))
        ):
            part = store_part(self.vault, f"{folder}/{segment:04}-{number:05}.zst", piece)
            failpoint("documents.part_stored")
            stored.append((part, tally))
        return stored


def scanned(client: object, table: str, segment: int, of: int) -> Iterator[Item]:
    """Give the items of one segment of a table, read consistently. Raises Throttled, DynamoDown, NoSuchTable."""
    after = None
    while True:
        page = scan_page(client, table, segment, of, after)
        yield from page.items
        if (after := page.next_key) is None:
            return


def _pieces(items: Iterator[Item]) -> Iterator[tuple[bytes, Tally]]:
    lines, tally = bytearray(), Tally()
    for item in items:
        lines += line_of(item)
        tally.add(item, lambda _: False)
        if len(lines) >= PIECE:
            yield bytes(lines), tally
            lines, tally = bytearray(), Tally()
    if tally.items:
        yield bytes(lines), tally


def hash_of(total: int) -> str:
    """Give a sum over items as text."""
    return f"{total % 2**BITS:032x}"
