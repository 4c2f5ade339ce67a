"""Writing an entity: its records together or not at all, and with them away what an earlier version had and the new one has not.

Each write names itself in `_write` on every record, which is also the version of the entity. The whole record carries the
condition that it is still what was seen; the others follow it, as they are only ever written in a transaction with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar
from uuid import uuid4

from sluice.access.layout import Layout
from sluice.access.store import Store
from sluice.errors import Transient
from sluice.records.record import Record
from sluice.records.shape import item_of, records_of
from sluice.stores.dynamodb.actions import Action, Condition, Delete, Put
from sluice.stores.dynamodb.client import DynamoDown
from sluice.stores.dynamodb.values import Item, Key, key_text
from sluice.stores.dynamodb.writes import Cancelled

WRITE = "_write"
ABSENT = ""
"""The version of what is not there."""
VERSION = "version"
"""The entity of a design that holds what another once was: it is keyed by `entity`, `id` and `updatedAt`."""
AGAIN = 10
T = TypeVar("T")


class Changed(Transient):
    """Somebody else wrote this entity meanwhile. Nothing was written: read it again, then decide."""


def again(version: str | None, write: Callable[[], T]) -> T:
    """Write. Whoever named no version did not decide by what was there: a collision is tried again."""
    for _ in range(AGAIN - 1 if version is None else 0):
        try:
            return write()
        except Changed:
            continue
    return write()


class Writer:
    """Writes and removes the entities of one design."""

    def __init__(self, store: Store, layout: Layout, clock: Callable[[], float]) -> None:
        self._store, self._layout, self._clock = store, layout, clock

    def version(self, kind: str, item: Item | None) -> str:
        """Give who wrote a whole record last, an application or a migration; ABSENT where it is as good as not there."""
        if item is None or "_gone" in item or self._layout.is_expired(kind, item, self._clock()):
            return ABSENT
        if WRITE in item:
            return str(item[WRITE]["S"])
        return f"copied#{item['_token']['S']}" if "_token" in item else "first"

    def _seen(self, kind: str, key: Key, version: str | None) -> Item | None:
        seen = self._store.get(self._layout.whole(kind).table, [key], "strong").get(key_text(key))
        if version is not None and version != self.version(kind, seen):
            raise self._changed(kind, key)
        return seen

    def write(self, kind: str, key: Key, records: Sequence[Record], version: str | None, keep: bool) -> str:
        """Write an entity's records; gives its new version. Raises Changed unless it succeeds `version`, where one is named."""
        seen = self._seen(kind, key, version)
        old = self._records_at(kind, seen)
        ours = self._ours(seen, [*records, *old])
        write_id = uuid4().hex
        actions: list[Action] = [
            Put(
                record.table,
                {**record.item, **ours.get(_place(record), {}), WRITE: {"S": write_id}},
                _still(seen, record.key) if record.whole else None,
            )
            for record in records
        ]
        kept = {_place(record) for record in records}
        actions += [Delete(record.table, record.key) for record in old if _place(record) not in kept]
        actions += self._was(kind, seen) if keep else []
        self._commit(kind, key, actions, write_id)
        return write_id

    def remove(self, kind: str, key: Key, version: str | None, keep: bool) -> bool:
        """Remove an entity; tells whether there was one. Raises Changed unless it is `version`, where one is named."""
        seen = self._seen(kind, key, version)
        old = self._records_at(kind, seen)
        if not old:
            return False
        there = self.version(kind, seen) != ABSENT
        actions: list[Action] = [
            Delete(one.table, one.key, _still(seen, one.key) if one.whole else None) for one in old
        ]
        actions += self._was(kind, seen) if keep else []
        self._commit(kind, key, actions, None)
        return there

    def _records_at(self, kind: str, whole: Item | None) -> Sequence[Record]:
        """Give the records of the entity that is there."""
        if whole is None or "_gone" in whole:
            return ()
        shape = self._layout.shape(kind)
        return records_of(shape, item_of(shape, whole))

    def _was(self, kind: str, whole: Item | None) -> Sequence[Action]:
        """Give the write that keeps what is there as a version, under the time of its last change, or of now."""
        if whole is None or self.version(kind, whole) == ABSENT:
            return ()
        now = datetime.fromtimestamp(self._clock(), UTC).isoformat()
        told = {"updatedAt": {"S": now}, **item_of(self._layout.shape(kind), whole), "entity": {"S": kind.upper()}}
        return [Put(one.table, one.item) for one in records_of(self._layout.shape(VERSION), told)]

    def _ours(self, seen: Item | None, records: Sequence[Record]) -> dict[tuple[str, str], Item]:
        """Give what Sluice keeps on these records, to be kept: the tokens by which a migration orders its writes.

        Where the whole record has none there was no migration, and the others need not be read.
        """
        if seen is None or "_token" not in seen:
            return {}
        kept: dict[tuple[str, str], Item] = {}
        for table in {record.table for record in records}:
            found = self._store.get(table, [record.key for record in records if record.table == table], "strong")
            kept |= {(table, text): _kept(item) for text, item in found.items()}
        return kept

    def _commit(self, kind: str, key: Key, actions: Sequence[Action], write_id: str | None) -> None:
        try:
            self._store.write(actions)
        except Cancelled as cancelled:
            if any(one.code == "condition" for one in cancelled.refused):
                raise self._changed(kind, key) from cancelled
            raise
        except DynamoDown:
            # Perhaps only the answer was lost.
            seen = self._store.get(self._layout.whole(kind).table, [key], "strong").get(key_text(key))
            if self.version(kind, seen) != (ABSENT if write_id is None else write_id):
                raise

    def _changed(self, kind: str, key: Key) -> Changed:
        return Changed(f"{kind} {key_text(key)} was written by somebody else. Nothing was written: read it again.")


def _place(record: Record) -> tuple[str, str]:
    return record.table, key_text(record.key)


def _kept(item: Item) -> Item:
    return {name: value for name, value in item.items() if name.startswith("_") and name not in ("_gone", WRITE)}


def _still(seen: Item | None, key: Key) -> Condition:
    """Give the condition that the whole record is what was seen, tombstones and nothing at all included."""
    first = next(iter(key))
    if seen is None:
        return Condition("attribute_not_exists(#k)", {"#k": first})
    told, names, values = ["attribute_exists(#k)"], {"#k": first}, {}
    for number, name in enumerate((WRITE, "_token", "_gone")):
        names[f"#n{number}"] = name
        if name in seen:
            told.append(f"#n{number} = :v{number}")
            values[f":v{number}"] = seen[name]
        else:
            told.append(f"attribute_not_exists(#n{number})")
    return Condition(" AND ".join(told), names, values)
