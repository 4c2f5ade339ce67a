"""Which tables of the local DynamoDB are the demo's own, and how they go. A table of somebody's may have the same name.

What a demo made is noted beside the machine's state, by name and time of making: any other table of that name is a stranger.
The design's table is made by a migration, later, and noted after that: a person may have made their own in between two demos.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

from sluice.estate import EstateErrors, Migration, SingleTableMigration, migration_files, read_migration, read_stores
from sluice.ledger.item_marks import ItemMarks
from sluice.local.demo.strangers import Strangers
from sluice.local.settings import ROOT
from sluice.local.tyler.shape import LEGACY, MARKS, MIGRATIONS, TARGET
from sluice.stores.dynamodb.values import key_of

TABLES = (*LEGACY, TARGET)


@dataclass(frozen=True)
class Belongings:
    """The demo's tables, through a client, and the file in which they are noted."""

    client: Any
    note: Path

    def check_strangers(self) -> None:
        """Raise Strangers where a table, or a migration's records, would go that no demo made. Read-only."""
        noted = json.loads(self.note.read_text()) if self.note.exists() else {}
        strange = [f"table {name}" for name, made in self._there().items() if made != noted.get(name)]
        if found := [*strange, *self._others()]:
            raise Strangers(found, "./sluice demo dynamodb --fresh")

    def forget_marks(self) -> None:
        """Take the sample's migrations back to their beginning: nobody follows them from here on."""
        if MARKS not in self.client.list_tables()["TableNames"]:
            return
        for name in MIGRATIONS:
            asked = {"KeyConditionExpression": "PK = :name", "ExpressionAttributeValues": {":name": {"S": name}}}
            pages = self.client.get_paginator("query").paginate(TableName=MARKS, ConsistentRead=True, **asked)
            for key in [key_of(item, "PK", "SK") for page in pages for item in page["Items"]]:
                self.client.delete_item(TableName=MARKS, Key=key)

    def drop(self) -> None:
        """Drop the tables."""
        for name in self._there():
            self.client.delete_table(TableName=name)

    def write_down(self) -> None:
        """Note that the tables that are there now are the demo's."""
        self.note.write_text(json.dumps(self._there()))

    def _there(self) -> dict[str, str]:
        """The tables, each with the time when it was made."""
        there = set(self.client.list_tables()["TableNames"])
        told = {name: self.client.describe_table(TableName=name)["Table"] for name in TABLES if name in there}
        return {name: told[name]["CreationDateTime"].astimezone(UTC).isoformat() for name in told}

    def _others(self) -> Iterator[str]:
        """Name other migrations that are under way from or into one of the tables."""
        stores = read_stores(ROOT)
        for path in migration_files(ROOT):
            try:
                m = read_migration(path, stores)
            except EstateErrors:
                continue
            if m.name not in MIGRATIONS and _touches(m):
                marks = ItemMarks(self.client, m.name, MARKS)
                state = marks.find() if marks.there() else None
                if state and state.phase != "planned":
                    yield f"records of migration {m.name} ({state.phase})"


def _touches(m: Migration) -> bool:
    into = m.target.tables.values() if isinstance(m, SingleTableMigration) else ()
    return m.source.store == "tyler" and bool({m.source.table, *(table.name for table in into)} & {*TABLES})
