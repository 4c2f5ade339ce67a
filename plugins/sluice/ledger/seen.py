"""How things stood when they were last looked at: what a page shows of stores and of the vault, without asking them.

A copy with its time on it, and never the truth: whoever acts asks the store itself. A failed look leaves what was seen before.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from sluice.ledger.releases import bring_up_to_date
from sluice.stores.clock import find_now
from sluice.stores.postgres import Connection, Row, one, rows, translated
from sluice.stores.statements import statement


@dataclass(frozen=True)
class Seen:
    """One thing, as it was last seen."""

    subject: str
    at: datetime | None
    """When it stood so; None where no look has found anything yet."""
    found: Mapping[str, Any]
    """What was found; empty where `at` is None."""
    tried_at: datetime
    failed: str
    """Why the last look found nothing; empty where it did."""


@dataclass(frozen=True)
class SeenThings:
    """What was seen, by kind. Each verb may be called twice; one that comes late changes nothing."""

    connection: Connection

    def prepare(self) -> SeenThings:
        """Make the schema `overview` if it is missing or old. Raises ReleaseChanged, Outdated, StoreDown."""
        with translated("making the ledger's schema overview"):
            bring_up_to_date(self.connection, "overview")
        return self

    def now(self) -> datetime:
        """Ask the ledger's clock."""
        return find_now(self.connection)

    def record(self, kind: str, subject: str, at: datetime, found: Mapping[str, Any]) -> None:
        """Keep what a look has found, in the place of the one before."""
        self._do("record_found", kind=kind, subject=subject, at=at, found=Jsonb(dict(found)))

    def record_failure(self, kind: str, subject: str, at: datetime, failed: str) -> None:
        """Keep why a look found nothing; what the one before found stays."""
        self._do("record_failed", kind=kind, subject=subject, at=at, failed=failed)

    def forget_others(self, kind: str, subjects: Collection[str]) -> None:
        """Forget what is not there any more: all of a kind but `subjects`."""
        self._do("forget_others", kind=kind, subjects=list(subjects))

    def all_of(self, kind: str) -> dict[str, Seen]:
        """Give what was seen of a kind, by subject."""
        with translated(f"reading what was seen of {kind}"):
            found = rows(self.connection, statement("seen.list_seen"), kind=kind)
        return {row["subject"]: _seen(row) for row in found}

    def one_of(self, kind: str, subject: str) -> Seen | None:
        """Give what was seen of one thing; None where nobody has looked yet."""
        with translated(f"reading what was seen of {kind} {subject}"):
            found = rows(self.connection, statement("seen.find_seen"), kind=kind, subject=subject)
        return _seen(found[0]) if found else None

    def last_try(self, kind: str) -> datetime | None:
        """Say when a kind was looked at last, whatever came of it; None where it never was."""
        with translated(f"asking when {kind} was looked at"):
            at: datetime | None = one(self.connection, statement("seen.find_last_try"), kind=kind)["at"]
        return at

    def _do(self, verb: str, **values: object) -> None:
        with translated(f"{verb.replace('_', ' ')} of {values['kind']} in the ledger"):
            self.connection.execute(statement(f"seen.{verb}"), values)


def _seen(row: Row) -> Seen:
    return Seen(**{**row, "found": row["found"] or {}, "failed": row["failed"] or ""})
