"""The five legacy tables of `tyler`, and what an item of each becomes, written down by hand.

By hand, since this is what the oracle judges by: it must not ask the mapping that it judges.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from zlib import crc32

from sluice.stores.dynamodb.values import Item, Value

TARGET, MARKS = "tyler-entity", "sluice-marks"
BEGINNING = "1970-01-01T00:00:00Z"
KEY_ATTRIBUTES = frozenset({"PK", "SK", *(f"GSI{n}{half}" for n in range(1, 5) for half in ("PK", "SK"))})
ADDED = KEY_ATTRIBUTES | {"entityType", "relationshipType", "ttl"}
"""What a record has beside the entity's own attributes."""
NOTHING = ({"S": ""}, {"NULL": True}, None)


@dataclass(frozen=True)
class Legacy:
    """One legacy table: its key, the migration that moves it, and what the new design calls its things."""

    table: str
    key: str
    kind: str
    names: Mapping[str, str] = field(default_factory=dict)
    """Old attribute → new one, where they differ."""
    share: float = 0.0
    """Of all items that a demo seeds."""

    @property
    def migration(self) -> str:
        """The migration's name."""
        return f"tyler_{self.table.replace('-', '_')}"


LEGACY = {
    legacy.table: legacy
    for legacy in (
        Legacy("users", "userId", "user", {"userId": "id", "created": "createdAt", "updated": "updatedAt"}, 0.12),
        Legacy(
            "contractors",
            "contractorId",
            "contractor",
            {"contractorId": "id", "created": "createdAt", "expiry": "expiresAt"},
            0.06,
        ),
        Legacy("refresh-tokens", "tokenId", "refresh_token", {"tokenId": "id", "expires": "expiresAt"}, 0.36),
        Legacy("audit", "auditId", "audit", {"auditId": "id"}, 0.44),
        Legacy("config", "configKey", "config", {"configKey": "key"}, 0.02),
    )
}
MIGRATIONS = tuple(legacy.migration for legacy in LEGACY.values())


def entity_of(legacy: Legacy, item: Item) -> Item:
    """Give an item under the names that the new design has for its attributes, without what is Sluice's."""
    entity = {legacy.names.get(name, name): value for name, value in item.items() if not name.startswith("_")}
    if legacy.kind in ("user", "contractor") and entity.get("createdAt") in NOTHING:
        entity["createdAt"] = {"S": BEGINNING}
    if legacy.kind == "audit" and entity.get("userId") in NOTHING:
        entity["userId"] = {"S": f"SYSTEM-P{crc32(item['auditId']['S'].encode()) % 8:03}"}
    return entity


def is_expired(legacy: Legacy, item: Item, now: float) -> bool:
    """Whether an item is left behind: a token past its time, in seconds since 1970."""
    return legacy.kind == "refresh_token" and float(item["expires"]["N"]) <= now


def key_of_whole(kind: str, entity: Item) -> tuple[str, str]:
    """Give PK and SK of the record that holds all of an entity."""
    name = text(entity["key" if kind == "config" else "id"])
    match kind:
        case "refresh_token":
            return f"USER#{text(entity['userId'])}", f"TOKEN#{name}"
        case "audit":
            return f"USER#{text(entity['userId'])}", f"AUDIT#{name}"
    return f"{kind.upper()}#{name}", "METADATA"


def keys_of_lookups(kind: str, entity: Item) -> Iterator[tuple[str, str]]:
    """Give PK and SK of the other records of an entity."""
    own, _ = key_of_whole(kind, entity)
    if kind == "contractor" and entity.get("expiresAt") not in NOTHING:
        yield own, "LOOKUP#EXPIRY"
    if kind == "user":
        for attribute, name in (("status", "STATUS"), ("updatedAt", "UPDATED")):
            if entity.get(attribute) not in NOTHING:
                yield own, f"LOOKUP#{name}"
        for role in entity.get("roles", {}).get("SS", ()):
            yield own, f"LOOKUP#ROLE#{role}"


def entity_in(record: Item) -> Item:
    """Give the entity that a whole record holds."""
    return {name: value for name, value in record.items() if name not in ADDED and not name.startswith("_")}


def text(value: Value) -> str:
    """Give a text's or number's text."""
    return str(next(iter(value.values())))
