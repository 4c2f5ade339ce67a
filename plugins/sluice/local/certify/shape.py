"""What the application of `certify` knows of its two tables: names, columns, tenants. Values travel as text.

Text, because the oracle compares to the last digit: 1.0 is not 1.00, and a float forgets which it was.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

SESSIONS = "user_sessions"
AUDIT = "audit_log"
COLUMNS = {
    SESSIONS: ("tenant_id", "user_id", "started_at", "ended_at", "device", "ip", "score", "note"),
    AUDIT: ("tenant_id", "entity_id", "entity_type", "action", "changes", "performed_by", "performed_at"),
}
MOMENT = {SESSIONS: "started_at", AUDIT: "performed_at"}
"""The column that each table is ordered, and later partitioned, by."""

TENANTS = 100

Image: TypeAlias = dict[str, str | None]
"""One row, `id` and COLUMNS, each as PostgreSQL would read it."""


class Key(NamedTuple):
    """A row's name: its table (without schema) and its id as text."""

    table: str
    id: str


class Effect(NamedTuple):
    """What one transaction does to one key; None stands for no row."""

    key: Key
    before: Image | None
    after: Image | None


def tenant(rank: int) -> str:
    """Name the tenant of this rank; rank 1 is the largest. The seed's SQL spells it the same way."""
    return f"tenant-{rank:03d}"
