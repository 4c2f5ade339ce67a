"""How to talk to PostgreSQL: a connection with pinned settings, and a table's name.

Mechanism only. Who calls it brings the address; nothing here knows Airflow or the estate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self, TypeAlias, cast

import psycopg
from psycopg import errors, sql
from psycopg.abc import Params, Query
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from sluice.errors import Terminal, Transient
from sluice.estate.names import parse_table
from sluice.stores.statements import statement

Row: TypeAlias = dict[str, Any]
Connection: TypeAlias = psycopg.Connection[Row]
Answer: TypeAlias = psycopg.Cursor[Row]
Connect: TypeAlias = Callable[[str], Connection]
"""Opens a connection for a purpose (a word or two, shown in pg_stat_activity)."""

KEEPALIVES = {"keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "3"}
"""Seconds, seconds and probes until either side of a connection takes the other for lost. By itself that is two hours."""

# Text forms must not depend on whose session it is: hashes and bounds are made from them.
PINNED = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    # A backslash in a person's expression means the same here and in a trigger.
    "standard_conforming_strings": "on",
    # The fence is taken first and read then: an older snapshot would read what was before the lock.
    "default_transaction_isolation": "read committed",
    # A machine that is lost takes its locks along: the server would keep them until it misses an answer, which is hours.
    "idle_in_transaction_session_timeout": "60s",
    **{f"tcp_{name}": value for name, value in KEEPALIVES.items()},
    # A role that a policy would filter must raise, never see fewer rows.
    "row_security": "off",
}


REFUSALS = ("authentication failed", "does not exist", "permission denied for", "not permitted to log in")
"""How a server says, in what psycopg keeps of it, that it is there and will not have the role."""


class StoreDown(Transient):
    """The database could not be reached."""


class LockBusy(Transient):
    """Somebody else holds the lock, or a deadlock was broken at our cost."""


class StoreFull(Terminal):
    """The database has no room left for what was to be written."""


class Refused(Terminal):
    """The database refuses this role or this statement."""


@dataclass(frozen=True)
class Table:
    """A table's name, as the catalogue has it."""

    schema: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Table:
        """Read `schema.name`; either part may be double-quoted. Raises ValueError."""
        return cls(*parse_table(text))

    @property
    def identifier(self) -> sql.Identifier:
        """The quoted name for a statement."""
        return sql.Identifier(self.schema, self.name)

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


def connect(dsn: str, *, purpose: str, autocommit: bool = True, lock_timeout: str = "2s") -> Connection:
    """Open a connection with pinned settings.

    Raises StoreDown when the server cannot be reached, Refused when it turns the role away.
    """
    connection = unpinned(dsn, purpose)
    try:
        connection.execute(statement("connection.pin"), {"settings": Jsonb({**PINNED, "lock_timeout": lock_timeout})})
    except psycopg.OperationalError as error:
        raise _unreachable(dsn, error) from error
    connection.autocommit = autocommit
    return connection


def unpinned(dsn: str, purpose: str) -> Connection:
    """Open a connection in which nothing is set yet, each statement a transaction of its own.

    Raises as `connect` does.
    """
    # A role, a database or the environment may be set to an encoding that has no word for some of what is stored.
    settings: dict[str, Any] = {**KEEPALIVES, **conninfo_to_dict(dsn), "client_encoding": "utf8"}
    try:
        return psycopg.connect(
            make_conninfo(**settings),
            autocommit=True,
            row_factory=dict_row,
            cursor_factory=_Cursor,
            application_name=f"sluice:{purpose}",
            connect_timeout=10,
        )
    except psycopg.OperationalError as error:
        raise _unreachable(dsn, error) from error


def pin_until_commit(connection: Connection, **limits: str) -> None:
    """Pin the settings, and `limits` with them, for the transaction that is open: nobody who has the session next has them."""
    connection.execute(statement("connection.pin_until_commit"), {"settings": Jsonb({**PINNED, **limits})})


class _Cursor(psycopg.Cursor[Row]):
    """Reads every statement of ours for placeholders, even where no value is bound: one rule for `%` in all of them."""

    def execute(self, query: Query, params: Params | None = None, **how: Any) -> Self:
        """Run it."""
        bound = {} if params is None and isinstance(query, sql.Composed) else params
        return super().execute(cast(Any, query), bound, **how)


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn the driver's errors into ours, by class; `doing` names the table and the window."""
    try:
        yield
    except (errors.LockNotAvailable, errors.DeadlockDetected, errors.SerializationFailure) as error:
        raise LockBusy(f"{doing}: {_first_line(error)}. It is tried again by itself.") from error
    except errors.InsufficientPrivilege as error:
        raise Refused(f"{doing}: {_first_line(error)}. Grant it to the role of this connection.") from error
    except errors.DiskFull as error:
        raise StoreFull(
            f"{doing}: {_first_line(error)}. Nothing is half done. Make room there, then run it again."
        ) from error
    except (errors.AdminShutdown, errors.CrashShutdown, errors.CannotConnectNow) as error:
        raise StoreDown(f"{doing}: {_first_line(error)}. It is tried again by itself.") from error
    except psycopg.OperationalError as error:
        if error.sqlstate is not None and not error.sqlstate.startswith("08"):
            raise
        raise StoreDown(f"{doing}: {_first_line(error)}. It is tried again by itself.") from error


def one(connection: Connection, query: sql.Composed, **values: object) -> Row:
    """Run a statement that gives exactly one row."""
    row = connection.execute(query, values or None).fetchone()
    if row is None:
        raise LookupError(f"no row: {query.as_string(connection)[:200]}")
    return row


def rows(connection: Connection, query: sql.Composed, **values: object) -> list[Row]:
    """Run a statement and give all its rows."""
    return connection.execute(query, values or None).fetchall()


def _unreachable(dsn: str, error: psycopg.OperationalError) -> Transient | Terminal:
    info = psycopg.conninfo.conninfo_to_dict(dsn)
    where = f"{info.get('host', 'localhost')}:{info.get('port', 5432)}/{info.get('dbname', '')}"
    what = _first_line(error)
    if any(word in what for word in REFUSALS):
        return Refused(f"PostgreSQL at {where} refuses {info.get('user')!r}: {what}. Mend the connection.")
    return StoreDown(
        f"PostgreSQL at {where} cannot be reached: {what}. Is it up? If it is the one of `./sluice up`: `./sluice status`."
    )


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
