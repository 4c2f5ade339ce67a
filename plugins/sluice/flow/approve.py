"""A person's yes before anything that is hard to take back: counts, diff, lag, pause and evidence in the body.

A rejection fails loudly. There is no default answer and no answer by silence. Whoever answers in the moment between the question
being seen and its task being at rest wakes nobody: so the question looks by itself from time to time whether it was answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk.exceptions import AirflowFailException, TaskAwaitingInput

from sluice.flow.connections import opened_control, opened_kind
from sluice.flow.question import describe
from sluice.flow.steps import APPROVE, REJECT, check_time, skip_unless_on_the_way

if TYPE_CHECKING:
    from airflow.sdk import Context

FIRST_LOOK, LATER_LOOKS = timedelta(minutes=2), timedelta(hours=1)
"""After so long Airflow hands an answer over that it has already, or says that there is none yet. What woke nobody came in the
first moment; later looks are rare, because who answers while one goes on, for half a second, is asked again."""


class Approve(HITLOperator):
    """Ask a person before `step`; `gate` names the evidence that the answer rests on."""

    template_fields: Sequence[str] = ("subject", "body", "migration")
    ui_color = "#f6dfe3"

    def __init__(self, *, migration: str, step: str, gate: str, **kwargs: Any) -> None:
        super().__init__(
            subject=f"{step} of {migration}?",
            options=[APPROVE, REJECT],
            body="",
            trigger_rule="none_failed",
            response_timeout=FIRST_LOOK,
            **kwargs,
        )
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

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Note the answer; fail on a no, and on a yes from who asked where that is not allowed. Without one, wait on."""
        if event.get("error_type") == "timeout":
            self.log.info("Nobody has answered yet.")
            raise TaskAwaitingInput(method_name="execute_complete", timeout=LATER_LOOKS)
        payload = super().execute_complete(context, event)
        who = (payload["responded_by_user"] or {}).get("name", "unknown")
        answer = payload["chosen_options"][0]
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
        return payload
