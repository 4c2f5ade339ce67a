"""Writing an entity: its records together or not at all, and with them away what an earlier version had and the new one has not.

Each write names itself in `_write` on every record, which is also the version of the entity, together with its key. The whole
record carries the condition that it is still what was seen; the others follow it, as they are only ever written in a transaction
with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import TypeVar
from uuid import uuid4

from sluice.access.entity import PART
from sluice.access.history import History
from sluice.access.layout import Layout
from sluice.access.refusals import AlreadyExists, Changed, KeyChanged, NotWhole
from sluice.access.store import Store
from sluice.errors import Transient
from sluice.records.mapping import MARK
from sluice.records.record import Record
from sluice.records.shape import item_of, records_of
from sluice.stores.dynamodb.actions import Action, Condition, Delete, Put
from sluice.stores.dynamodb.client import DynamoDown, Throttled
from sluice.stores.dynamodb.values import Item, Key, key_text
from sluice.stores.dynamodb.writes import Cancelled
from sluice.stores.patience import Patience

WRITE = "_write"
ABSENT = ""
"""The version of what is not there."""
COLLIDED = Patience(again=9, first=0.02, longest=0.6)
"""Where many write one entity, waits must grow beyond one write's time: else the same ones lose each time."""
T = TypeVar("T")


def again(version: str | None, write: Callable[[], T]) -> T:
    """Write. Whoever named no version did not decide by what was there: a collision is tried again, ten times in all."""
    for wait in COLLIDED.waits() if version is None else ():
        try:
            return write()
        except Changed:
            time.sleep(wait)
    return write()


class Writer:
    """Writes and removes the entities of one design."""

    def __init__(self, store: Store, layout: Layout, history: History, clock: Callable[[], float]) -> None:
        self._store, self._layout, self._history, self._clock = store, layout, history, clock

    def version(self, kind: str, item: Item | None) -> str:
        """Give which entity a whole record is, and who wrote it last; ABSENT where it is as good as not there."""
        if item is None or "_gone" in item or self._layout.is_expired(kind, item, self._clock()):
            return ABSENT
        return f"{_writer(item)}@{_digest(self._layout.key_of(kind, item))}"

    def _seen(self, kind: str, key: Key, version: str | None) -> Item | None:
        """Read what is there. Raises unless it is `version`, where one is named."""
        if version == PART:
            raise NotWhole(
                f"{kind} {key_text(key)} was not written: this is the part of it that a look-up record carries, and the rest "
                "would be lost. Get the whole of it (`get`, or a search without `whole=False`), then change that."
            )
        if version and "@" in version and version.rpartition("@")[2] != _digest(key):
            raise KeyChanged(
                f"{kind} {key_text(key)} was not written: the version is another one's. What it is known by "
                f"({', '.join(self._layout.named_by(kind))}) cannot change: create the new one, then delete the old one."
            )
        seen = self._store.get(self._layout.whole(kind).table, [key], "strong").get(key_text(key))
        if version is not None and version != self.version(kind, seen):
            raise self._refusal(kind, key, version)
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
                {**record.item, **_holding(ours.get(_place(record), {}), record.item), WRITE: {"S": write_id}},
                _still(seen, record.key) if record.whole else None,
            )
            for record in records
        ]
        kept = {_place(record) for record in records}
        actions += [Delete(record.table, record.key) for record in old if _place(record) not in kept]
        actions += self._was(kind, seen) if keep else []
        self._commit(kind, key, actions, version, f"{write_id}@{_digest(key)}")
        return f"{write_id}@{_digest(key)}"

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
        self._commit(kind, key, actions, version, ABSENT)
        return there

    def _records_at(self, kind: str, whole: Item | None) -> Sequence[Record]:
        """Give the records of the entity that is there."""
        if whole is None or "_gone" in whole:
            return ()
        shape = self._layout.shape(kind)
        return records_of(shape, item_of(shape, whole))

    def _was(self, kind: str, whole: Item | None) -> Sequence[Action]:
        """Give the write that keeps what is there as a version."""
        return () if whole is None or self.version(kind, whole) == ABSENT else self._history.kept(kind, whole)

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

    def _commit(self, kind: str, key: Key, actions: Sequence[Action], version: str | None, becomes: str) -> None:
        try:
            self._store.write(actions)
        except Cancelled as cancelled:
            if any(one.code == "condition" for one in cancelled.refused):
                raise self._refusal(kind, key, version) from cancelled
            raise
        except (DynamoDown, Throttled):
            # Perhaps only the answer was lost, of the first of several tries.
            if not self._became(kind, key, becomes):
                raise

    def _became(self, kind: str, key: Key, version: str) -> bool:
        """Tell whether the entity is known to be at `version` by now."""
        try:
            seen = self._store.get(self._layout.whole(kind).table, [key], "strong").get(key_text(key))
        except Transient:  # by now perhaps BreakerOpen: nobody asked, but the write itself was sent
            return False
        return self.version(kind, seen) == version

    def _refusal(self, kind: str, key: Key, version: str | None) -> Changed | AlreadyExists:
        if version == ABSENT:
            return AlreadyExists(
                f"{kind} {key_text(key)} is there already. Nothing was written: get it, or put the new one in its place."
            )
        return Changed(f"{kind} {key_text(key)} was written by somebody else. Nothing was written: read it again.")


def _writer(item: Item) -> str:
    if WRITE in item:
        return str(item[WRITE]["S"])
    return f"copied#{item['_token']['S']}" if "_token" in item else "first"


def _digest(key: Key) -> str:
    # Of a copied entity only its key is its own: a copy's token is the same for thousands.
    return blake2b(key_text(key).encode(), digest_size=8).hexdigest()


def _place(record: Record) -> tuple[str, str]:
    return record.table, key_text(record.key)


def _kept(item: Item) -> Item:
    return {name: value for name, value in item.items() if name.startswith("_") and name not in ("_gone", WRITE)}


def _holding(ours: Item, item: Item) -> Item:
    """Give what is ours, without the note that a migration filled an attribute in where the application has another value now."""
    filled = ours.get(MARK, {}).get("M", {})
    still = {name: note for name, note in filled.items() if item.get(name) == note["M"]["put"]}
    rest = {name: value for name, value in ours.items() if name != MARK}
    return {**rest, MARK: {"M": still}} if still else rest


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
