"""What PostgreSQL's catalogue says of one table, as plain values. Read only."""

from __future__ import annotations

from dataclasses import dataclass

from sluice.stores.postgres import Connection, Row, Table, rows
from sluice.stores.statements import statement


@dataclass(frozen=True)
class Column:
    """One column, in table order."""

    name: str
    type: str
    not_null: bool
    identity: str
    generated: str
    default: str | None
    operators: str | None = None
    """The schema of the type's `=`, where it is not pg_catalog: an extension's."""

    @property
    def written(self) -> bool:
        """Whether an INSERT gives it a value (a generated column makes its own)."""
        return not self.generated


@dataclass(frozen=True)
class Shape:
    """A table as it stands: everything that a migration must carry over or refuse."""

    table: Table
    facts: Row
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    """What tells rows apart: the primary key, or else a unique index over columns that are never NULL."""
    key_index: str | None
    key_primary: bool
    key_deferrable: bool
    indexes: tuple[Row, ...]
    policies: tuple[Row, ...]
    grants: tuple[Row, ...]
    checks: tuple[Row, ...]

    @property
    def oid(self) -> int:
        """The table's OID: what a rename does not change."""
        return int(self.facts["oid"])

    @property
    def filenode(self) -> int:
        """Changes when the table is rewritten, and page ranges lose their meaning."""
        return int(self.facts["filenode"])

    @property
    def rows_said(self) -> str:
        """How many rows it has, as far as anybody counted them."""
        if self.facts["never_counted"]:
            return "an unknown number of rows (ANALYZE counts them)"
        return f"about {self.facts['rows_estimated']:,} rows"

    def column(self, name: str) -> Column | None:
        """Find a column by name."""
        return next((c for c in self.columns if c.name == name), None)


def find_table(connection: Connection, table: Table) -> Shape | None:
    """Describe a table by name, or None when there is none."""
    query = statement("catalogue.find_table")
    found = rows(connection, query, schema=table.schema, name=table.name, oid=None)
    return _describe(connection, found[0]) if found else None


def table_by_oid(connection: Connection, oid: int) -> Shape | None:
    """Describe a table by OID, whatever it is called now."""
    found = rows(connection, statement("catalogue.find_table"), schema=None, name=None, oid=oid)
    return _describe(connection, found[0]) if found else None


def partitions(connection: Connection, oid: int) -> list[Row]:
    """List the direct partitions of a table, by name."""
    return rows(connection, statement("catalogue.list_partitions"), oid=oid)


def _describe(connection: Connection, facts: Row) -> Shape:
    def listed(what: str) -> tuple[Row, ...]:
        return tuple(rows(connection, statement(f"catalogue.{what}"), oid=facts["oid"]))

    key = listed("find_key")
    return Shape(
        table=Table(facts["schema"], facts["name"]),
        facts=facts,
        columns=tuple(_column(row) for row in listed("list_columns")),
        key=tuple(key[0]["columns"]) if key else (),
        key_index=key[0]["name"] if key else None,
        key_primary=bool(key and key[0]["primary"]),
        key_deferrable=bool(key and key[0]["deferrable"]),
        indexes=listed("list_indexes"),
        policies=listed("list_policies"),
        grants=listed("list_grants"),
        checks=listed("list_checks"),
    )


def _column(row: Row) -> Column:
    return Column(
        row["name"], row["type"], row["not_null"], row["identity"], row["generated"], row["default"], row["operators"]
    )
