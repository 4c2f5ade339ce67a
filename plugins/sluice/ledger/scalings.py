"""What was proposed to be scaled, and what was.

It is written before it is asked for, so that a rule rests even where the answer was lost. What was refused for sure has changed
nothing: it is noted as such, and no rule rests after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from sluice.ledger.releases import bring_up_to_date
from sluice.stores.clock import find_now
from sluice.stores.postgres import Connection, Row, rows, translated
from sluice.stores.statements import statement


@dataclass(frozen=True)
class Done:
    """A change that was asked for."""

    store: str
    rule: str
    way: str
    action: str
    subject: str
    before: str
    after: str
    why: str
    begun_at: datetime
    verified_at: datetime | None
    refused_at: datetime | None = None
    """When it was refused: nothing was changed."""


@dataclass(frozen=True)
class Scalings:
    """The scalings of an estate. Each verb may be called twice."""

    connection: Connection

    def prepare(self) -> Scalings:
        """Make the schema `insight` if it is missing or old. Raises ReleaseChanged, Outdated."""
        with translated("making the ledger's schema insight"):
            bring_up_to_date(self.connection, "insight")
        return self

    def now(self) -> datetime:
        """Ask the ledger's clock."""
        return find_now(self.connection)

    def begin(self, store: str, run: str, seal: str, step: int, told: Mapping[str, str]) -> bool:
        """Note a step of a plan before it is asked for; `told` has its rule, way, action, subject, before, after and why.

        Give whether this is the first time: what an earlier try has asked for may have been taken.
        """
        return bool(self._rows("begin_step", store=store, run=run, seal=seal, step=step, **told))

    def refuse(self, store: str, run: str, seal: str, step: int) -> None:
        """Note that a step was refused, and nothing was changed: its rule does not rest."""
        self._do("refuse_step", store=store, run=run, seal=seal, step=step)

    def verify(self, store: str, run: str, seal: str) -> None:
        """Note that the steps of a plan stand."""
        self._do("verify_steps", store=store, run=run, seal=seal)

    def last(self, store: str) -> dict[tuple[str, str], datetime]:
        """Say when each rule of a store has scaled last, by rule and way."""
        return {(row["rule"], row["way"]): row["at"] for row in self._rows("find_last", store=store)}

    def between(self, start: datetime, end: datetime) -> list[Done]:
        """List what was asked for from `start` to `end`, itself not included, oldest first."""
        return [Done(**row) for row in self._rows("list_steps", start=start, end=end)]

    def keep_plan(self, store: str, at: datetime, plan: Mapping[str, Any]) -> None:
        """Keep the last plan of a store, as plain data; an older one changes nothing."""
        self._do("keep_plan", store=store, at=at, plan=Jsonb(dict(plan)))

    def plans(self) -> dict[str, tuple[datetime, dict[str, Any]]]:
        """Give the last plan of each store, and when it was made."""
        return {row["store"]: (row["at"], row["plan"]) for row in self._rows("list_plans")}

    def _do(self, verb: str, **values: object) -> None:
        with translated(f"{verb.replace('_', ' ')} in the ledger"):
            self.connection.execute(statement(f"scaling.{verb}"), values)

    def _rows(self, verb: str, **values: object) -> list[Row]:
        with translated(f"{verb.replace('_', ' ')} in the ledger"):
            return rows(self.connection, statement(f"scaling.{verb}"), **values)
