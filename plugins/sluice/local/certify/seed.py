"""Fill the sample estate: sessions and audit entries of many tenants and months, as dirty as real tables are.

One transaction makes everything: a seeding that was cut short left nothing, and a complete one is recognised.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from psycopg import sql

from sluice.errors import Terminal
from sluice.local.certify.months import make_months
from sluice.local.certify.shape import TENANTS
from sluice.stores.postgres import Connection, Row, one
from sluice.stores.statements import statement

BATCH = 100_000
AUDIT_SHARE = 5  # one audit entry for so many sessions


class RolesMissing(Terminal):
    """The roles that own and use the tables are not there."""


@dataclass(frozen=True)
class Seeded:
    """What a seeding did. `rows` counts both tables, and is 0 when it had been done before."""

    made: bool
    rows: int
    seconds: float
    description: str

    def __str__(self) -> str:
        if not self.made:
            return f"already seeded, nothing done: {self.description}"
        return f"{self.description} Made in {self.seconds:.1f} s, {self.rows / self.seconds:,.0f} rows/s."


@dataclass(frozen=True)
class Plan:
    """What is to be made: sessions, and audit entries. Times lie in [since, until), which touches exactly `months` months."""

    rows: int
    entries: int
    months: int
    seed: int
    since: datetime
    until: datetime

    @property
    def description(self) -> str:
        """One sentence; it becomes the comment of schema app."""
        return (
            f"Sample estate certify: {self.rows} sessions, {self.entries} audit entries, "
            f"{self.since:%Y-%m-%d} until {self.until:%Y-%m-%d}, seed {self.seed}."
        )


def plan_seed(rows: int, entries: int, months: int, seed: int, until: date) -> Plan:
    """Plan `months` calendar months, the last being the month of the day before `until` (exclusive)."""
    end = datetime(until.year, until.month, until.day, tzinfo=UTC)
    last = end - timedelta(microseconds=1)
    first = last.year * 12 + last.month - months
    return Plan(rows, entries, months, seed, datetime(first // 12, first % 12 + 1, 1, tzinfo=UTC), end)


def seed(
    connection: Connection,
    rows: int = 1_000_000,
    months: int = 24,
    seed: int = 1,
    until: date | None = None,
    report: Callable[[str], None] = print,
    entries: int | None = None,
    by_month: bool = False,
) -> Seeded:
    """Make schema app with `rows` sessions and a fifth as many audit entries, or `entries`; nothing if it is there already.

    The connection is in autocommit, its role bypasses row security and is a member of certify_owner.
    With `by_month` the audit entries are partitioned already.
    Without `until` the rows end with yesterday (the database's clock). The same arguments give the same rows.
    Raises RolesMissing.
    """
    found = one(connection, statement("certify.estate_of"))
    if found["seeded"]:
        return _said(Seeded(False, 0, 0.0, found["described"] or "app.user_sessions exists"), report)
    if not found["roles"]:
        raise RolesMissing("schema app needs the roles certify_owner and certify_app; `./sluice up` makes them.")
    entries = rows // AUDIT_SHARE if entries is None else entries
    plan = plan_seed(rows, entries, months, seed, until or found["today"])
    began = time.monotonic()
    with connection.transaction():
        _make(connection, plan, by_month, report)
    connection.execute(statement("certify.tidy_tables"))
    return _said(Seeded(True, rows + entries, time.monotonic() - began, plan.description), report)


def _make(connection: Connection, plan: Plan, by_month: bool, report: Callable[[str], None]) -> None:
    connection.execute(statement("certify.create_schema"))
    key = [sql.Identifier(name) for name in ("id", *(["performed_at"] if by_month else []))]
    cut = statement("certify.by_month") if by_month else sql.SQL("")
    _as_owner(connection, statement("certify.create_tables", key=sql.SQL(", ").join(key), cut=cut))
    if by_month:
        make_months(connection, plan.since, plan.until)
    # Not as the owner: the policies are forced on it as well, and would ask for a tenant.
    _fill(connection, plan, "sessions", plan.rows, report)
    _fill(connection, plan, "audit_log", plan.entries, report)
    _as_owner(connection, statement("certify.finish_tables"))
    described = statement("certify.describe_estate", description=sql.Literal(plan.description))
    _as_owner(connection, described)


def _as_owner(connection: Connection, query: sql.Composed) -> None:
    connection.execute(statement("certify.act_as_owner"))
    connection.execute(query)
    connection.execute(statement("certify.act_as_self"))


def _fill(connection: Connection, plan: Plan, what: str, rows: int, report: Callable[[str], None]) -> None:
    began = time.monotonic()
    values: Row = {
        "rows": rows, "months": plan.months, "seed": plan.seed, "tenants": TENANTS,
        "since": plan.since, "until": plan.until,
    }  # fmt: skip
    for first in range(1, rows + 1, BATCH):
        last = min(first + BATCH - 1, rows)
        connection.execute(statement(f"certify.fill_{what}"), {**values, "first": first, "last": last})
        report(f"{what}: {last:,} of {rows:,} rows, {last / (time.monotonic() - began):,.0f} rows/s")


def _said(seeded: Seeded, report: Callable[[str], None]) -> Seeded:
    report(str(seeded))
    return seeded
