"""Whose place is it? What becomes of a write in whose way something stands.

A condition sees one item, and who may take its place is not always written on it: applications write records without our
attributes while these lead, and source items never have any. So whoever is refused looks at the leading table: does the item
that stands there still follow something, and what?
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

from sluice.migration.kinds.single_table.leading import leads_to
from sluice.migration.kinds.single_table.ours import FROM, TOKEN, is_gone
from sluice.migration.kinds.single_table.sides import Sides
from sluice.migration.kinds.single_table.tables import Leader
from sluice.migration.kinds.single_table.wishes import Wish
from sluice.stores.dynamodb.values import Item, key_from_text, key_text


class Fate(Enum):
    """What becomes of a wish that was refused."""

    OLDER = auto()
    """Something newer has been written, or will be: nothing is left to do."""
    FREE = auto()
    """What stands there may go: the wish takes its place, if nobody has written it meanwhile."""
    TAKEN = auto()
    """Two want one place, and neither may be lost: a person has to look."""


class Verdict(NamedTuple):
    """A fate, and where the place is taken, what stands there."""

    fate: Fate
    stands: str = ""


@dataclass(frozen=True)
class Claims:
    """Who may have which place, in one direction."""

    leading: str
    """The table that leads."""
    sides: Callable[[], Sides]
    owner: Callable[[str, Item], Leader | None]
    """Which leading item something that stands in a table belongs to; None: nobody's of this migration."""
    unmarked_is_ours: bool = False
    """Whether what stands at a place of ours without our attributes is ours: applications wrote it while it led."""

    def judge(self, wish: Wish, stands: Item) -> Verdict:
        """Say what becomes of a wish in whose way this stands."""
        if stands.get(FROM, {}).get("S") == wish.came_from:
            return Verdict(Fate.OLDER if stands.get(TOKEN, {}).get("S", "") >= wish.token else Fate.FREE)
        own = self.leading, key_from_text(wish.came_from.partition("/")[2])
        owner = self.owner(wish.table, stands)
        mine = _same(owner, own) or (self.unmarked_is_ours and FROM not in stands)
        if wish.item is None:
            return Verdict(
                Fate.FREE if mine else Fate.OLDER
            )  # another has the place: nothing of ours is left to delete
        sides = self.sides()
        if not leads_to(sides, own, wish.place):
            return Verdict(Fate.OLDER)  # it has gone on, and its next change says where to
        if mine or is_gone(stands) or (owner is not None and not leads_to(sides, owner, wish.place)):
            return Verdict(Fate.FREE)
        return Verdict(Fate.TAKEN, _named(owner, stands))


def _same(one: Leader | None, other: Leader) -> bool:
    return one is not None and (one[0], key_text(one[1])) == (other[0], key_text(other[1]))


def _named(owner: Leader | None, stands: Item) -> str:
    if owner is not None:
        return f"what stands there belongs to {key_text(owner[1])}"
    if FROM in stands:
        return f"what stands there came from {stands[FROM].get('S')}"
    return "what stands there was not written by this migration, so it is an application's"
