"""What it takes to take something away: green gates of this run, and a person's yes where the file asks for one.

Both count for what was shown, and for nothing else. A task may be cleared, or marked by hand, weeks later, when something else
stands under the same name: so what takes away asks the ledger, and not the graph.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from sluice.flow.asking import APPROVE, REJECT, Question
from sluice.flow.connections import opened_control
from sluice.flow.gate import proven

if TYPE_CHECKING:
    from airflow.sdk import Context

    from sluice.ledger.control import Control

ASKS_FOR = timedelta(hours=20)
"""A question of one night is over before the next one: what nobody answers holds no other month up."""
COUNTS_FOR = timedelta(days=1)
"""How old facts may be by which something is taken away: those of this night, and its question may stay open for hours."""
OVER = ("success", "failed", "skipped", "upstream_failed", "removed")
"""States of a task that asks no more."""
NO_HOLDS_FOR = timedelta(days=30)
"""For so long nobody else asks again what was answered with No, while nothing about it has changed."""


@dataclass(frozen=True)
class Removal:
    """Something that may be taken away: how the ledger, its gates, its file and a person call it."""

    whose: str
    action: str
    noun: str
    gates: tuple[str, ...]
    file: str
    nothing: str = "Nothing was taken away."
    no_holds_for: timedelta = NO_HOLDS_FOR
    """For so long nobody else asks again what was answered with No, while nothing about it has changed."""

    def check(self, shown: Shown, run: str) -> None:
        """Raise unless this run has proven just what is to go now, and a person has agreed to it, where the file asks for one.

        Raises NoFacts, AirflowFailException, and AirflowSkipException where nobody has agreed.
        """
        with opened_control(self.whose, run) as control:
            self.check_proven(shown, control)
            asked = control.asked(self.action)
            agreed = asked is not None and (asked["answer"], asked["about"]) == (APPROVE, shown.manifest)
        if shown.asks and not agreed:
            raise AirflowSkipException(
                f"{self.whose}: nobody has agreed to its {self.noun} in this run, as it is now. {self.nothing}"
            )

    def check_proven(self, shown: Shown, control: Control) -> None:
        """Raise NoFacts or AirflowFailException unless every gate of this run is green for what is to go."""
        for gate in self.gates:
            proven(control, gate, COUNTS_FOR, shown.manifest)

    def check_unasked(self, shown: Shown, control: Control, asks_still: Callable[[str], bool]) -> None:
        """Raise AirflowSkipException where another run asks the same already, or was told No not long ago."""
        other = control.asked_elsewhere(self.action, shown.manifest)
        if other is None:
            return
        if other["answer"] is None and asks_still(other["run"]):
            raise AirflowSkipException(
                f"{self.whose}: run {other['run']} asks about the same manifest already, since {other['at']:%Y-%m-%d %H:%M %Z}."
                " Answer it there."
            )
        if other["answer"] == REJECT and other["now"] < other["answered_at"] + self.no_holds_for:
            raise AirflowSkipException(
                f"{self.whose}: {other['by_whom']} said No to this very manifest in run {other['run']}, and that holds until"
                f" {other['answered_at'] + self.no_holds_for:%Y-%m-%d %H:%M %Z}. To be asked before, clear its tasks in that run."
            )


@dataclass(frozen=True)
class Shown:
    """What is to go, as it is now."""

    manifest: str
    """The key and the hash of what vouches for it in the vault: an answer, and a green gate, is about that."""
    asks: bool
    """Whether its file wants a person's yes."""
    subject: str
    body: str


class Consent(Question):
    """Ask a person before something is taken away, where its file says so. What that is, a kind of consent says."""

    def __init__(self, lasts: timedelta = ASKS_FOR, **kwargs: Any) -> None:
        super().__init__(subject="", lasts=lasts, **kwargs)

    @property
    def removal(self) -> Removal:
        """What may be taken away."""
        raise NotImplementedError

    def look(self) -> Shown:
        """Look at it as it is now. Raises AirflowSkipException where it does not go yet."""
        raise NotImplementedError

    def execute(self, context: Context) -> Any:
        """Write the question and wait, without a worker. Skipped where nobody is to be asked, or it is not time yet."""
        shown = self.look()
        if not shown.asks:
            raise AirflowSkipException(f"{self.removal.file} asks nobody (`approve`).")
        with opened_control(self.removal.whose, context["run_id"]) as control:
            self.removal.check_proven(shown, control)
            self.removal.check_unasked(shown, control, lambda run: self._asks_still(run, context))
            control.record_question(self.removal.action, shown.manifest)
        self.subject, self.body = shown.subject, shown.body
        return super().execute(context)

    def _asks_still(self, run: str, context: Context) -> bool:
        """Whether a question of this task is open in another run: that may have been ended by hand, or deleted."""
        ti = context["ti"]
        found = ti.get_task_states(dag_id=ti.dag_id, task_ids=[ti.task_id], run_ids=[run])
        return any(state not in OVER for states in found.values() for state in states.values())

    def answered(self, context: Context, answer: str, who: str) -> None:
        """Note it; fail on a no."""
        removal = self.removal
        with opened_control(removal.whose, context["run_id"]) as control:
            control.record_approval(removal.action, 1, answer=answer, by_whom=who)
        if answer != APPROVE:
            raise AirflowFailException(
                f"{who} rejected the {removal.noun} of {removal.whose}. Nothing was taken away. Unless it is stored anew,"
                f" nobody is asked again for {NO_HOLDS_FOR.days} days; for longer, hold it in {removal.file}."
            )
