"""What a job of upkeep (partitions, retention) asks before it touches a table: is it part of a migration under way?

Asked and held in one: while the job works, no migration of that table takes a step, and none begins that has marks here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from sluice.errors import Terminal
from sluice.stores.postgres import Connection, Row, Table, one, rows, translated
from sluice.stores.statements import statement

AT_REST = ("planned", "retired")
"""Phases in which a table is its owner's alone."""
GROWS_IN = (*AT_REST, "cut_over")
"""And where partitions may be added: applications write to the new table by then, and its months must not run out."""


class InFlight(Terminal):
    """The table is part of a migration that is under way: this job has to leave it alone."""


@contextmanager
def held_apart(c: Connection, table: Table, allowed: Collection[str] = AT_REST) -> Iterator[None]:
    """Share the fence of every migration that this table, a parent or a partition of it belongs to, within the block.

    A lock of the session, not of a transaction: DETACH … CONCURRENTLY wants none around it. `allowed` are the phases in which
    the job may work: GROWS_IN for one that only adds. Raises InFlight, LockBusy where a step is being taken just now.
    """
    doing = f"looking whether {table} is being migrated"
    with translated(doing):
        names = [row["name"] for row in _migrations_of(c, table)]
    held: list[str] = []
    try:
        with translated(doing):
            for name in names:
                c.execute(statement("marks.hold_fence"), {"name": name})
                held.append(name)
            # Looked at again: now nobody can move them.
            found = _migrations_of(c, table)
        for row in found:
            if row["phase"] not in allowed:
                raise InFlight(_said(table, row))
        yield
    finally:
        # A session that is gone holds nothing, and what ended it is told already.
        for name in () if c.closed else held:
            c.execute(statement("marks.let_go_of_fence"), {"name": name})


def _migrations_of(c: Connection, table: Table) -> list[Row]:
    if not one(c, statement("marks.are_there"))["there"]:
        return []
    return rows(c, statement("marks.list_migrations_of"), schema=table.schema, table=table.name)


def _said(table: Table, row: Row) -> str:
    name, phase = row["name"], row["phase"]
    if phase == "cut_over":
        return (
            f"{table} is part of {name}, which is cut_over: {row['source_name']} follows until it is retired, and what is"
            f" dropped here would come back when it is cut back. Skip it, or retire {name} first:"
            f' ./sluice run migrate__{name} --conf \'{{"to_phase": "retired"}}\'.'
        )
    return (
        f"{table} is part of {name}, which is {phase}: a partition that goes or comes now would be missed by its copy."
        f" Skip it until {name} is retired, or take {name} back: ./sluice abort {name}."
    )
