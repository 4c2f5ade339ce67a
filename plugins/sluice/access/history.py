"""What an entity once was: kept beside it in the same transaction, under an id that no other version has.

A design keeps versions by an entity named `version`. Its record is given `partition` and `sort` (the text of the key of what it
was), `sequence` (a ULID, which sorts by the time it was written over), `entity`, `at`, and all of it in `was`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sluice.access.entity import Entity
from sluice.access.ids import Ulids
from sluice.access.layout import Layout, Lookup, NotAnswered
from sluice.access.refusals import EntityRefused
from sluice.access.values import attributes_of
from sluice.records.record import Unmappable
from sluice.records.shape import item_of, records_of
from sluice.stores.dynamodb.actions import Put
from sluice.stores.dynamodb.values import Item, Key, key_text

VERSION = "version"
KEYED_BY = ("partition", "sort", "sequence")
NO_SORT = "-"


@dataclass(frozen=True)
class Version(Entity):
    """What an entity was, until it was written over. To be put back as any other; its `version` is not the entity's own."""

    until: datetime


class History:
    """Keeps and finds versions. Threads may share it."""

    def __init__(self, layout: Layout, clock: Callable[[], float]) -> None:
        """`clock` gives seconds since 1970: versions are in its order."""
        self._layout, self._clock = layout, clock
        self._ulids = Ulids()

    def kept(self, kind: str, whole: Item) -> Sequence[Put]:
        """Give the writes that keep a whole record as a version. Raises NotAnswered, EntityRefused."""
        self._check(kind)
        now, key = self._clock(), self._layout.key_of(kind, whole)
        told: Item = {
            **_known(kind, key),
            "sequence": {"S": self._ulids.next(int(now * 1000))},
            "at": {"S": datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")},
            "was": {"M": item_of(self._layout.shape(kind), whole)},
        }
        try:
            records = records_of(self._layout.shape(VERSION), told)
        except Unmappable as why:
            raise EntityRefused(f"{kind} {key_text(key)}, kept as a version,", why) from why
        return [Put(one.table, one.item) for one in records]

    def place(self, kind: str, key: Key) -> tuple[Lookup, Item]:
        """Give where the versions of an entity lie, and what they have in common. Raises NotAnswered."""
        self._check(kind)
        known = _known(kind, key)
        return self._layout.own(VERSION, known), known

    def _check(self, kind: str) -> None:
        if VERSION not in self._layout.model.entities or self._layout.named_by(VERSION) != KEYED_BY:
            raise NotAnswered(
                f"{self._layout.model.model} keeps no versions of {kind}: give it an entity `version` with one whole record, "
                'its key PK: "{partition}", SK: "VERSION#{sort}#{sequence}".'
            )


def version_of(kind: str, item: Item) -> Version:
    """Give what a version's record keeps."""
    until = datetime.fromisoformat(item["at"]["S"])
    return Version(kind, attributes_of(item["was"]["M"]), f"was {item['sequence']['S']}", until)


def _known(kind: str, key: Key) -> Item:
    partition, *sort = key.values()
    return {"entity": {"S": kind}, "partition": partition, "sort": sort[0] if sort else {"S": NO_SORT}}
