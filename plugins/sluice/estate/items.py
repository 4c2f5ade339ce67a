"""Records of a single-table design that are kept: how long their months stay in the table, and what becomes of them then."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from sluice.estate.design import RecordRule, TableDesign, TableModel
from sluice.estate.fields import Name, Part, lasting
from sluice.estate.retention import Hold, Kept, Month
from sluice.estate.templates import Pieces, Placeholder, parse_template


class ItemRetention(Part):
    """What becomes of the months of an entity whose records are listed by month in an index."""

    since: Month
    """The first month that there may be records of: from it on each month is looked for."""
    keep: Kept
    """How long records stay in the table. A month goes once all of it is older."""
    then: Literal["archive", "delete"] = "archive"
    """`archive`: stored in the vault once, read back, and left in the table. `delete`: that, and deleted once it has cooled."""
    cooling: Annotated[timedelta, lasting("0s", "365d")] = timedelta(days=7)
    """With `delete`: how long a month stays in the table after it was read back."""
    approve: bool = True
    """With `delete`: whether a person is asked before a month is deleted."""
    holds: tuple[Hold, ...] = Field(default=(), max_length=100)
    """Legal holds. A month that one of them touches is not begun, and never deleted; one that was may be brought back."""


class Expiry(Part):
    """What must hold of an entity's records that DynamoDB is to remove by itself (TTL)."""

    within: Annotated[timedelta, lasting("1m", "3650d")]
    """How long a record lives at most: one that expires later than this from now is wrong."""
    lag: Annotated[timedelta, lasting("0s", "30d")] = timedelta(days=2)
    """How long DynamoDB may take to remove what has expired."""
    read_units: int = Field(default=2000, ge=1, le=1_000_000)
    """About what one night's look may cost: so much of a table is read that it does, another part each night."""


class ItemsFile(Part):
    """Records of one entity of a single-table design under care. `archive` or `expires`, or both."""

    name: Name = Field(alias="items")
    """The file's name without `.yaml`."""
    model: Name
    """The design: the file include/estate/<model>.yaml."""
    entity: Name
    """Which of its entities."""
    archive: ItemRetention | None = None
    """How long its months are kept, and what becomes of them then; without it, they stay."""
    expires: Expiry | None = None
    """What must hold of its expiry; without it, nobody looks."""


@dataclass(frozen=True)
class MonthIndex:
    """The index of a design that lists an entity's records by month: `template` gives its partitions, `time` is what tells."""

    name: str
    attribute: str
    template: str
    time: str


@dataclass(frozen=True)
class Items:
    """A file of items, and the design that it names."""

    file: ItemsFile
    design: TableModel

    @property
    def rule(self) -> RecordRule:
        """The one record that an entity becomes."""
        return self.design.entities[self.file.entity].records[0]

    @property
    def table(self) -> TableDesign:
        """The table that the records lie in."""
        return self.design.tables[self.rule.table]

    @property
    def by_month(self) -> MonthIndex:
        """The index that lists them by month."""
        found = month_index(self.design, self.file.entity)
        assert found is not None, "the file was checked for it"
        return found


def expiring_rules(design: TableModel, entity: str) -> tuple[RecordRule, ...]:
    """Give the records of an entity that their table removes when they have expired."""
    rules = design.entities[entity].records
    return tuple(one for one in rules if (ttl := design.tables[one.table].ttl) and ttl in (*one.sets, *one.keep))


def month_index(design: TableModel, entity: str) -> MonthIndex | None:
    """Give the first index whose partitions are months of an entity's records, and nothing else but buckets; or None."""
    rule = design.entities[entity].records[0]
    for name, index in design.tables[rule.table].indexes.items():
        template = rule.key.get(index.partition, "")
        if time := _month_in(parse_template(template)):
            return MonthIndex(name, index.partition, template, time)
    return None


def _month_in(pieces: Pieces) -> str | None:
    """Name the attribute of time, where a template is made of one month, text and buckets."""
    asked = [one for one in pieces if isinstance(one, Placeholder) and not one.spread_class]
    if len(asked) != 1 or len(asked[0].path) != 1 or [one.name for one in asked[0].filters] != ["month"]:
        return None
    return asked[0].path[0]
