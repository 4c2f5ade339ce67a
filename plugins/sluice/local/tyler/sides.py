"""Both sides as the application knows them: the legacy table by a plain client, the new design through the access library.

Where to write is asked for each write, as docs/howto/use-the-new-tables.md says.
"""

from __future__ import annotations

import json
import secrets
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, cast

from sluice.access.cursors import Seal
from sluice.access.entities import Entities
from sluice.access.layout import Layout
from sluice.access.routing import ItemRoute, NoRoute, Route, Routing
from sluice.access.store import Endpoint, Store
from sluice.access.values import attributes_of, item_from
from sluice.estate import read_model
from sluice.local.settings import ROOT, Settings
from sluice.local.tyler.shape import LEGACY, MARKS, Legacy, entity_of, key_of_whole
from sluice.stores.dynamodb.client import NoSuchTable, dynamodb_client, speaking
from sluice.stores.dynamodb.reads import get_item
from sluice.stores.dynamodb.values import Item

Side = Literal["old", "new"]
REGION = "us-east-1"
KEYS = {"user": ("id",), "contractor": ("id",), "refresh_token": ("id", "userId"), "audit": ("id", "userId"),
        "config": ("key",)}  # fmt: skip
"""The attributes that an entity is known by."""
BEFORE = Route("old", "old", 0, 1.0)
"""What holds before a migration has begun: there is no route, and no other side."""


def address_of(settings: Settings) -> str:
    """Give the address of the machine's DynamoDB, as one text for an environment."""
    key, secret = (settings.secrets[f"documents_{name}"] for name in ("key", "secret"))
    return json.dumps([settings.documents_url, key, secret, REGION])


def client_at(address: str, seconds: float = 5) -> Any:
    """Make a client for such an address."""
    url, key, secret, region = json.loads(address)
    return dynamodb_client(url, key, secret, region, seconds)


@dataclass(frozen=True)
class _Source:
    """Where a route is read: there is none before its migration has begun, and then the old side is all there is."""

    told: ItemRoute

    def read(self) -> Route:
        """Read it."""
        try:
            return self.told.read()
        except (NoRoute, NoSuchTable):
            return BEFORE


@dataclass(frozen=True)
class Sides:
    """What the application reads and writes. Threads may share it."""

    client: Any

    @cached_property
    def _store(self) -> Store:
        return Store(Endpoint(self.client))

    @cached_property
    def _entities(self) -> Entities:
        layout = Layout(read_model(ROOT / "include/estate/tyler.yaml"))
        return Entities(self._store, layout, Seal((secrets.token_bytes(32),)))

    @cached_property
    def _routes(self) -> dict[str, Routing]:
        return {
            table: Routing(_Source(ItemRoute(self._store, legacy.migration, MARKS))) for table, legacy in LEGACY.items()
        }

    def writing(self, legacy: Legacy) -> AbstractContextManager[Route]:
        """Hold the lease around one write. Raises what `Routing.writing` raises."""
        return self._routes[legacy.table].writing()

    def write(self, side: Side, legacy: Legacy, before: Item | None, after: Item | None) -> None:
        """Make a legacy item into another one, or into nothing; on the new side as the entity that it is there.

        Raises what the access library raises, and the store: what is Transient may be written all the same.
        """
        if side == "new":
            return self._write_new(legacy, before, after)
        with speaking("write to", legacy.table):
            if after is None:
                self.client.delete_item(TableName=legacy.table, Key={legacy.key: (before or {})[legacy.key]})
            else:
                self.client.put_item(TableName=legacy.table, Item=after)

    def entity(self, side: Side, legacy: Legacy, item: Item) -> Item | None:
        """Read what a side has under an item's key, as an entity; None where there is nothing."""
        if side == "new":
            found = self._entities.get(legacy.kind, self._known(legacy, item))
            return item_from(found.attributes) if found else None
        there = get_item(self.client, legacy.table, {legacy.key: item[legacy.key]})
        return entity_of(legacy, there) if there else None

    def _write_new(self, legacy: Legacy, before: Item | None, after: Item | None) -> None:
        places = [key_of_whole(legacy.kind, entity_of(legacy, one)) if one else None for one in (before, after)]
        if before is not None and places[0] != places[1]:
            self._entities.delete(legacy.kind, self._known(legacy, before))
        if after is not None:
            self._entities.put(legacy.kind, attributes_of(entity_of(legacy, after)))

    def _known(self, legacy: Legacy, item: Item) -> dict[str, Any]:
        attributes = attributes_of(entity_of(legacy, item))
        return {name: attributes[name] for name in KEYS[legacy.kind]}


def other(side: Side) -> Side:
    """The side that follows."""
    return "old" if side == "new" else "new"


def side_of(route: Route) -> Side:
    """Where a route says to write; it is open."""
    return cast(Side, route.write_to)
