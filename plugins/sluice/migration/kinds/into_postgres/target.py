"""The target's statements: one for each thing that is done with a page of rows, made once from names and types."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from psycopg import sql

from sluice.migration.kinds.into_postgres.shape import RowShape
from sluice.migration.kinds.into_postgres.values import base_type
from sluice.migration.kinds.into_postgres.wishes import Wish
from sluice.stores.postgres import Table
from sluice.stores.statements import raw, statement


@dataclass(frozen=True)
class Target:
    """A table and its columns."""

    table: Table
    shape: RowShape

    @cached_property
    def write(self) -> sql.Composed:
        """Write a page of rows; what is newer wins."""
        return statement(
            "into_postgres.write_rows",
            target=self.table.identifier,
            columns=_names(self.shape.names),
            values=_list(self._cast(name, base_type(self.shape.type_of(name))) for name in self.shape.names),
            stage=self._stage,
            key=_names(self.shape.key),
            assignments=_list(
                sql.SQL("{} = excluded.{}").format(sql.Identifier(name), sql.Identifier(name))
                for name in self.shape.names
            ),
        )

    @cached_property
    def occupied(self) -> sql.Composed:
        """Find the wishes whose place another item's row has."""
        return statement("into_postgres.find_occupied", **self._joined)

    @cached_property
    def lapse(self) -> sql.Composed:
        """Say in the rows' tokens that their items are gone."""
        return statement("into_postgres.lapse_rows", **self._joined)

    @cached_property
    def compare(self) -> sql.Composed:
        """Find the wishes whose row is not there, or another."""
        differs = {
            name: statement("into_postgres.differs", column=sql.Identifier(name), type=raw(self.shape.type_of(name)))
            for name in self.shape.names
        }
        cases = [
            statement("into_postgres.difference", one=one, name=sql.Literal(name)) for name, one in differs.items()
        ]
        return statement(
            "into_postgres.compare_rows",
            differences=sql.SQL(", ").join(cases),
            differs=sql.SQL(" OR ").join(differs.values()),
            **self._joined,
        )

    @cached_property
    def find_tokens(self) -> sql.Composed:
        """Find the tokens of the rows of some wishes."""
        return statement("into_postgres.find_tokens", **self._joined)

    @cached_property
    def add_seen(self) -> sql.Composed:
        """Remember the keys of a page."""
        return statement("into_postgres.add_seen", stage=self._stage, key_values=self._key_values)

    @cached_property
    def create_seen(self) -> sql.Composed:
        """Make room for the keys of a scan."""
        return statement("into_postgres.create_seen", target=self.table.identifier, key=_names(self.shape.key, "t"))

    @cached_property
    def find_live(self) -> sql.Composed:
        """Of some places, find those where a row stands whose key was not seen."""
        return statement("into_postgres.find_live", same_as_seen=self._same_as_seen, **self._joined)

    @property
    def _same_as_seen(self) -> sql.Composed:
        same = [sql.SQL("s.{} = t.{}").format(sql.Identifier(name), sql.Identifier(name)) for name in self.shape.key]
        return sql.SQL(" AND ").join(same)

    def find_orphans(self, window: sql.Composed) -> sql.Composed:
        """Find rows whose key was not seen."""
        return statement(
            "into_postgres.find_orphans",
            target=self.table.identifier,
            key_texts=_list(sql.SQL("{}::text").format(sql.Identifier("t", name)) for name in self.shape.key),
            same_as_seen=self._same_as_seen,
            window=window,
        )

    def staged(self, wishes: Sequence[Wish]) -> Mapping[str, object]:
        """Give the values of a page: an array a column, and the marks."""
        rows = [wish.values or self._bare(wish) for wish in wishes]
        columns = {f"c{place}": [row[place] for row in rows] for place in range(len(self.shape.names))}
        return {
            **columns,
            "_from": [wish.origin for wish in wishes],
            "_token": [wish.token for wish in wishes],
            "_deleted": [wish.values is None for wish in wishes],
        }

    def _bare(self, wish: Wish) -> tuple[str | None, ...]:
        """A tombstone's row: its key, and the columns that are the same in every row."""
        at = dict(zip(self.shape.key, wish.place, strict=True))
        return tuple(at.get(name, self.shape.fixed.get(name)) for name in self.shape.names)

    @cached_property
    def _joined(self) -> dict[str, sql.Composable]:
        same = [
            sql.SQL("t.{} = ").format(sql.Identifier(name)) + self._cast(name, self.shape.type_of(name))
            for name in self.shape.key
        ]
        return {
            "target": self.table.identifier,
            "stage": self._stage,
            "same_key": sql.SQL(" AND ").join(same),
        }

    @cached_property
    def _stage(self) -> sql.Composed:
        arrays = _list(
            sql.SQL("{}::text[]").format(sql.Placeholder(f"c{place}")) for place in range(len(self.shape.names))
        )
        return statement("into_postgres.stage", arrays=arrays, names=_names(self.shape.names))

    @property
    def _key_values(self) -> sql.Composed:
        return _list(self._cast(name, base_type(self.shape.type_of(name))) for name in self.shape.key)

    def _cast(self, name: str, type_: str) -> sql.Composed:
        return sql.SQL("{}::{}").format(sql.Identifier("p", name), raw(type_))


def _names(names: Sequence[str], of: str | None = None) -> sql.Composed:
    return _list(sql.Identifier(of, name) if of else sql.Identifier(name) for name in names)


def _list(parts: Iterable[sql.Composable]) -> sql.Composed:
    return sql.SQL(", ").join(parts)
