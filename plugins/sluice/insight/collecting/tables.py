"""The tables of a store in DynamoDB, as the service describes them: which there are, and how large each is.

One that is gone, or that the role may not describe, blinds nobody for the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sluice.errors import SluiceError
from sluice.insight.collecting.looked import Looked
from sluice.ledger.samples import Series
from sluice.stores.dynamodb.client import AccessDenied, DynamoRefused, NoSuchTable, Throttled, speaking

AT_MOST = 100
"""Tables of a store whose file names none."""


@dataclass(frozen=True)
class Seen:
    """A table, as DynamoDB describes it."""

    name: str
    indexes: tuple[str, ...]
    provisioned: Mapping[str, float]
    """`read_units` and `write_units` a second; nothing of a table on demand."""
    bytes: float
    items: float


@dataclass(frozen=True)
class Listed:
    """The tables that are looked at, and what is to be said of others."""

    names: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Described:
    """What became of describing tables."""

    found: tuple[Seen, ...]
    gone: Mapping[str, SluiceError]
    """Those that are not there."""
    unknown: Mapping[str, SluiceError]
    """Those of which nobody knows: the role may not ask, or the service wants patience."""

    def notes(self, store: str) -> tuple[str, ...]:
        """Say why some are not among those found."""
        return tuple(f"{store}: {why}" for why in (*self.gone.values(), *self.unknown.values()))


def names_of(client: Any, store: str) -> Listed:
    """List the tables that a connection may see, a hundred at most. Raises DynamoDown, Throttled, AccessDenied."""
    names: list[str] = []
    more: dict[str, str] = {}
    while len(names) <= AT_MOST:
        with speaking("list the tables of", store):
            page = client.list_tables(**more)
        names += page["TableNames"]
        if not (last := page.get("LastEvaluatedTableName")):
            break
        more = {"ExclusiveStartTableName": last}
    return Listed(tuple(sorted(names)[:AT_MOST]), (_too_many(store),) if len(names) > AT_MOST else ())


def _too_many(store: str) -> str:
    return (
        f"{store}: its connection sees more than {AT_MOST} tables, and no more than that are measured."
        " Name those that count: `backup: {tables: …}`."
    )


def measure_tables(client: Any, store: str, names: Sequence[str]) -> Looked:
    """Give each table's bytes, with its indexes, and items, as the service counts them. Raises as look_at_tables."""
    described = describe_all(client, names)
    sizes = {Series(store, "items_bytes", table.name): table.bytes for table in described.found}
    counts = {Series(store, "items_count", table.name): table.items for table in described.found}
    return Looked({**sizes, **counts}, notes=described.notes(store))


def describe_all(client: Any, names: Iterable[str]) -> Described:
    """Describe each table. Raises DynamoDown; Throttled, AccessDenied, DynamoRefused where none may be described."""
    found: list[Seen] = []
    gone, unknown = dict[str, SluiceError](), dict[str, SluiceError]()
    for name in names:
        try:
            with speaking("describe", name):
                found.append(_seen(client.describe_table(TableName=name)["Table"]))
        except NoSuchTable as error:
            gone[name] = error
        except (AccessDenied, DynamoRefused, Throttled) as error:
            unknown[name] = error
    if unknown and not (found or gone):
        raise next(iter(unknown.values()))
    return Described(tuple(found), gone, unknown)


def _seen(table: Mapping[str, Any]) -> Seen:
    on_demand = table.get("BillingModeSummary", {}).get("BillingMode") == "PAY_PER_REQUEST"
    units = table.get("ProvisionedThroughput", {})
    provisioned = {"read_units": units.get("ReadCapacityUnits", 0), "write_units": units.get("WriteCapacityUnits", 0)}
    indexes = table.get("GlobalSecondaryIndexes", [])
    return Seen(
        table["TableName"],
        tuple(index["IndexName"] for index in indexes),
        {} if on_demand else {what: float(each) for what, each in provisioned.items() if each},
        float(table.get("TableSizeBytes", 0) + sum(index.get("IndexSizeBytes", 0) for index in indexes)),
        float(table.get("ItemCount", 0)),
    )
