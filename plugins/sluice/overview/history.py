"""What the ledger has of a migration, or of a run: steps taken, verdicts, facts, and what people were asked and said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sluice.overview.migrations.compared import Verdict, verdict_of
from sluice.overview.migrations.names import link_of
from sluice.stores.postgres import Connection, rows, translated
from sluice.stores.statements import statement

MOST = 200
"""So many of each are shown of a migration, the youngest first."""
MOST_OF_A_RUN = 5000
"""So many of a run: it may judge every table of an estate, and the one that is red must be among them."""


@dataclass(frozen=True)
class Transition:
    """A step that was taken."""

    whose: str
    step: str
    from_phase: str
    to_phase: str
    epoch: int
    run: str
    at: datetime

    @property
    def link(self) -> str | None:
        """The path of its run; None where a hand was told in its place."""
        return link_of(self.whose, self.run)


@dataclass(frozen=True)
class Answer:
    """What somebody was asked, and what they said."""

    whose: str
    action: str
    run: str
    asked_at: datetime | None
    """None where only the answer was noted."""
    answer: str | None
    by_whom: str | None
    answered_at: datetime | None
    """These are None while nobody has answered."""


@dataclass(frozen=True)
class Facts:
    """What a step has measured."""

    whose: str
    gate: str
    epoch: int
    run: str
    at: datetime
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class History:
    """The ledger's rows of one thing. Raises StoreDown when it is read."""

    ledger: Connection
    may_read: Callable[[str], bool]
    whose: str | None = None
    run: str | None = None
    dag: str = ""
    """The DAG whose run that is: others may have one of the same name."""

    def transitions(self) -> tuple[Transition, ...]:
        """List the steps that were taken."""
        return tuple(Transition(**row) for row in self._rows("list_transitions"))

    def answers(self) -> tuple[Answer, ...]:
        """List questions and answers."""
        return tuple(Answer(**row) for row in self._rows("list_answers"))

    def verdicts(self) -> tuple[Verdict, ...]:
        """List verdicts, of DAGs that may be read."""
        found = map(verdict_of, self._rows("list_verdicts"))
        return tuple(one for one in found if self.may_read(one.dag))

    def facts(self) -> tuple[Facts, ...]:
        """List what was measured."""
        return tuple(Facts(**row) for row in self._rows("list_facts"))

    def _rows(self, verb: str) -> list[dict[str, Any]]:
        with translated(f"reading what happened to {self.whose or self.run}"):
            prefix = f"evidence/{self.dag}/{self.run}/" if self.dag else ""
            told = {"whose": self.whose, "run": self.run, "most": MOST_OF_A_RUN if self.run else MOST, "prefix": prefix}
            return rows(self.ledger, statement(f"remembered.{verb}"), **told)
