"""The rows of one tenant in a copy, held against what they are now: by key and by a hash of each row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import psycopg
from psycopg import sql

from sluice.errors import Terminal
from sluice.safety.tenant.finding import Owned
from sluice.stores.catalogue import Shape, find_table
from sluice.stores.postgres import Connection, translated
from sluice.stores.statements import statement

Key: TypeAlias = tuple[str, ...]
Values: TypeAlias = tuple[str | None, ...]


class NotComparable(Terminal):
    """A table cannot be held against its copy."""


@dataclass(frozen=True)
class Difference:
    """What has become of the rows of a tenant in one table, by key; values are PostgreSQL's text."""

    owned: Owned
    columns: tuple[str, ...]
    """Those that both have and that an INSERT gives, in order."""
    missing: Mapping[Key, Values]
    """As they were."""
    changed: Mapping[Key, tuple[Values, Values, int]]
    """As they were, as they are, and the hash of the latter."""
    added: Mapping[Key, Values]
    same: int
    left_out: tuple[str, ...] = ()
    """Columns that only one side has."""

    @property
    def none(self) -> bool:
        """Whether all is as it was."""
        return not (self.missing or self.changed or self.added)


def compare_rows(owned: Owned, tenant: str, copy: Connection, live: Connection) -> Difference:
    """Compare one table. Each side is read within the caller's transaction. Raises NotComparable.

    The keys of both sides are held in memory, and the values of what differs.
    """
    there = find_table(copy, owned.table)
    if there is None:
        return Difference(owned, (), {}, {}, {}, 0, (f"{owned.table}: there was no such table then",))
    columns, left_out = _columns(owned.shape, there)
    with translated(f"reading the tenant's rows of {owned.table}"):
        try:
            was, now = (_hashes(c, owned, columns, tenant) for c in (copy, live))
            missing, added = was.keys() - now.keys(), now.keys() - was.keys()
            changed = {key for key in was.keys() & now.keys() if was[key] != now[key]}
            before = dict(_values(copy, owned, columns, tenant, missing | changed))
            today = dict(_values(live, owned, columns, tenant, changed | added))
        except psycopg.DataError as error:
            raise NotComparable(
                f"{owned.table}.{owned.column} cannot be that tenant ({type(error).__name__}): write it as the column does."
            ) from error
    return Difference(
        owned,
        columns,
        {key: before[key] for key in sorted(missing)},
        {key: (before[key], today[key], now[key]) for key in sorted(changed)},
        {key: today[key] for key in sorted(added)},
        len(was) - len(missing) - len(changed),
        left_out,
    )


def _columns(now: Shape, then: Shape) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give the columns that both have, without those that make their own values, and what only one has."""
    before = {column.name for column in then.columns if column.written}
    today = [column.name for column in now.columns if column.written]
    if missing := [name for name in now.key if name not in before]:
        raise NotComparable(
            f"{now.table} has the column {missing[0]} in its key, which it had not then: compare it by hand."
        )
    apart = sorted(before ^ set(today))
    return tuple(name for name in today if name in before), tuple(
        f"{now.table}.{name}: only one side has it" for name in apart
    )


def _hashes(c: Connection, owned: Owned, columns: Sequence[str], tenant: str) -> dict[Key, int]:
    query = statement("tenant.hash_rows", columns=listed(columns, "t"), **_named(owned))
    with c.cursor(name="tenant_hashes") as found:
        return {tuple(row["key"]): row["hash"] for row in found.execute(query, {"value": tenant})}


def _values(
    c: Connection, owned: Owned, columns: Sequence[str], tenant: str, keys: set[Key]
) -> Iterator[tuple[Key, Values]]:
    if not keys:
        return
    query = statement("tenant.read_rows", columns=_texts(columns), **_named(owned))
    with c.cursor(name="tenant_rows") as found:
        for row in found.execute(query, {"value": tenant}):
            if (key := tuple(row["key"])) in keys:
                yield key, tuple(row["values"])


def _named(owned: Owned) -> dict[str, sql.Composable]:
    key, tenant = _texts(owned.shape.key), sql.Identifier(owned.column)
    return {"key": key, "table": owned.table.identifier, "tenant": tenant}


def listed(columns: Sequence[str], of: str | None = None) -> sql.Composed:
    """Name columns, each of a table's alias."""
    return sql.SQL(", ").join(sql.Identifier(of, name) if of else sql.Identifier(name) for name in columns)


def _texts(columns: Sequence[str]) -> sql.Composed:
    cast = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier("t", name)) for name in columns)
    return sql.SQL("ARRAY[{}]").format(cast)
