"""Control: what happened, what was measured, what was judged and who agreed. In the ledger's own database.

Truth about phases is in the marks; control follows them (`reconcile`) at the start of every run.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from sluice.errors import Terminal
from sluice.ledger.releases import bring_up_to_date
from sluice.stores.postgres import Connection, Row, rows, translated
from sluice.stores.statements import statement


class NoFacts(Terminal):
    """A gate has nothing to judge."""


@dataclass(frozen=True)
class Measured:
    """Facts, when they were true and what time it is now, both by the ledger's clock."""

    facts: dict[str, Any]
    at: datetime
    now: datetime
    epoch: int


def standing_since(c: Connection, phases: Collection[str]) -> dict[str, datetime]:
    """Give the migrations that stand in one of some phases, and since when they have without a break. Raises StoreDown."""
    with translated("asking the ledger where migrations stand"):
        bring_up_to_date(c, "control")
        found = rows(c, statement("control.list_standing_since"), phases=list(phases))
    return {row["migration"]: row["since"] for row in found}


@dataclass(frozen=True)
class Control:
    """The ledger of one migration within one run."""

    connection: Connection
    migration: str
    run: str

    def prepare(self) -> Control:
        """Make the schema `control` if it is missing or old."""
        with translated(f"making the ledger's schemas for {self.migration}"):
            bring_up_to_date(self.connection, "control")
        return self

    def reconcile(self, phase: str, epoch: int, step: str = "reconcile") -> None:
        """Follow the marks where they moved: by `step`, or without us (a crash after the commit, or a hand)."""
        known = self._last()
        if known != (phase, epoch):
            self.record_transition(step, known[0], phase, epoch)

    def phase(self) -> str:
        """Give the phase that was seen last; `planned` of a migration that nobody knows."""
        return self._last()[0]

    def record_transition(self, step: str, from_phase: str, to_phase: str, epoch: int) -> None:
        """Note a step taken."""
        self._do("record_transition", step=step, from_phase=from_phase, to_phase=to_phase, epoch=epoch)

    def record_facts(self, gate: str, facts: Mapping[str, Any], epoch: int) -> None:
        """Keep what a step measured, for the gate to judge."""
        self._do("record_facts", gate=gate, facts=Jsonb(dict(facts)), epoch=epoch)

    def facts(self, gate: str, *, any_run: bool = False) -> Measured:
        """Give the last facts for a gate, of this run unless `any_run`. Raises NoFacts."""
        found = self._find("find_facts", gate=gate, run=None if any_run else self.run)
        if found is None:
            raise NoFacts(
                f"{self.migration} has no facts for gate {gate} in this run: its step has not run. Clear that task."
            )
        return Measured(found["facts"], found["at"], found["now"], found["epoch"])

    def record_evidence(self, gate: str, epoch: int, *, passed: bool, compared: int, key: str, sha256: str) -> None:
        """Note where a verdict's evidence is kept."""
        self._do("record_evidence", gate=gate, epoch=epoch, passed=passed, compared=compared, key=key, sha256=sha256)

    def evidence(self, gate: str, *, any_run: bool = False) -> Row | None:
        """Give the last evidence of a gate, of this run unless `any_run`."""
        return self._find("find_evidence", gate=gate, run=None if any_run else self.run)

    def record_question(self, action: str, about: str) -> None:
        """Note that a person is asked, and about what: answers from now on are to this question."""
        self._do("record_question", action=action, about=about)

    def asked(self, action: str) -> Row | None:
        """Give what was asked last in this run: `about` what, and the last `answer` to it, None where there is none yet."""
        return self._find("find_question", action=action)

    def asked_elsewhere(self, action: str, about: str) -> Row | None:
        """Give when another run asked the same last, and who answered what."""
        return self._find("find_same_question", action=action, about=about)

    def record_approval(self, action: str, epoch: int, *, answer: str, by_whom: str) -> None:
        """Note who agreed, or did not: to the last question of this run, where it was noted."""
        self._do("record_approval", action=action, epoch=epoch, answer=answer, by_whom=by_whom)

    def approval(self, action: str, epoch: int) -> Row | None:
        """Give who answered last in this run and epoch, and what, or None."""
        return self._find("find_approval", action=action, epoch=epoch)

    def record_window(self, lower: datetime, upper: datetime, *, count: int, hash_sum: str, filled: int) -> None:
        """Note a backfilled window: its rows and their hash."""
        self._do("record_window", lower=lower, upper=upper, rows=count, hash=hash_sum, filled=filled)

    def _last(self) -> tuple[str, int]:
        found = self._find("find_phase")
        return (found["to_phase"], found["epoch"]) if found else ("planned", 1)

    def _do(self, verb: str, **values: object) -> None:
        with self._speaking(verb):
            self.connection.execute(statement(f"control.{verb}"), self._values(values))

    def _find(self, verb: str, **values: object) -> Row | None:
        with self._speaking(verb):
            found = rows(self.connection, statement(f"control.{verb}"), **self._values(values))
        return found[0] if found else None

    def _values(self, values: Mapping[str, object]) -> dict[str, object]:
        return {"migration": self.migration, "run": self.run, **values}

    def _speaking(self, verb: str) -> AbstractContextManager[None]:
        return translated(f"{verb.replace('_', ' ')} of {self.migration} in the ledger")
