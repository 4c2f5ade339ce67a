"""Entities of a single-table design: got, listed, searched, followed through their relations and through time; written whole.

Who changes what somebody else has changed meanwhile is told so: by its version, an opaque text that every write makes anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sluice.access.cursors import Seal
from sluice.access.layout import LIST, RELATIONS, SEARCH, SERIES, Layout, Lookup
from sluice.access.loader import Loader
from sluice.access.pages import Edge, Page, page
from sluice.access.store import Consistency, Store
from sluice.access.values import attributes_of, item_from
from sluice.access.walking import Question
from sluice.access.writing import ABSENT, VERSION, Changed, Writer, again
from sluice.errors import Terminal
from sluice.records.shape import item_of, records_of
from sluice.stores.dynamodb.values import Item, key_text

__all__ = ["ABSENT", "Changed", "Entities", "Entity", "NoSuchEntity"]

Known = Mapping[str, Any]


class NoSuchEntity(Terminal):
    """There is no such entity to be changed."""


@dataclass(frozen=True)
class Entity:
    """An entity, or, when `version` is None, the part of it that a look-up record carries."""

    kind: str
    attributes: dict[str, Any]
    version: str | None

    def __getitem__(self, name: str) -> Any:
        """Give an attribute."""
        return self.attributes[name]


class Entities:
    """The entities of one design. Threads may share it."""

    def __init__(self, store: Store, layout: Layout, seal: Seal, *, clock: Callable[[], float] = time.time) -> None:
        """`clock` tells what has expired: DynamoDB takes that away up to days later."""
        self._store, self._layout, self._seal = store, layout, seal
        self._writer = Writer(store, layout, clock)

    # ---- reading ----

    def get(self, kind: str, by: Known, consistency: Consistency = "strong") -> Entity | None:
        """Give the entity that is known by the attributes of its key, such as `{"id": "42"}`; None if it is not there."""
        return self.get_many(kind, [by], consistency)[0]

    def get_many(self, kind: str, by: Sequence[Known], consistency: Consistency = "strong") -> Sequence[Entity | None]:
        """Give several, in the order asked for: at most 100 a request, each once."""
        keys = [self._layout.key(kind, item_from(known)) for known in by]
        found = self._store.get(self._layout.whole(kind).table, keys, consistency)
        return [self._live(kind, found.get(key_text(key))) for key in keys]

    def loader(self, kind: str, attribute: str = "id", consistency: Consistency = "strong") -> Loader[Any, Entity]:
        """Make a batch loader for one request, by the value of the one attribute that their keys are made of."""

        def load_all(values: Sequence[Any]) -> Mapping[Any, Entity]:
            found = self.get_many(kind, [{attribute: value} for value in values], consistency)
            return {value: one for value, one in zip(values, found, strict=True) if one}

        return Loader(load_all)

    def list(
        self,
        kind: str,
        first: int = 50,
        after: str | None = None,
        *,
        order: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        newest_first: bool = False,
        where: Known | None = None,
        whole: bool = True,
    ) -> Page[Entity]:
        """Give a page of all entities of a kind (GSI1), in the design's order or in that of another record, `order`.

        From `since` to before `until` of the time that they are ordered by; `where` leaves out what has other values.
        """
        place = self._layout.find(kind, LIST, {}, order, since, until)
        return self._page(kind, place, first, after, newest_first, where, whole)

    def search(
        self,
        kind: str,
        by: Known,
        first: int = 50,
        after: str | None = None,
        *,
        newest_first: bool = False,
        whole: bool = True,
    ) -> Page[Entity]:
        """Give a page of those with these values, such as `{"email": "a@b.c"}` (GSI2).

        Where a look-up record answered, the entities themselves are loaded, unless not `whole`; who is gone by then is left out.
        """
        place = self._layout.find(kind, SEARCH, item_from(by))
        return self._page(kind, place, first, after, newest_first, None, whole)

    def relations(
        self,
        kind: str,
        of: Known,
        first: int = 50,
        after: str | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        newest_first: bool = False,
        whole: bool = True,
    ) -> Page[Entity]:
        """Give a page of those that belong to something, such as `("audit", {"userId": "42"})` (GSI3)."""
        place = self._layout.find(kind, RELATIONS, item_from(of), None, since, until)
        return self._page(kind, place, first, after, newest_first, None, whole)

    def versions(
        self, kind: str, by: Known, first: int = 50, after: str | None = None, *, newest_first: bool = True
    ) -> Page[Entity]:
        """Give a page of what an entity once was, as far as it was kept."""
        place = self._layout.own(VERSION, item_from({"entity": kind.upper(), **by}))
        return self._page(VERSION, place, first, after, newest_first, None)

    def between(
        self,
        kind: str,
        since: datetime,
        until: datetime,
        first: int = 50,
        after: str | None = None,
        *,
        of: Known | None = None,
        newest_first: bool = False,
    ) -> Page[Entity]:
        """Give a page of those from `since` to before `until`, in order of time, over periods and buckets (GSI4)."""
        place = self._layout.find_between(kind, SERIES, since, until, item_from(of or {}))
        return self._page(kind, place, first, after, newest_first, None)

    # ---- writing ----

    def put(self, kind: str, attributes: Known, version: str | None = None, *, keep: bool = False) -> Entity:
        """Write all of an entity: as the successor of `version` (ABSENT: as a new one), or of whatever is there.

        With `keep`, what it was stays behind as a version, written in the same transaction.
        Raises Changed when it has another version, Unmappable when no records can be made of it. After DynamoDown it may be
        written: read it again.
        """
        item = item_from(attributes)
        key = self._layout.key(kind, item)
        records = records_of(self._layout.shape(kind), item)
        written = again(version, lambda: self._writer.write(kind, key, records, version, keep))
        return Entity(kind, attributes_of(item), written)

    def create(self, kind: str, attributes: Known) -> Entity:
        """Write a new entity. Raises Changed when there is one with its key."""
        return self.put(kind, attributes, ABSENT)

    def update(
        self, kind: str, by: Known, change: Known | Callable[[dict[str, Any]], Known], *, keep: bool = False
    ) -> Entity:
        """Change some attributes (None takes one away), or all of them by a function that may be called again.

        Nobody's change in between is lost. Raises NoSuchEntity.
        """

        def once() -> Entity:
            seen = self.get(kind, by)
            if seen is None:
                raise NoSuchEntity(f"There is no {kind} {dict(by)} to change. Nothing was written: create it.")
            changed = change(dict(seen.attributes)) if callable(change) else {**seen.attributes, **change}
            kept = (
                changed if callable(change) else {n: v for n, v in changed.items() if v is not None or n not in change}
            )
            return self.put(kind, kept, seen.version, keep=keep)

        return again(None, once)

    def delete(self, kind: str, by: Known, version: str | None = None, *, keep: bool = False) -> bool:
        """Remove an entity with all its records; tells whether there was one. Raises Changed when it has another version."""
        key = self._layout.key(kind, item_from(by))
        return again(version, lambda: self._writer.remove(kind, key, version, keep))

    # ---- within ----

    def _page(
        self,
        kind: str,
        place: Lookup,
        first: int,
        after: str | None,
        newest_first: bool,
        where: Known | None,
        whole: bool = False,
    ) -> Page[Entity]:
        stages = place.stages[::-1] if newest_first else place.stages
        question = Question(place.index, stages, place.low, place.high, newest_first, item_from(where or {}))
        found = page(self._store, self._seal, question, first, after, lambda item: self._found(kind, place, item))
        there = self._loaded(kind, found.nodes) if whole and not place.rule.whole else found.nodes
        edges = tuple(Edge(one, edge.cursor) for one, edge in zip(there, found.edges, strict=True) if one)
        return Page(edges, found.has_next_page, found.end_cursor)

    def _loaded(self, kind: str, parts: Sequence[Entity | None]) -> Sequence[Entity | None]:
        return self.get_many(kind, [part.attributes for part in parts if part], "eventual")

    def _found(self, kind: str, place: Lookup, item: Item) -> Entity | None:
        if place.rule.whole:
            return self._live(kind, item)
        carried = {name: value for name, value in item.items() if name not in place.rule.reserved}
        return Entity(kind, attributes_of(carried), None)

    def _live(self, kind: str, item: Item | None) -> Entity | None:
        version = self._writer.version(kind, item)
        if item is None or version == ABSENT:
            return None
        return Entity(kind, attributes_of(item_of(self._layout.shape(kind), item)), version)
