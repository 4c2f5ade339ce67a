"""An audit trail in the design of tyler, and its archive: what the tests of the archive of items stand on."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sluice.estate import Items, read_items
from sluice.records import compile_entity, records_of
from sluice.stores.dynamodb.applying import apply_tables
from sluice.stores.dynamodb.scan import scan_page
from sluice.stores.dynamodb.tables import Index, TableDefinition
from sluice.stores.dynamodb.values import Item, key_of, key_text
from sluice.stores.objects import Vault
from sluice.upkeep.items.archiving import ItemArchive
from sluice.upkeep.items.reading_back import read_part
from sluice.upkeep.items.rounds import rounds_of

from tests.documents import Documents

ROOT = Path(__file__).parents[1]
MONTHS = ("2024-01", "2024-02")
_NOW = datetime.now(UTC)
KEEP = (_NOW.year - 2024) * 12 + _NOW.month - 3
"""Months that are kept, so that those of MONTHS are old, and no other."""
FILE = f"""items: trail
model: tyler
entity: audit
archive: {{since: 2024-01, keep: {KEEP} months, then: delete, cooling: 0s, approve: false}}
"""


def items_of(root: Path, text: str = FILE) -> Items:
    """Read such a file, in a project under `root` that has the design of tyler."""
    (root / "include/estate/items").mkdir(parents=True, exist_ok=True)
    for name in ("estate.yaml", "tyler.yaml"):
        shutil.copy(ROOT / "include/estate" / name, root / "include/estate")
    path = root / "include/estate/items/trail.yaml"
    path.write_text(text)
    return read_items(path, {"certify": "postgres", "tyler": "dynamodb"})


@dataclass
class Trail:
    """A table of audit records, and who archives them. `rewritten` gives the archive under another file."""

    client: Any
    archive: ItemArchive
    root: Path

    @property
    def vault(self) -> Vault:
        """The bucket."""
        return self.archive.vault

    @property
    def table(self) -> str:
        """The table's name."""
        return self.archive.place.table

    def record(self, name: str, moment: str, **more: Any) -> Item:
        """One audit record, as applications write it."""
        told = {
            "id": {"S": name},
            "userId": {"S": f"u-{name}"},
            "timestamp": {"S": moment},
            "action": {"S": "login"},
            **more,
        }
        (made,) = records_of(compile_entity(self.archive.items.design, "audit", prefix=self.archive.prefix), told)
        return made.item

    def put(self, *items: Item) -> None:
        """Write records."""
        for one in items:
            self.client.put_item(TableName=self.table, Item=one)

    def fill(self, count: int, month: str = MONTHS[0], **more: Any) -> list[Item]:
        """Write so many records of a month; give them."""
        made = [self.record(f"{month}-{n}", f"{month}-{n % 28 + 1:02}T10:00:00Z", **more) for n in range(count)]
        self.put(*made)
        return made

    def there(self) -> dict[str, Item]:
        """Every item of the table, by its key."""
        names = self.archive.place.key_names
        found, page = {}, scan_page(self.client, self.table)
        while True:
            found |= {key_text(key_of(item, *names)): item for item in page.items}
            if page.next_key is None:
                return found
            page = scan_page(self.client, self.table, after=page.next_key)

    def rewritten(self, old: str, new: str) -> ItemArchive:
        """The archive, once a person has changed the file."""
        path = self.root / "include/estate/items/trail.yaml"
        assert old in path.read_text()
        items = items_of(self.root, path.read_text().replace(old, new))
        self.archive = ItemArchive(items, self.client, self.vault, self.archive.prefix)
        return self.archive

    def in_verified_objects(self, month: str = MONTHS[0]) -> list[Item]:
        """Every record of a file that a round lists which was read back."""
        rounds = rounds_of(self.vault, self.archive.folder, self.archive.find(month).span)
        parts = [part for one in rounds if one.is_verified for part in one.manifest.parts]
        return [item for part in parts for item in read_part(self.vault, part)]

    def objects(self, month: str = MONTHS[0]) -> list[str]:
        """Every object of a month in the vault."""
        return list(self.vault.list(f"{self.archive.folder}/{month}/"))


@contextmanager
def laid_trail(documents: Documents, bucket: Vault, root: Path, text: str = FILE) -> Iterator[Trail]:
    """Make the table of records under a prefix of its own, and give its archive."""
    items, client = items_of(root, text), documents.client()
    prefix = documents.fresh_name("trail") + "-"
    design = items.table
    indexes = tuple(Index(name, *one.names) for name, one in design.indexes.items())
    archive = ItemArchive(items, client, bucket, prefix)
    apply_tables(client, (TableDefinition(archive.place.table, *design.key.names, indexes=indexes),))
    try:
        yield Trail(client, archive, root)
    finally:
        documents.drop(archive.place.table)


def to_the_end(archive: ItemArchive, tell: Callable[[str], None] = lambda _: None) -> None:
    """Do what the nights would do: bring on what is due, and delete what has cooled."""
    for month in archive.list_due():
        archive.advance(month.round.month, tell)
        if archive.may_delete(archive.find(month.round.month)):
            archive.delete(month.round.month, tell)
