"""From which table into which: the names of everything that a migration makes, and the SQL fragments made of its columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from psycopg import sql

from sluice.estate.models import Cut, SameClusterMigration
from sluice.estate.names import fitted
from sluice.ledger.marks import Marks
from sluice.migration.engine.contract import Drifted, NotYet
from sluice.migration.kinds.same_cluster.columns import Value, backward, forward, qualified, returning
from sluice.proof.diff.pair import Pair, Side
from sluice.stores.catalogue import Shape, find_table, table_by_oid
from sluice.stores.postgres import Connection, Row, Table
from sluice.stores.statements import raw

CAPTURE_TRIGGER = "!sluice_capture"
INSERT_TRIGGER = "!sluice_capture_insert"
TRUNCATE_TRIGGER = "!sluice_capture_truncate"
"""They sort first in byte order: a user's AFTER trigger that fired earlier would leave the target stale."""
ATTIC = "sluice_attic"
"""The schema that keeps retired tables."""


@dataclass(frozen=True)
class Route:
    """A migration's two tables: after the cutover `source` is the old one, whatever both are called. `shape` is the source's."""

    migration: SameClusterMigration
    shape: Shape
    source: Table
    target: Table

    @property
    def values(self) -> tuple[Value, ...]:
        """Every column of the target, and what it holds of the source."""
        return forward(self.shape, self.migration.target.columns)

    @property
    def back_values(self) -> tuple[Value, ...]:
        """Every column of the source that can be told, and what it holds of the target."""
        return backward(self.shape, self.migration.target.columns)

    @property
    def returning(self) -> tuple[Value, ...]:
        """The target's changed columns that must come back as they were."""
        return returning(self.shape, self.migration.target.columns)

    @property
    def reshapes(self) -> bool:
        """Whether any column changes: then a value may not fit, and rows can come into quarantine for it."""
        return bool(self.migration.target.columns)

    @property
    def cuts(self) -> tuple[Cut, ...]:
        """How the target is cut, outermost first; none for a plain table."""
        return self.migration.target.cuts

    @property
    def time_column(self) -> str | None:
        """The target's column whose ranges make the partitions, where there is one."""
        cut = self.migration.target.range_cut
        return cut.column if cut else None

    @property
    def time(self) -> Value:
        """What the partitions are cut by, for windows of it. Raises NotYet where time does not cut them."""
        if self.time_column is None:
            raise NotYet(
                f"{self.target} is not cut by time: it has no windows. Run the migration again to compare all of it."
            )
        return self.value(self.time_column)

    @property
    def partition_schema(self) -> str:
        """Where partitions live: a schema that application roles have no USAGE of, so that only the parent is reached."""
        return self.migration.partition_schema

    @property
    def target_key(self) -> tuple[str, ...]:
        """The target's primary key: the source's, and the partition columns, which PostgreSQL demands in it."""
        key = self.shape.key
        return (*key, *(column for column in dict.fromkeys(cut.column for cut in self.cuts) if column not in key))

    @property
    def written(self) -> tuple[Value, ...]:
        """The target's columns that an INSERT gives values to, in table order."""
        return tuple(value for value in self.values if value.written)

    @property
    def updated(self) -> tuple[Value, ...]:
        """The target's columns that an UPDATE may set: an identity that is always generated may not be."""
        return tuple(value for value in self.values if value.updated)

    def value(self, column: str) -> Value:
        """What a column of the target holds. Raises NotYet for a column that it will not have."""
        for value in self.values:
            if value.name == column:
                return value
        raise NotYet(f"{self.target} will have no column {column} (it has {', '.join(v.name for v in self.values)}).")

    def fits(self, row: str, lower: str | None, upper: str | None) -> sql.Composable:
        """Whether the target has a partition for a row: in range, and NULL in no partition column."""
        terms: list[sql.Composable] = []
        for cut in self.cuts:
            value = self.value(cut.column)
            if cut.range_of:
                bounds = [sql.Literal(bound) + sql.SQL("::") + raw(value.type) for bound in (lower, upper)]
                terms.append(sql.SQL("{v} >= {} AND {v} < {}").format(*bounds, v=value.of(row)))
            else:
                terms.append(sql.SQL("{} IS NOT NULL").format(value.of(row)))
        return sql.SQL(" AND ").join(terms) if terms else sql.SQL("true")

    def pair(self, *, reverse: bool = False) -> Pair:
        """What the diff compares: every column, generated ones too. In `reverse`, the old table follows the new one."""
        values = self.back_values if reverse else self.values
        plain, made = tuple(qualified(v.name, "t") for v in values), tuple(v.compared("t") for v in values)
        left, right = (plain, made) if reverse else (made, plain)
        types = {v.name: v.type for v in self.values}
        there = {c.name: c.type for c in self.shape.columns}
        return Pair(
            Side(self.source, tuple((name, there[name]) for name in self.shape.key), left),
            Side(self.target, tuple((name, types[name]) for name in self.shape.key), right),
            tuple(v.name for v in values),
        )

    def function(self, direction: str) -> sql.Identifier:
        """The trigger function of a direction, `capture` or `reverse`."""
        return sql.Identifier("sluice", f"{direction}__{self.migration.name}")


def find_route(c: Connection, marks: Marks, migration: SameClusterMigration) -> Route:
    """Both tables by OID where the marks know them, whatever they are called now. Raises NotYet or Drifted when one is gone."""
    row = marks.find(c)
    source, target = Table.parse(migration.source.table), Table.parse(migration.target.table)
    if row is None or row["source_oid"] is None:
        shape = find_table(c, source)
        if shape is None:
            raise NotYet(f"{source} is not there in store {migration.source.store}. Mend from.table.")
        return Route(migration, shape, source, target)
    shape, made = table_by_oid(c, row["source_oid"]), table_by_oid(c, row["target_oid"])
    if shape is None or made is None:
        gone = source if shape is None else target
        raise Drifted(f"{gone} was dropped while {migration.name} is {row['phase']}. ./sluice abort {migration.name}")
    return Route(migration, shape, shape.table, made.table)


def check_make(c: Connection, marks: Marks, route: Route) -> None:
    """Raise Drifted when a table is not what it was when the migration began."""
    judge_make(marks.under_fence(c), route)


def judge_make(row: Row, route: Route) -> None:
    """The same, of what was read under the fence."""
    if not (row["same_source"] and row["same_target"]):
        raise Drifted(
            f"{route.source} or {route.target} was changed since expand. ./sluice abort {route.migration.name}, begin again."
        )


def old_table(source: Table) -> Table:
    """What the source is called after the cutover."""
    return Table(source.schema, fitted(source.name, "__old"))


def names(columns: Iterable[str], row: str | None = None) -> sql.Composed:
    """`a, b` or `row.a, row.b`."""
    return sql.SQL(", ").join(qualified(column, row) for column in columns)


def values_of(values: Iterable[Value], row: str) -> sql.Composed:
    """The values of a row, in order."""
    return sql.SQL(", ").join(value.of(row) for value in values)


def equals(values: Iterable[Value], row: str) -> sql.Composed:
    """Each column equals its value of a row."""
    return sql.SQL(" AND ").join(value.equals(sql.Identifier(value.name), value.of(row)) for value in values)


def same(values: Iterable[Value], row: str) -> sql.Composed:
    """Each column equals the column of the same name of a row."""
    return sql.SQL(" AND ").join(
        value.equals(sql.Identifier(value.name), qualified(value.name, row)) for value in values
    )


def moves(values: Iterable[Value]) -> sql.Composed:
    """Whether OLD and NEW are rows of two keys."""
    pairs = (value.equals(value.of("OLD"), value.of("NEW")) for value in values)
    return sql.SQL(" OR ").join(sql.SQL("({}) IS NOT TRUE").format(pair) for pair in pairs)


def assignments(values: Iterable[Value], row: str) -> sql.Composed:
    """`a = row.a, b = row.b`."""
    pairs = [sql.SQL("{} = {}").format(sql.Identifier(value.name), value.of(row)) for value in values]
    return sql.SQL(", ").join(pairs)


def overwrites(values: Iterable[Value]) -> sql.Composed:
    """`a = EXCLUDED.a, b = EXCLUDED.b`: what an INSERT would have written."""
    named = [sql.Identifier(value.name) for value in values]
    return sql.SQL(", ").join(sql.SQL("{name} = EXCLUDED.{name}").format(name=name) for name in named)
