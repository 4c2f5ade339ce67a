"""A single-table design: its tables, and the records that one entity becomes in them. `include/estate/tyler.yaml` is one."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from sluice.estate.fields import (
    Attribute,
    AttributePath,
    DynamoTable,
    IndexName,
    Name,
    Part,
    RecordName,
    Scalar,
    Template,
)

MOST_RULES = 40
Spread: TypeAlias = Annotated[int, Field(ge=1, le=1000)]


class KeyNames(Part):
    """The attributes of a key. All are text."""

    partition: Attribute
    """The partition key's attribute."""
    sort: Attribute | None = None
    """The sort key's attribute, where there is one."""

    @property
    def names(self) -> tuple[str, ...]:
        """Partition first, then sort."""
        return (self.partition, self.sort) if self.sort else (self.partition,)


class Units(Part):
    """Provisioned capacity: what autoscaling may move between, reads and writes alike."""

    least: int = Field(default=5, ge=1, le=40_000)
    """Units that are always there."""
    most: int = Field(default=4000, ge=1, le=40_000)
    """Units at most."""


class TableDesign(Part):
    """One DynamoDB table of the design."""

    name: DynamoTable
    """The table's name. Sluice makes it, and never deletes it."""
    key: KeyNames
    """Its key."""
    indexes: dict[IndexName, KeyNames] = Field(default_factory=dict, max_length=20)
    """Its global secondary indexes, by name; all attributes are projected."""
    ttl: Attribute | None = None
    """The attribute that holds when a record may go, in seconds since 1970."""
    stream: bool = True
    """Whether changes are kept for a day, old and new image. Cutting back needs it."""
    capacity: Literal["on_demand", "provisioned"] = "on_demand"
    """How it is paid for: by request, or by units with autoscaling."""
    units: Units | None = None
    """With `provisioned`: the units; without it, 5 to 4000."""

    @property
    def key_attributes(self) -> tuple[str, ...]:
        """Every attribute of the key and of the indexes, each once."""
        keys = (self.key, *self.indexes.values())
        return tuple(dict.fromkeys(name for key in keys for name in key.names))


class When(Part):
    """A condition on an item. What stands beside each other must all hold."""

    has: AttributePath | None = None
    """The attribute is there, and is neither NULL nor empty text."""
    equals: dict[AttributePath, Scalar] = Field(default_factory=dict, max_length=20)
    """Each attribute has this value; a number is compared as one."""
    none: When | None = Field(default=None, alias="not")
    """This does not hold."""
    any_of: tuple[When, ...] = Field(default=(), max_length=20, alias="any")
    """One of these holds."""


class RecordRule(Part):
    """One record that an entity becomes, or one for each element of a list."""

    record: RecordName
    """Its name, such as METADATA or LOOKUP#STATUS: one of its own within the entity."""
    table: Name = "entity"
    """Which table holds it: a name under `tables`."""
    when: When | None = None
    """Made only where this holds; without it, always."""
    for_each: dict[AttributePath, Attribute] = Field(default_factory=dict, max_length=1)
    """One record for each element: `{roles: role}` goes through the list or set `roles`, and `{role}` is the element."""
    key: dict[Attribute, Template] = Field(min_length=1, max_length=50)
    """Its key attributes, those of the indexes included."""
    sparse: tuple[IndexName, ...] = Field(default=(), max_length=20)
    """Indexes that it stays out of where an attribute of their keys is missing; without it, such an item is quarantined."""
    whole: bool = False
    """Whether it holds every attribute of the entity: from it the entity can be made again."""
    keep: tuple[Attribute, ...] = Field(default=(), max_length=100)
    """Attributes that it carries, where they are there."""
    sets: dict[Attribute, Template] = Field(default_factory=dict, max_length=50, alias="set")
    """Attributes that it has besides, such as its type or its TTL."""
    optional: tuple[Attribute, ...] = Field(default=(), max_length=50)
    """Attributes of `set` left away where one that they are made of is missing; without it, such an item is quarantined."""


class EntityDesign(Part):
    """What one entity becomes: its records, written together or not at all."""

    records: tuple[RecordRule, ...] = Field(min_length=1, max_length=MOST_RULES)
    """The records."""


class TableModel(Part):
    """A single-table design: tables, entities, and the records that each becomes."""

    model: Name
    """The design's name: the file's name without `.yaml`."""
    store: Name
    """Which store holds the tables: a name under `stores` in estate.yaml."""
    spread: dict[Name, Spread] = Field(default_factory=dict, max_length=100)
    """Partitions that a class of keys is spread over: `{x|spread:user}` gives P000, P001, … by the hash of x."""
    tables: dict[Name, TableDesign] = Field(min_length=1, max_length=20)
    """The tables, by the name that records use."""
    entities: dict[Name, EntityDesign] = Field(min_length=1, max_length=100)
    """The entities, by name."""
