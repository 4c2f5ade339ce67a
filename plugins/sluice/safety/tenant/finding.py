"""Which tables have rows of a tenant, by which column, and in which order they are put back: parents first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from sluice.errors import Terminal
from sluice.stores.catalogue import Shape, find_table
from sluice.stores.postgres import Connection, Row, Table, rows
from sluice.stores.statements import statement


class NoTenant(Terminal):
    """No table tells tenants apart by that column."""


@dataclass(frozen=True)
class Owned:
    """A table that has rows of tenants, as it is now."""

    shape: Shape
    column: str
    """By which tenants are told apart."""

    @property
    def table(self) -> Table:
        """Its name."""
        return self.shape.table


@dataclass(frozen=True)
class Found:
    """The tables of a tenant, parents first, and what is left out, each with its reason."""

    owned: tuple[Owned, ...]
    left_out: tuple[str, ...]


def find_owned(c: Connection, column: str) -> Found:
    """Find the tables with that column, and those whose policies read the same setting of the session as theirs do.

    Raises NoTenant where no table has it.
    """
    listed = rows(c, statement("tenant.list_tables"), column=column)
    settings = {
        name for row in listed for one in row["policies"] if one["column"] == column for name in one["settings"]
    }
    chosen = {row["oid"]: by for row in listed if (by := _column(row, column, settings))}
    if not any(row["has"] for row in listed):
        raise NoTenant(
            f"No table of {c.info.dbname} has a column {column!r}: name the one that tells tenants apart. Nothing was done."
        )
    names = {row["oid"]: Table(row["schema"], row["name"]) for row in listed}
    references = [(row["child"], row["parent"]) for row in rows(c, statement("tenant.list_references"))]
    ordered, circular = _parents_first(chosen, references)
    shapes = {oid: find_table(c, names[oid]) for oid in ordered}
    owned = [Owned(shape, chosen[oid]) for oid, shape in shapes.items() if shape and shape.key]
    left = [
        f"{shape.table}: nothing tells its rows apart (no key)" for shape in shapes.values() if shape and not shape.key
    ]
    left += [
        f"{names[child]}: refers to {names[parent]}, and has no column of the tenant"
        for child, parent in references
        if parent in chosen and child not in chosen and child in names
    ]
    left += ["tables that refer to each other in a circle: look at their order"] if circular else []
    return Found(tuple(owned), tuple(sorted(set(left))))


def _column(row: Row, column: str, settings: set[str]) -> str | None:
    """Choose: the one that was named, or the only one that a policy holds against the tenant of the session."""
    if row["has"]:
        return column
    by_policy = {one["column"] for one in row["policies"] if settings & set(one["settings"])}
    return str(by_policy.pop()) if len(by_policy) == 1 else None


def _parents_first(chosen: Iterable[int], references: Sequence[tuple[int, int]]) -> tuple[list[int], bool]:
    wanted = dict.fromkeys(chosen)
    graph = {one: [parent for child, parent in references if child == one and parent in wanted] for one in wanted}
    try:
        return list(TopologicalSorter(graph).static_order()), False
    except CycleError:
        return list(wanted), True
