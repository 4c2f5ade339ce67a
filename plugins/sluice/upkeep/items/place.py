"""Where the records of one entity lie in a table, month by month, and how they are read: found by an index, read by their keys.

An index follows its table, so what it gives may be old. It names keys here, and every record is read from the table itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sluice.estate.items import Items
from sluice.records.partitions import partitions_of
from sluice.stores.dynamodb.queries import query_index
from sluice.stores.dynamodb.reads import MOST_KEYS, get_items
from sluice.stores.dynamodb.values import Item, Key, key_of, key_text
from sluice.upkeep.partitions.spans import Span


@dataclass(frozen=True)
class Place:
    """The records of one entity in their table. `prefix` stands before the table's name."""

    client: Any
    items: Items
    prefix: str = ""

    @property
    def table(self) -> str:
        """The table's name."""
        return self.prefix + self.items.table.name

    @property
    def key_names(self) -> tuple[str, ...]:
        """The attributes of the table's key."""
        return self.items.table.key.names

    def partitions(self, month: Span) -> tuple[Key, ...]:
        """Give every partition of the index that holds records of a month."""
        by_month = self.items.by_month
        known: Item = {by_month.time: {"S": f"{month.lower:%Y-%m-%dT00:00:00}"}}
        texts = partitions_of(by_month.template, self.items.design.spread, known)
        return tuple({by_month.attribute: {"S": text}} for text in texts)

    def is_any(self, month: Span) -> bool:
        """Whether the index has a record of a month."""
        return any(next(self._listed(partition, most=1), None) for partition in self.partitions(month))

    def count(self, month: Span) -> int:
        """Count what the index has of a month."""
        return sum(1 for partition in self.partitions(month) for _ in self._listed(partition))

    def read(self, partition: Key) -> Iterator[Item]:
        """Give the records of one partition as they are in the table now, in the index's order."""
        for some in _slices(self._listed(partition), MOST_KEYS):
            keys = [key_of(item, *self.key_names) for item in some]
            now = self.now(keys)
            for item in filter(None, map(now.get, map(key_text, keys))):
                if partition.items() <= item.items():  # it may have moved to another month since the index saw it
                    yield item

    def now(self, keys: Iterable[Key]) -> dict[str, Item]:
        """Read records by their keys, consistently; by `key_text`, without those that are not there."""
        return get_items(self.client, self.table, keys)

    def _listed(self, partition: Key, most: int | None = None) -> Iterator[Item]:
        return query_index(self.client, self.table, self.items.by_month.name, partition, most)


def _slices(items: Iterator[Item], most: int) -> Iterator[list[Item]]:
    while some := list(islice(items, most)):
        yield some
