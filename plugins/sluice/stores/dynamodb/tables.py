"""Tables as plain values: what is wanted, what is there, and what it takes. Nothing here deletes anything.

`plan_tables` is pure; a difference that could only be mended by losing data is refused, with the way on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sluice.stores.dynamodb.client import NoSuchTable, speaking

IMAGES = "NEW_AND_OLD_IMAGES"


@dataclass(frozen=True)
class Index:
    """A global secondary index. `projection` other than ALL is only ever found, never made."""

    name: str
    partition: str
    sort: str | None = None
    projection: str = "ALL"


@dataclass(frozen=True)
class TableDefinition:
    """A table. `types` give S, N or B of each attribute of a key, S where nothing is said.

    `capacity` None is on demand, else the least and the most units, reads and writes alike: the table is made with the
    least, and left alone wherever autoscaling has put it in between.
    """

    name: str
    partition: str
    sort: str | None = None
    types: Mapping[str, str] = field(default_factory=dict)
    indexes: tuple[Index, ...] = ()
    ttl: str | None = None
    stream: bool = False
    capacity: tuple[int, int] | None = None

    def type_of(self, attribute: str) -> str:
        """Give S, N or B."""
        return self.types.get(attribute, "S")

    def index(self, name: str) -> Index | None:
        """Give an index by its name."""
        return next((index for index in self.indexes if index.name == name), None)


Step = Literal["create", "capacity", "stream", "index", "ttl"]


@dataclass(frozen=True)
class TablePlan:
    """What it takes for one table. `steps` name what is done and to what, in order; `reasons` why it is refused."""

    wanted: TableDefinition
    what: Literal["created", "changed", "unchanged", "refused"]
    steps: tuple[tuple[Step, str], ...] = ()
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        told = "; ".join([*(f"{step} {name}".strip() for step, name in self.steps), *self.reasons])
        return f"{self.wanted.name}: {self.what}{f' ({told})' if told else ''}"


def plan_tables(
    wanted: Sequence[TableDefinition], found: Mapping[str, TableDefinition | None]
) -> tuple[TablePlan, ...]:
    """Compare the wanted tables with those found, by name: created, changed, unchanged or refused."""
    return tuple(_plan(one, found.get(one.name)) for one in wanted)


def _plan(wanted: TableDefinition, found: TableDefinition | None) -> TablePlan:
    if found is None:
        steps: list[tuple[Step, str]] = [("create", ""), *_ttl_step(wanted, None)]
        return TablePlan(wanted, "created", tuple(steps))
    if reasons := tuple(_conflicts(wanted, found)):
        return TablePlan(wanted, "refused", reasons=reasons)
    steps = [*_capacity_step(wanted, found), *_stream_step(wanted, found), *_index_steps(wanted, found)]
    steps += _ttl_step(wanted, found)
    return TablePlan(wanted, "changed" if steps else "unchanged", tuple(steps))


def _conflicts(wanted: TableDefinition, found: TableDefinition) -> list[str]:
    said = []
    if (wanted.partition, wanted.sort) != (found.partition, found.sort):
        said.append(f"its key is {_key(found)}, not {_key(wanted)}: a key cannot change, choose another table name")
    for index in wanted.indexes:
        other = found.index(index.name)
        if other and other != index:
            is_now, should_be = (f"by {_key(one)}, {one.projection}" for one in (other, index))
            said.append(f"index {index.name} is {is_now}, not {should_be}: choose another index name")
    keyed: tuple[TableDefinition | Index, ...] = (wanted, *wanted.indexes)
    attributes = {name for one in keyed for name in (one.partition, one.sort) if name}
    for name in sorted(attributes & set(found.types)):
        if found.type_of(name) != wanted.type_of(name):
            said.append(f"{name} is of type {found.type_of(name)}, not {wanted.type_of(name)}: it cannot change")
    if found.ttl not in (None, wanted.ttl):
        said.append(f"it expires items by {found.ttl}, not by {wanted.ttl}: turn that off by hand first")
    return said


def _key(keyed: TableDefinition | Index) -> str:
    return keyed.partition if keyed.sort is None else f"{keyed.partition} and {keyed.sort}"


def _capacity_step(wanted: TableDefinition, found: TableDefinition) -> list[tuple[Step, str]]:
    if wanted.capacity is None or found.capacity is None:
        same = wanted.capacity == found.capacity
    else:
        least, most = wanted.capacity
        same = all(least <= units <= most for units in found.capacity)
    return [] if same else [("capacity", "on demand" if wanted.capacity is None else f"{wanted.capacity[0]} units")]


def _stream_step(wanted: TableDefinition, found: TableDefinition) -> list[tuple[Step, str]]:
    return [("stream", IMAGES)] if wanted.stream and not found.stream else []


def _index_steps(wanted: TableDefinition, found: TableDefinition) -> list[tuple[Step, str]]:
    return [("index", index.name) for index in wanted.indexes if found.index(index.name) is None]


def _ttl_step(wanted: TableDefinition, found: TableDefinition | None) -> list[tuple[Step, str]]:
    return [("ttl", wanted.ttl)] if wanted.ttl and (found is None or found.ttl is None) else []


def describe(client: Any, name: str) -> TableDefinition | None:
    """Give a table as it is, or None. Its `capacity` is what reads and writes have right now.

    Raises Throttled, DynamoDown, AccessDenied.
    """
    try:
        with speaking("describe", name):
            table = client.describe_table(TableName=name)["Table"]
            ttl = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    except NoSuchTable:
        return None
    return _definition(table, ttl)


def _definition(table: Mapping[str, Any], ttl: Mapping[str, Any]) -> TableDefinition:
    partition, sort = _keys(table)
    mode = table.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED")
    units = table.get("ProvisionedThroughput", {})
    stream = table.get("StreamSpecification") or {}
    return TableDefinition(
        name=table["TableName"],
        partition=partition,
        sort=sort,
        types={one["AttributeName"]: one["AttributeType"] for one in table["AttributeDefinitions"]},
        indexes=tuple(_index(one) for one in table.get("GlobalSecondaryIndexes", [])),
        ttl=ttl["AttributeName"] if ttl["TimeToLiveStatus"] in ("ENABLED", "ENABLING") else None,
        stream=bool(stream.get("StreamEnabled")) and stream.get("StreamViewType") == IMAGES,
        capacity=None if mode == "PAY_PER_REQUEST" else (units["ReadCapacityUnits"], units["WriteCapacityUnits"]),
    )


def _index(told: Mapping[str, Any]) -> Index:
    return Index(told["IndexName"], *_keys(told), projection=told.get("Projection", {}).get("ProjectionType", "ALL"))


def _keys(keyed: Mapping[str, Any]) -> tuple[str, str | None]:
    by_kind = {part["KeyType"]: part["AttributeName"] for part in keyed["KeySchema"]}
    return by_kind["HASH"], by_kind.get("RANGE")
