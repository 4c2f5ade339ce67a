"""How things stood when they were last looked at: what a page shows of stores and of the vault, without asking them.

A copy with its time on it, and never the truth: whoever acts asks the store itself. A failed look leaves what was seen before.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from psycopg.types.json import Jsonb

from sluice.ledger.releases import bring_up_to_date
from sluice.stores.clock import find_now
from sluice.stores.postgres import Connection, Row, rows, translated
from sluice.stores.statements import statement

OTHER_FORM = "It was last seen by another version of Sluice: the next look shows it again."


class Kind(StrEnum):
    """What is looked at."""

    CERTIFICATES = "certificates"
    """Of a store: what the vault holds of its drills."""
    SAFETY = "safety"
    """Of a store: its window and its backups."""
    DRILLS = "drills"
    """Of a store: a year of them."""
    MONTHS = "months"
    """Of a table that is kept."""
    ITEM_MONTHS = "item_months"
    """Of records of DynamoDB."""
    CAPACITY = "capacity"
    """The last report: there is one."""
    MIGRATION = "migration"
    LOOKED = "looked"
    """That a DAG has looked at all: nothing is kept of it but when."""


FORMS: Mapping[Kind, int] = dict.fromkeys(Kind, 1)
"""The version of what is kept of each: it rises when that changes, and what is there of another counts as not seen yet."""


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

    def record(self, kind: Kind, subject: str, at: datetime, found: Mapping[str, Any]) -> None:
        """Keep what a look has found, in the place of the one before."""
        self._do("record_found", kind=kind, subject=subject, at=at, found=Jsonb(dict(found)), form=FORMS[kind])

    def record_failure(self, kind: Kind, subject: str, at: datetime, failed: str) -> None:
        """Keep why a look found nothing; what the one before found stays."""
        self._do("record_failed", kind=kind, subject=subject, at=at, failed=failed)

    def note_looked(self, dag_id: str) -> None:
        """Keep that a DAG has looked: where it finds nothing, nothing else says that it did."""
        self.record(Kind.LOOKED, dag_id, self.now(), {})

    def forget_others(self, kind: Kind, subjects: Collection[str]) -> None:
        """Forget what is not there any more: all of a kind but `subjects`."""
        self._do("forget_others", kind=kind, subjects=list(subjects))

    def all_of(self, kind: Kind) -> dict[str, Seen]:
        """Give what was seen of a kind, by subject."""
        with translated(f"reading what was seen of {kind}"):
            found = rows(self.connection, statement("seen.list_seen"), kind=kind)
        return {row["subject"]: _seen(row, FORMS[kind]) for row in found}

    def one_of(self, kind: Kind, subject: str) -> Seen | None:
        """Give what was seen of one thing; None where nobody has looked yet."""
        with translated(f"reading what was seen of {kind} {subject}"):
            found = rows(self.connection, statement("seen.find_seen"), kind=kind, subject=subject)
        return _seen(found[0], FORMS[kind]) if found else None

    def _do(self, verb: str, **values: object) -> None:
        with translated(f"{verb.replace('_', ' ')} of {values['kind']} in the ledger"):
            self.connection.execute(statement(f"seen.{verb}"), values)


def _seen(row: Row, form: int) -> Seen:
    kept = {name: value for name, value in row.items() if name != "form"}
    if row["form"] not in (None, form):  # it may lack what is read of it today, or have what nobody knows
        kept |= {"at": None, "found": None, "failed": row["failed"] or OTHER_FORM}
    return Seen(**{**kept, "found": kept["found"] or {}, "failed": kept["failed"] or ""})
