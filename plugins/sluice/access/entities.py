"""Entities of a single-table design: got, listed, searched, followed through their relations and through time; written whole.

Who changes what somebody else has changed meanwhile is told so: by its version, an opaque text that every write makes anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sluice.access.cursors import Seal
from sluice.access.entity import PART, Entity
from sluice.access.history import History, Version, version_of
from sluice.access.layout import LIST, RELATIONS, SEARCH, SERIES, Layout, Lookup
from sluice.access.loader import Loader, loader_of
from sluice.access.pages import Asked, Edge, Page, page
from sluice.access.refusals import AlreadyExists, Changed, EntityRefused, KeyChanged, NoSuchEntity, NotWhole
from sluice.access.spans import Span, as_utc
from sluice.access.store import Consistency, Store
from sluice.access.values import NotStorable, attributes_of, item_from
from sluice.access.walking import Question
from sluice.access.writing import ABSENT, Writer, again
from sluice.records.record import Unmappable
from sluice.records.rules import CompiledRule
from sluice.records.shape import item_of, records_of
from sluice.stores.dynamodb.values import Item, Key, canonical_text, key_text

__all__ = ["ABSENT", "AlreadyExists", "Changed", "Entities", "Entity", "EntityRefused", "KeyChanged", "NoSuchEntity",
           "NotWhole", "Version"]  # fmt: skip

Known = Mapping[str, Any]


class Entities:
    """The entities of one design. Threads may share it."""

    def __init__(self, store: Store, layout: Layout, seal: Seal, *, clock: Callable[[], float] = time.time) -> None:
        """`clock` tells what has expired: DynamoDB takes that away up to days later."""
        self._store, self._layout, self._seal = store, layout, seal
        self._history = History(layout, clock)
        self._writer = Writer(store, layout, self._history, clock)

    # ---- reading ----

    def get(self, kind: str, by: Known, consistency: Consistency = "strong") -> Entity | None:
        """Give the entity that is known by the attributes of its key, such as `{"id": "42"}`; None if it is not there."""
        return self.get_many(kind, [by], consistency)[0]

    def get_many(self, kind: str, by: Sequence[Known], consistency: Consistency = "strong") -> Sequence[Entity | None]:
        """Give several, in the order asked for: at most 100 a request, each once."""
        keys = [self._layout.key(kind, item_from(known)) for known in by]
        found = self._store.get(self._layout.whole(kind).table, keys, consistency)
        return [self._live(kind, found.get(key_text(key))) for key in keys]

    def loader(
        self, kind: str, by: str | tuple[str, ...] = "id", consistency: Consistency = "strong"
    ) -> Loader[Any, Entity]:
        """Make a batch loader for one request, by the value of the attribute that their keys are made of, or of several.

        `loader("user").ask("42")`, `loader("token", ("userId", "id")).ask(("42", "t1"))`. A key that is none fails alone.
        """
        return loader_of(by, lambda one: self._layout.key(kind, item_from(one)),
                         lambda several: self.get_many(kind, several, consistency))  # fmt: skip

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

        def find(span: Span) -> Lookup:
            return self._layout.find(kind, LIST, {}, order, span)

        return self._page(
            kind, f"list {order}", {}, find, first, after, newest_first, Span.of(since, until), where, whole
        )

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
        known = item_from(by)

        def find(_: Span) -> Lookup:
            return self._layout.find(kind, SEARCH, known)

        return self._page(kind, "search", known, find, first, after, newest_first, whole=whole)

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
        known = item_from(of)

        def find(span: Span) -> Lookup:
            return self._layout.find(kind, RELATIONS, known, None, span)

        return self._page(
            kind, "relations", known, find, first, after, newest_first, Span.of(since, until), whole=whole
        )

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
        known = item_from(of or {})

        def find(span: Span) -> Lookup:
            return self._layout.find_between(kind, SERIES, span, known)

        span = Span(as_utc(since, "since"), as_utc(until, "until"))
        return self._page(kind, "between", known, find, first, after, newest_first, span)

    def versions(
        self, kind: str, by: Known, first: int = 50, after: str | None = None, *, newest_first: bool = True
    ) -> Page[Version]:
        """Give a page of what an entity once was, as far as it was kept, in the order in which it was written over."""
        place, known = self._history.place(kind, self._layout.key(kind, item_from(by)))
        asked = Asked(
            f"versions {canonical_text(known)} {newest_first}", Span(), lambda _: _question(place, newest_first, known)
        )
        return page(self._store, self._seal, asked, first, after, lambda item: version_of(kind, item))

    # ---- writing ----

    def put(self, kind: str, attributes: Known, version: str | None = None, *, keep: bool = False) -> Entity:
        """Write all of an entity: as the successor of `version` (ABSENT: as a new one), or of whatever is there.

        With `keep`, what it was stays behind as a version, written in the same transaction. Raises Changed when it has another
        version, AlreadyExists, KeyChanged and NotWhole where the version tells so, EntityRefused when no records can be made of
        it, NotStorable. After DynamoDown it may be written: read it again.
        """
        item = item_from(attributes)
        key = self._key(kind, item)
        try:
            records = records_of(self._layout.shape(kind), item)
        except Unmappable as why:
            raise EntityRefused(f"{kind} {key_text(key)}", why) from why
        written = again(version, lambda: self._writer.write(kind, key, records, version, keep))
        return Entity(kind, attributes_of(item), written)

    def create(self, kind: str, attributes: Known) -> Entity:
        """Write a new entity. Raises AlreadyExists when there is one with its key."""
        return self.put(kind, attributes, ABSENT)

    def update(
        self, kind: str, by: Known, change: Known | Callable[[dict[str, Any]], Known], *, keep: bool = False
    ) -> Entity:
        """Change some attributes (None takes one away), or all of them by a function that may be called again.

        Nobody's change in between is lost. Raises NoSuchEntity; KeyChanged for a change of what the entity is known by.
        """

        def once() -> Entity:
            seen = self.get(kind, by)
            if seen is None:
                key = key_text(self._layout.key(kind, item_from(by)))
                raise NoSuchEntity(f"There is no {kind} {key} to change. Nothing was written: create it.")
            return self.put(kind, _changed(seen.attributes, change), seen.version, keep=keep)

        return again(None, once)

    def delete(self, kind: str, by: Known, version: str | None = None, *, keep: bool = False) -> bool:
        """Remove an entity with all its records; tells whether there was one. Raises Changed when it has another version."""
        key = self._layout.key(kind, item_from(by))
        return again(version, lambda: self._writer.remove(kind, key, version, keep))

    # ---- within ----

    def _page(
        self,
        kind: str,
        how: str,
        known: Item,
        find: Callable[[Span], Lookup],
        first: int,
        after: str | None,
        newest_first: bool,
        span: Span = Span(),  # noqa: B008 - frozen
        where: Known | None = None,
        whole: bool = False,
    ) -> Page[Entity]:
        wanted, rule = item_from(where or {}), find(span).rule
        text = f"{how} {kind} {rule.table} {canonical_text(known)} {canonical_text(wanted)} {newest_first}"
        asked = Asked(text, span, lambda told: _question(find(told), newest_first, wanted))
        found = page(self._store, self._seal, asked, first, after, lambda item: self._found(kind, rule, item))
        there = self._loaded(kind, found.nodes) if whole and not rule.whole else found.nodes
        edges = tuple(Edge(one, edge.cursor) for one, edge in zip(there, found.edges, strict=True) if one)
        return Page(edges, found.has_next_page, found.end_cursor)

    def _loaded(self, kind: str, parts: Sequence[Entity | None]) -> Sequence[Entity | None]:
        return self.get_many(kind, [part.attributes for part in parts if part], "eventual")

    def _found(self, kind: str, rule: CompiledRule, item: Item) -> Entity | None:
        if rule.whole:
            return self._live(kind, item)
        carried = {name: value for name, value in item.items() if name not in rule.reserved}
        return Entity(kind, attributes_of(carried), PART)

    def _live(self, kind: str, item: Item | None) -> Entity | None:
        version = self._writer.version(kind, item)
        if item is None or version == ABSENT:
            return None
        return Entity(kind, attributes_of(item_of(self._layout.shape(kind), item)), version)

    def _key(self, kind: str, item: Item) -> Key:
        """Give the key of what is to be written. Raises EntityRefused."""
        try:
            return self._layout.whole(kind).key_of(item)
        except Unmappable as why:
            raise EntityRefused(kind, why) from why


def _question(place: Lookup, newest_first: bool, where: Item) -> Question:
    stages = place.stages[::-1] if newest_first else place.stages
    return Question(place.index, stages, place.low, place.high, newest_first, where)


def _changed(seen: dict[str, Any], change: Known | Callable[[dict[str, Any]], Known]) -> Known:
    if not callable(change):
        changed = {**seen, **change}
        return {name: value for name, value in changed.items() if value is not None or name not in change}
    told = change(dict(seen))
    if not isinstance(told, Mapping):
        raise NotStorable(
            f"The change gave a {type(told).__name__}, not the attributes: have the function return them all."
        )
    return told
