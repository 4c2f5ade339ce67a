"""The tables of one migration, and how an item of one side becomes items of the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from hashlib import blake2b
from typing import Any, TypeAlias

from sluice.errors import Terminal
from sluice.estate.design import TableDesign
from sluice.estate.single_table import SingleTableMigration
from sluice.migration.engine.contract import Facts
from sluice.migration.kinds.dynamodb_source.canary import is_canary
from sluice.migration.kinds.single_table.ours import FROM, as_applications_know
from sluice.migration.kinds.single_table.wishes import Translation
from sluice.records import Record, Shape, Unmappable, compile_shape, item_of, records_of, skipped, whole_of
from sluice.records.checks import lost_attributes
from sluice.stores.dynamodb.tables import Index, TableDefinition, describe, plan_tables
from sluice.stores.dynamodb.values import Item, Key, key_from_text, key_of

Leader: TypeAlias = tuple[str, Key]
"""An item of the table that leads: the table's name, and its key."""


class NoSource(Terminal):
    """The table to move is not there."""


@dataclass(frozen=True)
class Tables:
    """Source and targets of a migration, its shape, and the translations between them."""

    client: Any
    migration: SingleTableMigration
    prefix: str = ""
    """What stands before every table's name: tests share one store."""

    @cached_property
    def shape(self) -> Shape:
        """The migration's records, compiled."""
        return compile_shape(self.migration, prefix=self.prefix)

    @cached_property
    def source(self) -> TableDefinition:
        """The table to move, as it is. Raises NoSource."""
        name = self.prefix + self.migration.source.table
        found = describe(self.client, name)
        if found is None:
            raise NoSource(f"There is no table {name} in store {self.migration.source.store}: mend `from.table`.")
        return found

    @cached_property
    def targets(self) -> tuple[TableDefinition, ...]:
        """The tables that the records lie in, as they shall be. TTL that is off stays off until the migration is over."""
        designs = {self.prefix + design.name: design for design in self.migration.target.tables.values()}
        return tuple(_with_expiry_as_it_is(self.client, name, designs[name]) for name in self.shape.tables)

    @cached_property
    def whole_table(self) -> TableDefinition | None:
        """The table of the records that hold everything; None when none does, and then there is no way back."""
        rule = self.shape.whole
        return next((table for table in self.targets if rule and table.name == rule.table), None)

    def fingerprint(self) -> str:
        """What must stay as it is while the migration is under way: the mapping, and the keys of all tables."""
        m = self.migration
        keys = [(table.name, *self.key_names(table)) for table in (self.source, *self.targets)]
        parts = (m.source, m.target, m.skip, *m.attributes.items(), m.transform, m.transform_back)
        return blake2b(repr((keys, parts)).encode(), digest_size=16).hexdigest()

    def verify_targets(self) -> Facts:
        """Count tables that are missing and indexes that are not there. Read-only."""
        found = {table.name: describe(self.client, table.name) for table in self.targets}
        plans = plan_tables(self.targets, found)
        return {
            "tables": sum(one is not None for one in found.values()),
            "tables_unready": sum(plan.what != "unchanged" for plan in plans),
        }

    def key_names(self, table: TableDefinition) -> tuple[str, ...]:
        """The names of a table's key attributes."""
        return (table.partition, table.sort) if table.sort else (table.partition,)

    # ---- forth ----

    @property
    def forth(self) -> Translation:
        """Items of the source as records."""
        return Translation(
            lambda item: self._records(item, "when", "expired"), lambda item: self._records(item, "when")
        )

    def _records(self, item: Item, *unless: str) -> Sequence[Record]:
        if is_canary(item) or self._skipped(item) in unless:
            return ()
        return records_of(self.shape, as_applications_know(item, self.migration.name))

    def _skipped(self, item: Item) -> str | None:
        return skipped(self.shape, item, datetime.now(UTC).replace(tzinfo=None))

    def type_of(self, table: str, record: Item) -> str:
        """Which type of record stands at a key, by the name of its rule."""
        rule = self.shape.rule_of(table, record)
        return rule.name if rule else "(of no rule)"

    def source_of(self, table: str, record: Item) -> Leader | None:
        """Which source item a record of ours came from; None when it is another migration's or an application's."""
        return self._marked_with(record, self.source)

    def source_by_content(self, table: str, record: Item) -> Leader | None:
        """The same once applications have written the records: a whole one without our attributes says it by what it holds."""
        if FROM in record or not self.is_whole(table, record):
            return self.source_of(table, record)
        try:
            return next(((item.table, item.key) for item in self.back.possible(record)), None)
        except Unmappable:
            return None

    def _marked_with(self, item: Item, leading: TableDefinition) -> Leader | None:
        name, _, key = item.get(FROM, {}).get("S", "").partition("/")
        return (leading.name, key_from_text(key)) if name == self.migration.name else None

    # ---- back ----

    @property
    def back(self) -> Translation:
        """Records that hold everything as items of the source; the other records are made of these and stand for nothing."""
        return Translation(lambda record: self._items(record, "expired"), self._items)

    def _items(self, record: Item, *unless: str) -> Sequence[Record]:
        whole = self.whole_table
        if whole is None or is_canary(record) or not self.is_whole(whole.name, record):
            return ()
        item = item_of(self.shape, record)
        if self._skipped(item) in unless:
            return ()
        return (Record(self.source.name, self._source_key(item), item, True, "item"),)

    def _source_key(self, item: Item) -> Key:
        names = self.key_names(self.source)
        if lacking := [name for name in names if name not in item]:
            raise Unmappable("no_key", lacking[0], f"it is missing, and is the key of {self.source.name}")
        return key_of(item, *names)

    @property
    def lost(self) -> frozenset[str]:
        """Attributes of the source that have no way back."""
        return lost_attributes(self.migration)

    def is_whole(self, table: str, record: Item) -> bool:
        """Whether a record holds all of an entity of this migration: by its key, unless it came from another migration."""
        rule = self.shape.whole
        if rule is None or table != rule.table or not rule.is_mine(record):
            return False
        return FROM not in record or self.source_of(table, record) is not None

    def whole_of(self, table: str, item: Item) -> Leader | None:
        """Which record holds all of a source item; None where it was never to be moved. Raises Unmappable."""
        if is_canary(item) or (FROM not in item and self._skipped(item)):
            return None
        return self._whole_of(item)

    def leader_of(self, table: str, item: Item) -> Leader | None:
        """Which record an item of the source belongs to, also where it has expired since; None where it is nobody's of ours."""
        if self.whole_table and FROM in item:
            return self._marked_with(item, self.whole_table)
        try:
            return None if is_canary(item) or self._skipped(item) == "when" else self._whole_of(item)
        except Unmappable:
            return None

    def _whole_of(self, item: Item) -> Leader | None:
        whole = whole_of(records_of(self.shape, as_applications_know(item, self.migration.name)))
        return (whole.table, whole.key) if whole else None


def _with_expiry_as_it_is(client: Any, name: str, design: TableDesign) -> TableDefinition:
    """An earlier migration may have switched it on (`expiring.py`)."""
    found = describe(client, name) if design.ttl else None
    return replace(_definition(name, design), ttl=design.ttl if found and found.ttl == design.ttl else None)


def _definition(name: str, design: TableDesign) -> TableDefinition:
    indexes = tuple(Index(index, key.partition, key.sort) for index, key in design.indexes.items())
    return TableDefinition(name, design.key.partition, design.key.sort, {}, indexes, None, True, _capacity(design))


def _capacity(design: TableDesign) -> tuple[int, int] | None:
    if design.capacity == "on_demand":
        return None
    return (design.units.least, design.units.most) if design.units else (5, 4000)
