"""The window of a live table that a gate looks at: the last days up to now, no more than so many rows.

The session reads only, gives up after a while, and runs with row_security off
(`sluice.stores.postgres.PINNED`): a role that a policy would filter gets an error, where it would otherwise
see an empty table and call it clean.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from sluice.proof.gates.verdict import SAMPLE_ROWS, Check, fact_check
from sluice.stores.postgres import Connect, Connection, Table, one, rows
from sluice.stores.statements import as_text, statement


@dataclass(frozen=True)
class WindowSubject:
    """A live table: how to reach it, its column of time (None: it has none), its key. `timeout` is for one statement."""

    connect: Connect
    table: Table
    column: str | None
    key: tuple[str, ...]
    timeout: str = "60s"


@dataclass(frozen=True)
class Bounds:
    """What a suite's `meta.sluice` asks for. Rows of the future are sought only with `ahead_at_most_days`."""

    days: int
    rows_at_most: int
    rows_at_least: int = 1
    ahead_at_most_days: int | None = None

    @classmethod
    def of(cls, meta: Mapping[str, Any]) -> Bounds:
        """Read them; a word that is not known raises TypeError, so a slip of the pen is not a default."""
        return cls(**{name: value for name, value in meta.items() if name != "over"})


@dataclass(frozen=True)
class Window:
    """The query that gives the window, and how many rows it gave when counted."""

    query: str
    rows: int


def measure(subject: WindowSubject, bounds: Bounds, now: datetime) -> tuple[Window | None, list[Check]]:
    """Find and count the window, and look for rows ahead of it. None when no row is as old as `now`.

    A table that is not cut by time has no window: so many of its rows as a suite may look at.

    Raises psycopg.Error; StoreDown when the database cannot be reached.
    """
    with guarded(subject) as connection:
        if subject.column is None:
            return _some(connection, subject, bounds), []
        newest = one(connection, statement("gates.find_newest", **_names(subject)), now=now)["newest"]
        ahead = _ahead(connection, subject, bounds.ahead_at_most_days, now)
        if newest is None:
            return None, ahead
        query = _query(connection, subject, bounds, newest)
        count = one(connection, statement("gates.count_window", window=query))["rows"]
        return Window(as_text(query, connection), count), ahead


@contextmanager
def guarded(subject: WindowSubject) -> Iterator[Connection]:
    """Open a session that can only read, and close it."""
    with ExitStack() as stack:
        connection = subject.connect("gate")
        stack.callback(connection.close)
        connection.execute(statement("gates.guard_session"), {"timeout": subject.timeout})
        yield connection


@contextmanager
def engine_sessions(subject: WindowSubject) -> Iterator[Any]:
    """Give a creator of guarded sessions for SQLAlchemy, which then never sees an address or a password."""
    with ExitStack() as stack:

        def create() -> psycopg.Connection[Any]:
            connection: psycopg.Connection[Any] = stack.enter_context(guarded(subject))
            connection.row_factory = tuple_row
            return connection

        yield create


def _query(connection: Connection, subject: WindowSubject, bounds: Bounds, newest: object) -> sql.Composed:
    bound = {"newest": sql.Literal(newest), "days": sql.Literal(bounds.days)}
    window = statement("gates.window", **_names(subject), **bound)
    if one(connection, statement("gates.count_window", window=window))["rows"] <= bounds.rows_at_most:
        return window  # every check asks again: spare them a sort
    rows_at_most, column = sql.Literal(bounds.rows_at_most), sql.Identifier(str(subject.column))
    return statement("gates.newest_of_window", window=window, column=column, rows_at_most=rows_at_most)


def _some(connection: Connection, subject: WindowSubject, bounds: Bounds) -> Window:
    some = statement("gates.some_rows", table=subject.table.identifier, rows_at_most=sql.Literal(bounds.rows_at_most))
    count = one(connection, statement("gates.count_window", window=some))["rows"]
    return Window(as_text(some, connection), count)


def _ahead(connection: Connection, subject: WindowSubject, days: int | None, now: datetime) -> list[Check]:
    if days is None:
        return []
    count = one(connection, statement("gates.count_ahead", **_names(subject)), now=now, days=days)["rows"]
    columns = sql.SQL(", ").join(statement("gates.as_text", column=sql.Identifier(key)) for key in subject.key)
    query = statement("gates.sample_ahead", **_names(subject), columns=columns)
    sample = rows(connection, query, now=now, days=days, rows=SAMPLE_ROWS) if count else []
    name = f"{subject.column} is at most {days} days ahead"
    return [fact_check(name, count == 0, f"{count} rows ahead", "0 rows ahead", rows=sample)]


def _names(subject: WindowSubject) -> dict[str, sql.Composable]:
    return {"table": subject.table.identifier, "column": sql.Identifier(str(subject.column))}
