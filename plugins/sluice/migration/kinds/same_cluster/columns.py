"""What becomes of each column: carried over as it is, made by an expression, or left out; and the way back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from psycopg import sql

from sluice.estate.models import Change
from sluice.proof.diff.pair import HASHED
from sluice.stores.catalogue import Column, Shape
from sluice.stores.statements import raw

RECORDS = {"NEW": sql.SQL("NEW"), "OLD": sql.SQL("OLD")}
"""Keywords of the trigger's language: never quoted."""


@dataclass(frozen=True)
class Value:
    """A column, and what it holds: the other table's column of the same name, or an expression over that table's columns.

    `written` is false for a generated column, `updated` for an identity that is always generated as well.
    """

    name: str
    type: str
    expression: str | None = None
    written: bool = True
    updated: bool = True
    operators: str | None = None

    def equals(self, left: sql.Composable, right: sql.Composable) -> sql.Composed:
        """`left = right`, by the type's own operator: a trigger's path does not reach an extension's."""
        if self.operators is None:
            return sql.SQL("{} = {}").format(left, right)
        return sql.SQL("{} OPERATOR({}.=) {}").format(left, sql.Identifier(self.operators), right)

    def differs(self, left: sql.Composable, right: sql.Composable) -> sql.Composed:
        """Whether two values of the column's type are not the same: by value where the type is plain, else by their bytes."""
        if HASHED.fullmatch(self.type):
            return sql.SQL("({}) IS DISTINCT FROM ({})").format(left, right)
        return sql.SQL("record_send(ROW({})) IS DISTINCT FROM record_send(ROW({}))").format(left, right)

    def of(self, row: str) -> sql.Composable:
        """The value, of NEW or OLD in a trigger, or of a table's alias, the only one in its FROM."""
        if self.expression is None:
            return qualified(self.name, row)
        made = sql.SQL("({})").format(raw(self.expression))  # a person's own words, checked by preflight
        if row not in RECORDS:
            return made
        return sql.SQL("(SELECT {} FROM (SELECT {}.*) AS row)").format(made, RECORDS[row])

    def compared(self, row: str) -> sql.Composable:
        """The value, of the column's own type: what the comparison hashes."""
        return (
            self.of(row) if self.expression is None else sql.SQL("CAST({} AS {})").format(self.of(row), raw(self.type))
        )


def forward(shape: Shape, changes: Mapping[str, Change]) -> tuple[Value, ...]:
    """Every column of the target, in its order: the source's that stay, then the new ones."""
    kept = [_kept(shape, name, changes.get(name)) for name in _names(shape) if not _drops(changes.get(name))]
    new = [
        Value(name, change.type or "", change.value)
        for name, change in changes.items()
        if not change.drop and shape.column(name) is None
    ]
    return (*kept, *new)


def backward(shape: Shape, changes: Mapping[str, Change]) -> tuple[Value, ...]:
    """Every column of the source that the target's columns tell: what the reverse capture writes."""
    found = []
    for column in shape.columns:
        change = changes.get(column.name)
        if change is None or change.back is not None:
            found.append(_value(column, change.back if change else None))
    return tuple(found)


def untold(shape: Shape, changes: Mapping[str, Change]) -> tuple[str, ...]:
    """The source's columns that the target cannot give back."""
    told = {value.name for value in backward(shape, changes)}
    return tuple(column.name for column in shape.columns if column.written and column.name not in told)


def returning(shape: Shape, changes: Mapping[str, Change]) -> tuple[Value, ...]:
    """The target's changed columns that some `back` reads, and that are made of nothing which is lost: they must come back."""
    read = " ".join(change.back for change in changes.values() if change.back)
    lost = untold(shape, changes)
    return tuple(
        value
        for value in forward(shape, changes)
        if value.expression is not None and names_it(read, value.name)
        if not any(names_it(value.expression, name) for name in lost)
    )


def names_it(expression: str, column: str) -> bool:
    """Whether an expression reads a column, by the look of it."""
    return re.search(rf"(?<!\w){re.escape(column)}(?!\w)", expression, re.IGNORECASE) is not None


def qualified(column: str, row: str | None) -> sql.Composable:
    """`column`, or `row.column`."""
    if row is None:
        return sql.Identifier(column)
    prefix = RECORDS.get(row)
    return sql.SQL("{}.{}").format(prefix, sql.Identifier(column)) if prefix else sql.Identifier(row, column)


def _kept(shape: Shape, name: str, change: Change | None) -> Value:
    column = shape.column(name)
    assert column is not None
    if change is not None:
        return Value(name, change.type or column.type, change.value, True, column.identity != "a")
    return _value(column, None)


def _value(column: Column, expression: str | None) -> Value:
    updated = column.written and column.identity != "a"
    return Value(column.name, column.type, expression, column.written, updated, column.operators)


def _names(shape: Shape) -> tuple[str, ...]:
    return tuple(column.name for column in shape.columns)


def _drops(change: Change | None) -> bool:
    return change is not None and change.drop
