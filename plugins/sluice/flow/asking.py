"""A question that waits for a person, for as long as it takes: no default answer, and none by silence.

Whoever answers in the moment between the question being seen and its task being at rest wakes nobody: so it looks by itself from
time to time whether it was answered.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk.exceptions import TaskAwaitingInput

if TYPE_CHECKING:
    from airflow.sdk import Context

FIRST_LOOK, LATER_LOOKS = timedelta(minutes=2), timedelta(hours=1)
"""After so long Airflow hands an answer over that it has already, or says that there is none yet. What woke nobody came in the
first moment; later looks are rare, because who answers while one goes on, for half a second, is asked again."""
APPROVE, REJECT = "Approve", "Reject"
"""The answers to the question before a step that is hard to take back."""


class Question(HITLOperator):
    """Ask a person; the body is written when it is asked."""

    ui_color = "#f6dfe3"

    def __init__(self, *, subject: str, **kwargs: Any) -> None:
        super().__init__(
            subject=subject,
            options=[APPROVE, REJECT],
            body="",
            response_timeout=FIRST_LOOK,
            **{"trigger_rule": "none_failed", **kwargs},
        )

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Give `answered` who said what; without an answer, wait on."""
        if event.get("error_type") == "timeout":
            self.log.info("Nobody has answered yet.")
            raise TaskAwaitingInput(method_name="execute_complete", timeout=LATER_LOOKS)
        payload = super().execute_complete(context, event)
        who = (payload["responded_by_user"] or {}).get("name", "unknown")
        self.answered(context, payload["chosen_options"][0], who)
        return payload

    def answered(self, context: Context, answer: str, who: str) -> None:
        """Note an answer; raises AirflowFailException where it is no yes."""
        raise NotImplementedError
