"""`kind: single_table`: a DynamoDB table's items become records of a single-table design."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from sluice.estate.design import MOST_RULES, RecordRule, Spread, TableDesign, When
from sluice.estate.fields import Attribute, AttributePath, DynamoTable, Function, Name, Part, Template, lasting
from sluice.estate.migration import Migration, Origin, Pace, Proof, Switch


class DynamoSource(Origin):
    """Where the items are today."""

    table: DynamoTable
    """The table to move."""


class Records(Part):
    """What an item becomes: `model` and `entity` name it, or `tables` and `records` say it here."""

    model: Name | None = None
    """The design: the file include/estate/<model>.yaml."""
    entity: Name | None = None
    """With `model`: which of its entities."""
    store: Name | None = None
    """Without `model`: which store holds the tables; without it, that of `from`."""
    spread: dict[Name, Spread] = Field(default_factory=dict, max_length=100)
    """Without `model`: partitions that a class of keys is spread over."""
    tables: dict[Name, TableDesign] = Field(default_factory=dict, max_length=20)
    """Without `model`: the tables, by the name that records use."""
    records: tuple[RecordRule, ...] = Field(default=(), max_length=MOST_RULES)
    """Without `model`: the records, written together or not at all."""


class AttributeChange(Part):
    """What becomes of one attribute. Those that are not named are carried over as they are."""

    value: Template | None = Field(default=None, alias="from")
    """Its value. A single plain `{old}` is a rename, and has its way back by itself."""
    otherwise: Template | None = None
    """Its value where that is missing, NULL or empty text."""
    drop: bool = False
    """Whether it is left out."""
    back: Template | None = None
    """The old attribute's value, over the entity's attributes, for the way back."""


class Skip(Part):
    """Items that are not migrated, and counted. Either is enough."""

    expired: AttributePath | None = None
    """The attribute that holds when an item expires: seconds since 1970, or a date."""
    when: When | None = None
    """A condition."""


class ScanPace(Pace):
    """How history is copied while the application keeps writing."""

    chunk_rows: int = Field(default=500, ge=1, le=100_000)
    """Items between two checkpoints."""
    segments: int = Field(default=64, ge=1, le=4096)
    """Parts that the scan is cut into, taken in a shuffled order."""


class CopyPace(ScanPace):
    """How history is copied while the application keeps writing."""

    write_units: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Write units a second at most, for all lanes together; without it, as many as the tables take."""


class DualRead(Part):
    """The dual read: before cutover, the access library reads both sides and compares what it serves."""

    at_least: int = Field(default=100, ge=1, le=1_000_000_000)
    """Reads that must have been compared."""
    slower_than: float = Field(default=3.0, ge=1, le=100)
    """Red where the new side's P95 is more than so many times the old one's, and the allowance."""
    allowance: Annotated[timedelta, lasting("0ms", "1h")] = timedelta(milliseconds=5)
    """What a read may be slower by, whatever it took before."""
    required: bool = False
    """Whether the gate is red where no read was compared."""


class RoutedGates(Proof):
    """What must hold before the migration may go on, besides the full diff, which is always asked for."""

    shadow: DualRead | None = DualRead()
    """How reads are compared before cutover; `null` leaves that out."""


class Replication(Part):
    """How far behind the other side may be. A stream keeps a day: what is not read by then is copied again."""

    warn_behind: Annotated[timedelta, lasting("1s", "24h")] = timedelta(hours=1)
    """Behind by more than this, it warns."""
    stop_behind: Annotated[timedelta, lasting("1m", "24h")] = timedelta(hours=12)
    """Behind by more than this, it stops and says how to go on."""
    changes_per_second: Annotated[int, Field(ge=0, le=10_000_000)] | None = None
    """How many changes applications make, for the forecast; without it, as many as the stream shows, if it is on."""
    settled_within: Annotated[timedelta, lasting("100ms", "1h")] = timedelta(seconds=10)
    """A cutover, or cutting back, begins only where the canaries arrive within this."""


class RoutedCutover(Switch):
    """How and when the new side takes over. A person approves it each time."""

    lease: Annotated[timedelta, lasting("1s", "5m")] = timedelta(seconds=5)
    """How long an application may go on writing after it looked at the route. A cutover waits that long."""
    clock_skew: Annotated[timedelta, lasting("0ms", "1m")] = timedelta(seconds=1)
    """By how much clocks may differ. A cutover waits that much longer."""

    @property
    def longest_wait(self) -> timedelta:
        """How long writers wait while the leases run out."""
        return self.lease + self.clock_skew


class Retirement(Part):
    """What becomes of the old table at the end, after a person's yes."""

    old_table: Literal["delete", "keep"] = "delete"
    """`delete`: exported to the vault, read back, compared, and then deleted. `keep`: left as it is."""
    backup: Literal["on_demand", "point_in_time", "none"] = "on_demand"
    """The service's own backup before that: one on demand, or its history (35 days), or none."""
    strays: str = Field(default="", pattern=r"^(strays-\d+-[0-9a-f]{16})?$")
    """Writes past the route, after the last comparison, that a person has seen to: the word from the error that told of them."""


class SingleTableMigration(Migration):
    """The way of a DynamoDB table's items into a single-table design."""

    follows_later: ClassVar[bool] = True
    has_windows: ClassVar[bool] = False
    kind: Literal["single_table"]
    """The way of moving: `single_table` makes records of items."""
    source: DynamoSource = Field(alias="from")
    """Where the items are today."""
    target: Records = Field(alias="into")
    """What an item becomes."""
    attributes: dict[Attribute, AttributeChange] = Field(default_factory=dict, max_length=200)
    """Attributes that change on the way from item to entity, by their new name. All others are carried over."""
    transform: Function | None = None
    """Instead of `attributes`: a function that makes the entity of an item, both as DynamoDB writes them."""
    transform_back: Function | None = None
    """With `transform`: the function that makes the item of an entity. Cutting back needs it."""
    skip: Skip | None = None
    """Items that are not migrated, and counted."""
    backfill: CopyPace = CopyPace()
    """How history is copied."""
    replication: Replication = Replication()
    """How far behind the other side may be."""
    gates: RoutedGates = RoutedGates()
    """What must hold before the migration goes on."""
    cutover: RoutedCutover = RoutedCutover()
    """How and when the new side takes over."""
    retire: Retirement = Retirement()
    """What becomes of the old table at the end."""

    @property
    def becomes(self) -> str:
        """The entity, or the tables that take its records."""
        into = self.target
        return f"{into.model}.{into.entity}" if into.model else ", ".join(t.name for t in into.tables.values())
