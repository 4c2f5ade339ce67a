"""Who may do what: the exporter reads what was detached and notes it, the dropper calls two functions, and neither can do more.

The keeper owns the tables (or is a member of who does) and the ledger; the exporter has BYPASSRLS, which a superuser gives it.
"""

from __future__ import annotations

from psycopg import sql

from sluice.stores.postgres import Connection, one
from sluice.stores.statements import statement
from sluice.upkeep.archive.ledger import Month

LEDGER = sql.Identifier("sluice_archive")


def role_of(c: Connection) -> str:
    """Name the role of a session."""
    return str(one(c, statement("archive.find_session"))["role"])


def let_export(keeper: Connection, role: str) -> None:
    """Let a role note in the ledger what it has stored and read back."""
    named = sql.Identifier(role)
    keeper.execute(statement("archive.let_use_schema", schema=LEDGER, role=named))
    keeper.execute(statement("archive.let_note", role=named))
    keeper.execute(statement("archive.let_count", role=named))


def let_drop(keeper: Connection, role: str) -> None:
    """Let a role call the functions that drop what has cooled, and copies whose time is over."""
    keeper.execute(statement("archive.let_use_schema", schema=LEDGER, role=sql.Identifier(role)))
    keeper.execute(statement("archive.let_drop", role=sql.Identifier(role)))


def let_read(keeper: Connection, month: Month, role: str) -> None:
    """Let a role read one month that was detached."""
    named = sql.Identifier(role)
    keeper.execute(statement("archive.let_use_schema", schema=sql.Identifier(month.partition.schema), role=named))
    keeper.execute(statement("archive.let_read", partition=month.partition.identifier, role=named))
