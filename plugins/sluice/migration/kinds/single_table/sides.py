"""The two sides of a migration as they are compared: who leads, who follows, and how to get from one to the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sluice.migration.kinds.single_table.ours import without_marks
from sluice.migration.kinds.single_table.wishes import Translation
from sluice.records import Record
from sluice.stores.dynamodb.values import Item, Key

Stands: TypeAlias = Mapping[tuple[str, str], Item]
"""What stands on the other side, by table and key."""
Follows: TypeAlias = tuple[Key, Sequence[Record]]


@dataclass(frozen=True)
class Sides:
    """Who leads and who follows, and how to get from one to the other."""

    client: Any
    leading: Mapping[str, Sequence[str]]
    """Tables that lead, with the names of their key attributes."""
    following: Mapping[str, Sequence[str]]
    mine: Callable[[str, Item], bool]
    """Whether an item of a leading table belongs to this migration."""
    translation: Translation
    """A leading item as what follows it."""
    origin: Callable[[str, Item], tuple[str, Key] | None]
    """Which leading item an item that follows belongs to: table and key. None when it is not this migration's.

    Raises Unmappable where it should be, and nothing can lead to it.
    """
    excused: Callable[[str], bool]
    """Whether a leading item (its key as text) is known to have no place on the other side."""
    adopt: Callable[[Sequence[Follows], Stands], None] = lambda followed, stand: None
    """Sees each leading item's key and what follows it, where all that follows is as it shall be."""
    type_of: Callable[[str, Item], str] = lambda table, item: "item"
    """What type of record stands at a key of a table that follows, in a word."""
    lost: frozenset[str] = frozenset()
    """Attributes of what follows that nothing leads to: a person accepted that they have no way back."""

    def seen(self, item: Item) -> Item:
        """An item that follows, as it is compared."""
        return {name: value for name, value in without_marks(item).items() if name not in self.lost}
