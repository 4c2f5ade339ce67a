"""One migration's items in the table of marks: a partition, and what each of them is called."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sluice.stores.dynamodb.queries import query_items
from sluice.stores.dynamodb.reads import get_item
from sluice.stores.dynamodb.values import Item, Key
from sluice.stores.dynamodb.writes import Condition, Delete, Put

TABLE = "sluice-marks"


class MarksTable:
    """The items of the migration `name`, through a DynamoDB client of the target's account."""

    def __init__(self, client: Any, name: str, table: str = TABLE) -> None:
        """Keep the client; nothing is read yet."""
        self.client, self.name, self.table = client, name, table

    def _key(self, sort: str) -> Key:
        return {"PK": {"S": self.name}, "SK": {"S": sort}}

    def _get(self, sort: str) -> Item | None:
        return get_item(self.client, self.table, self._key(sort))

    def _put(self, sort: str, item: Item, condition: Condition | None = None) -> Put:
        return Put(self.table, {**self._key(sort), **item}, condition)

    def _list(self, prefix: str) -> Iterator[Item]:
        return query_items(self.client, self.table, {"PK": {"S": self.name}}, "SK", prefix)

    def _deletes(self, prefix: str) -> list[Delete]:
        return [Delete(self.table, {"PK": item["PK"], "SK": item["SK"]}) for item in self._list(prefix)]
