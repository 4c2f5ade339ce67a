"""A question that waits for a person, for as long as it takes: no default answer, and none by silence.

Whoever answers in the moment between the question being seen and its task being at rest wakes nobody: so it looks by itself from
time to time whether it was answered.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk.exceptions import AirflowSkipException, TaskAwaitingInput

if TYPE_CHECKING:
    from airflow.sdk import Context

FIRST_LOOK, LATER_LOOKS = timedelta(minutes=2), timedelta(hours=1)
"""After so long Airflow hands an answer over that it has already, or says that there is none yet. What woke nobody came in the
first moment; later looks are rare, because who answers while one goes on, for half a second, is asked again."""
APPROVE, REJECT = "Approve", "Reject"
"""The answers to the question before a step that is hard to take back."""


class Question(HITLOperator):
    """Ask a person; the body is written when it is asked. `lasts`: how long after its run has begun it is given up."""

    ui_color = "#f6dfe3"

    def __init__(self, *, subject: str, lasts: timedelta | None = None, **kwargs: Any) -> None:
        super().__init__(
            subject=subject,
            options=[APPROVE, REJECT],
            body="",
            response_timeout=FIRST_LOOK,
            **{"trigger_rule": "none_failed", **kwargs},
        )
        self.lasts = lasts

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Tell `answered` who said what; without an answer wait on, as long as it lasts, and then skip."""
        if event.get("error_type") == "timeout":
            begun = context["dag_run"].start_date if self.lasts else None
            if begun and self.lasts and datetime.now(UTC) - begun > self.lasts:
                raise AirflowSkipException("Nobody has answered. Nothing was done; the next run asks again.")
            self.log.info("Nobody has answered yet.")
            raise TaskAwaitingInput(method_name="execute_complete", timeout=LATER_LOOKS)
        payload = super().execute_complete(context, event)
        who = (payload["responded_by_user"] or {}).get("name", "unknown")
        self.answered(context, payload["chosen_options"][0], who)
        return payload

    def answered(self, context: Context, answer: str, who: str) -> None:
        """Note an answer; raises AirflowFailException where it is no yes."""
        raise NotImplementedError
