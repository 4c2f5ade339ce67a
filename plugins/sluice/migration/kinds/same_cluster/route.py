"""From which table into which: the names of everything that a migration makes, and the SQL fragments made of its columns."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from sluice.estate.models import Migration
from sluice.ledger.marks import Marks
from sluice.migration.engine.contract import Drifted, NotYet
from sluice.proof.diff.rows import Pair
from sluice.stores.catalogue import Shape, find_table, table_by_oid
from sluice.stores.postgres import Connection, Table, one
from sluice.stores.statements import statement

CAPTURE_TRIGGER = "!sluice_capture"
TRUNCATE_TRIGGER = "!sluice_capture_truncate"
"""They sort first in byte order: a user's AFTER trigger that fired earlier would leave the target stale."""
ATTIC = "sluice_attic"
"""The schema that keeps retired tables."""
NAME_BYTES = 63


@dataclass(frozen=True)
class Route:
    """A migration's two tables. `source` is the shape of whichever table has the application's columns now."""

    migration: Migration
    shape: Shape
    source: Table
    target: Table

    @property
    def partition_column(self) -> str:
        """The column whose months make the partitions."""
        return self.migration.target.partition.column

    @property
    def partition_schema(self) -> str:
        """Where partitions live: a schema that application roles have no USAGE of, so that only the parent is reached."""
        return self.migration.partition_schema

    @property
    def target_key(self) -> tuple[str, ...]:
        """The target's primary key: the source's, and the partition column, which PostgreSQL demands in it."""
        key = self.shape.key
        return key if self.partition_column in key else (*key, self.partition_column)

    @property
    def written(self) -> tuple[str, ...]:
        """The columns that an INSERT gives values to, in table order."""
        return tuple(c.name for c in self.shape.columns if c.written)

    @property
    def updated(self) -> tuple[str, ...]:
        """The columns that an UPDATE may set: an identity that is always generated may not be."""
        return tuple(c.name for c in self.shape.columns if c.written and c.identity != "a")

    @property
    def pair(self) -> Pair:
        """What the diff compares: every column, generated ones too."""
        types = {c.name: c.type for c in self.shape.columns}
        key = tuple((name, types[name]) for name in self.shape.key)
        return Pair(self.source, self.target, key, tuple(c.name for c in self.shape.columns))

    def function(self, direction: str) -> sql.Identifier:
        """The trigger function of a direction, `capture` or `reverse`."""
        return sql.Identifier("sluice", f"{direction}__{self.migration.name}")


def find_route(c: Connection, marks: Marks, migration: Migration) -> Route:
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
    row = one(c, statement("marks.read_under_fence"), name=marks.name)
    if not (row["same_source"] and row["same_target"]):
        raise Drifted(
            f"{route.source} or {route.target} was changed since expand. ./sluice abort {marks.name}, begin again."
        )


def old_name(source: Table) -> Table:
    """What the source is called after the cutover, cut so that it still fits PostgreSQL's 63 bytes."""
    kept = source.name.encode()[: NAME_BYTES - len("__old")].decode(errors="ignore")
    return Table(source.schema, f"{kept}__old")


def names(columns: tuple[str, ...], qualifier: str | None = None) -> sql.Composed:
    """`a, b` or `q.a, q.b`."""
    return sql.SQL(", ").join(_name(c, qualifier) for c in columns)


def equals(columns: tuple[str, ...], qualifier: str) -> sql.Composed:
    """`a = q.a AND b = q.b`."""
    return sql.SQL(" AND ").join(sql.SQL("{} = {}").format(sql.Identifier(c), _name(c, qualifier)) for c in columns)


def assignments(columns: tuple[str, ...], qualifier: str) -> sql.Composed:
    """`a = q.a, b = q.b`."""
    return sql.SQL(", ").join(sql.SQL("{} = {}").format(sql.Identifier(c), _name(c, qualifier)) for c in columns)


def _name(column: str, qualifier: str | None) -> sql.Composable:
    # NEW, OLD and EXCLUDED are keywords of the trigger's language: never quoted.
    if qualifier is None:
        return sql.Identifier(column)
    prefix = {"NEW": sql.SQL("NEW."), "OLD": sql.SQL("OLD."), "EXCLUDED": sql.SQL("EXCLUDED.")}.get(qualifier)
    return prefix + sql.Identifier(column) if prefix else sql.Identifier(qualifier, column)
