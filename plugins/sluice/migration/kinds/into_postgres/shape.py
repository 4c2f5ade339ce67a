"""What an item becomes: one row, as texts by column. Pure; compiled once, then a call an item.

Missing, NULL and '' stay three states: '' is itself, both others are SQL's NULL, and NULL is told beside it in `extra`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple, TypeAlias
from uuid import UUID

from sluice.estate.into_postgres import Column, IntoPostgresMigration, Rows
from sluice.estate.templates import placeholders, renamed
from sluice.migration.kinds.into_postgres.values import column_text, json_object
from sluice.records import Unmappable
from sluice.records.conditions import Skips, compile_skip
from sluice.records.rendering import compile_value
from sluice.stores.dynamodb.values import Item, Key, key_from_text, key_text

Give: TypeAlias = Callable[[Item], str | None]


class RowImage(NamedTuple):
    """One row as texts: of its key, and of all columns in their order. `unknown` counts what went to `extra`."""

    key: tuple[str, ...]
    values: tuple[str | None, ...]
    unknown: int = 0


@dataclass(frozen=True)
class RowShape:
    """The columns of the target, names and types, and what an item gives for each."""

    names: tuple[str, ...]
    types: tuple[str, ...]
    key: tuple[str, ...]
    gives: tuple[Give, ...]
    skips: Skips | None
    extra: Callable[[Item], tuple[str | None, int]] | None
    check: Callable[[Item], None]
    fixed: Mapping[str, str]
    """Columns that are the same in every row: the tenant's."""

    @property
    def key_places(self) -> tuple[int, ...]:
        """Where the columns of the key stand among all columns."""
        return tuple(self.names.index(name) for name in self.key)

    def type_of(self, name: str) -> str:
        """Give a column's type."""
        return self.types[self.names.index(name)]

    def row_of(self, item: Item) -> RowImage:
        """Give the row of an item. Raises Unmappable, with the reason why it has none."""
        values = [give(item) for give in self.gives]
        unknown = 0
        self.check(item)
        if self.extra:
            told, unknown = self.extra(item)
            values.append(told)
        row = tuple(values)
        return RowImage(self.key_of(row), row, unknown)

    def key_of(self, values: tuple[str | None, ...]) -> tuple[str, ...]:
        """Give the texts of the key. Raises Unmappable where one is NULL."""
        key = []
        for place in self.key_places:
            text = values[place]
            if text is None:
                raise Unmappable("missing_key", self.names[place], "it is missing, and is part of the key")
            key.append(text)
        return tuple(key)

    def wanted(self, item: Item | None) -> RowImage | None:
        """Give the row that shall stand for an item; None for no item and for one that is skipped. Raises Unmappable."""
        if item is None or self._skipped(item):
            return None
        return self.row_of(item)

    def lapsed(self, item: Item) -> RowImage | None:
        """Give the row that may stand for an item because it was not expired before; None for any other item."""
        try:
            return self.row_of(item) if self._skipped(item) == "expired" else None
        except Unmappable:
            return None

    def time_of(self, item: Item | None, column: str) -> str | None:
        """Give the time of an item that may be no row, as the text of a column; None where it has none."""
        try:
            return self.gives[self.names.index(column)](item) if item is not None else None
        except Unmappable:
            return None

    def _skipped(self, item: Item) -> str | None:
        return self.skips(item, datetime.now(UTC).replace(tzinfo=None)) if self.skips else None


def compile_rows(migration: IntoPostgresMigration) -> RowShape:
    """Compile a migration's `into:`."""
    into = migration.target
    columns = [(name, column.type, _giving(name, column)) for name, column in into.columns.items()]
    if into.tenant:
        columns.append((into.tenant.column, tenant_type(into), _constant(into.tenant.value)))
    names = [name for name, _, _ in columns] + ([into.extra] if into.extra else [])
    types = [type_ for _, type_, _ in columns] + (["jsonb"] if into.extra else [])
    plain = {old for column in into.columns.values() if (old := renamed(column.value)) is not None}
    touched = {one.path[0] for column in into.columns.values() for one in placeholders(column.value)}
    return RowShape(
        tuple(names),
        tuple(types),
        into.key,
        tuple(give for _, _, give in columns),
        compile_skip(migration.skip) if migration.skip else None,
        _extra(plain) if into.extra else None,
        (lambda item: None) if into.extra else _refusing(plain, touched),
        {into.tenant.column: into.tenant.value} if into.tenant else {},
    )


def tenant_type(into: Rows) -> str:
    """Give the type of the tenant's column: uuid where its value is one."""
    try:
        UUID(into.tenant.value if into.tenant else "")
    except ValueError:
        return "text"
    return "uuid"


def origin_of(key: Key) -> str:
    """Name where a row came from: the item's key as text that PostgreSQL can hold."""
    return key_text(key).replace("\0", "%00")


def key_of_origin(origin: str) -> Key:
    """Give the item's key again."""
    return key_from_text(origin)


def _giving(name: str, column: Column) -> Give:
    value = compile_value(column.value, {})
    otherwise = compile_value(column.otherwise, {}) if column.otherwise is not None else None

    def give(item: Item) -> str | None:
        try:
            found = value(item)
        except Unmappable as why:
            if why.reason == "null":
                return None
            if why.reason != "missing":
                raise
            found = otherwise(item) if otherwise else {"NULL": True}
        return None if "NULL" in found else column_text(found, name, column.type)

    return give


def _constant(text: str) -> Give:
    return lambda item: text


def _extra(plain: set[str]) -> Callable[[Item], tuple[str | None, int]]:
    def extra(item: Item) -> tuple[str | None, int]:
        left = {name: value for name, value in item.items() if name not in plain or "NULL" in value}
        return (json_object(left), len(left)) if left else (None, 0)

    return extra


def _refusing(plain: set[str], touched: set[str]) -> Callable[[Item], None]:
    def check(item: Item) -> None:
        for name, value in item.items():
            if name not in touched:
                raise Unmappable("unknown", name, "no column takes it, and there is no `extra`")
            if "NULL" in value and name in plain:
                raise Unmappable("null", name, "it is NULL, which without `extra` would be the same as missing")

    return check
