"""What the room speaks in: a record, why an item has none, and a few rules of DynamoDB's own."""

from __future__ import annotations

from typing import NamedTuple

from sluice.errors import Terminal
from sluice.stores.dynamodb.values import LARGEST_ITEM, Item, Key

MARKS = ("_token", "_from", "_gone", "_write")
"""What stands on records, and after a cutover on legacy items, beside the data: a migration's order of writes, where an item
came from, that it is gone; and the access library's last write, by which it knows its own lost answers."""
OURS = frozenset({*MARKS, "_otherwise"})
"""Names that no application's attribute may have."""
MOST_RECORDS = 90
"""Records that one item may become: they are written in one transaction of 100 actions, beside its own bookkeeping."""
MOST_BYTES = LARGEST_ITEM - 1024
"""Bytes of one record, with room for our own attributes."""
MOST_BYTES_TOGETHER = 4_000_000
"""Bytes of all records of one item: a transaction takes 4 MB."""


class Unmappable(Terminal):
    """An item of which no records can be made, or a record of which no item can be made again.

    `reason` is one word, to be counted; `attribute` names where it is.
    """

    def __init__(self, reason: str, attribute: str, message: str) -> None:
        super().__init__(reason, attribute, message)
        self.reason, self.attribute, self.message = reason, attribute, message

    def __str__(self) -> str:
        return f"{self.attribute}: {self.message}" if self.attribute else self.message


class Record(NamedTuple):
    """One record of an item. Its values may be the item's own objects: nobody may change them in place."""

    table: str
    """The DynamoDB table's name."""
    key: Key
    item: Item
    """All of its attributes, those of the key included."""
    whole: bool
    """Whether it holds every attribute of the entity."""
    rule: str
    """The name of its rule, such as LOOKUP#STATUS."""
