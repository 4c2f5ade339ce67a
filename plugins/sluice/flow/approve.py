"""A person's yes before anything that is hard to take back: counts, diff, lag, pause and evidence in the body.

A rejection fails loudly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from sluice.flow.asking import APPROVE, Question
from sluice.flow.connections import opened_control, opened_kind
from sluice.flow.question import describe
from sluice.flow.steps import check_time, skip_unless_on_the_way

if TYPE_CHECKING:
    from airflow.sdk import Context


class Approve(Question):
    """Ask a person before `step`; `gate` names the evidence that the answer rests on."""

    template_fields: Sequence[str] = ("subject", "body", "migration")

    def __init__(self, *, migration: str, step: str, gate: str, **kwargs: Any) -> None:
        super().__init__(subject=f"{step} of {migration}?", **kwargs)
        self.migration = migration
        self.step = step
        self.gate = gate

    def execute(self, context: Context) -> Any:
        """Write the question and wait, without a worker."""
        skip_unless_on_the_way(self.step, context)
        with opened_kind(self.migration) as (m, kind), opened_control(self.migration, context["run_id"]) as control:
            if self.step == "retire":
                check_time(self.step, m, kind, context)  # nobody is asked for what would be refused
            self.body = describe(m, kind, control, self.step, self.gate)
        return super().execute(context)

    def answered(self, context: Context, answer: str, who: str) -> None:
        """Note it; fail on a no, and on a yes from who asked where that is not allowed."""
        with opened_kind(self.migration) as (m, kind), opened_control(self.migration, context["run_id"]) as control:
            control.record_approval(self.step, kind.position().epoch, answer=answer, by_whom=who)
        if answer != APPROVE:
            raise AirflowFailException(
                f"{who} rejected {self.step} of {self.migration}. Nothing was changed; capture goes on."
            )
        requester = context["dag_run"].triggering_user_name
        if m.cutover.approver_is_not_requester and who == requester:
            raise AirflowFailException(
                f"{who} asked for {self.step} of {self.migration} and may not approve it too. Run it again."
            )
