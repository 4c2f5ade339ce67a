"""A question waits for a person for as long as it takes, and an answer that woke nobody is not waited for in vain."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException, TaskAwaitingInput
from sluice.flow.approve import Approve
from sluice.flow.archiving import ApproveDrop
from sluice.flow.asking import FIRST_LOOK, LATER_LOOKS

from tests.samples import MIGRATIONS


@pytest.fixture
def question(bag) -> Approve:
    found = bag.dags[f"migrate__{MIGRATIONS[0]}"].get_task("cutover.approve_cutover")
    assert isinstance(found, Approve)
    return found


def test_silence_is_no_answer_and_the_question_stays(question: Approve) -> None:
    event: dict[str, Any] = {"error": "The response timeout has passed without a response.", "error_type": "timeout"}
    with pytest.raises(TaskAwaitingInput) as waits:
        question.execute_complete({"run_id": "manual", "dag_run": SimpleNamespace()}, event)
    assert (waits.value.method_name, waits.value.timeout) == ("execute_complete", LATER_LOOKS)


def test_it_is_looked_at_again_from_time_to_time(question: Approve) -> None:
    assert question.response_timeout == FIRST_LOOK
    assert question.defaults is None, "nothing is answered by silence"


def test_a_question_of_a_night_is_given_up_before_the_next_one(bag) -> None:
    asked = bag.dags["archive_retention"].get_task("each.approve_drop")
    question = ApproveDrop(task_id="approve_drop", dataset="things", month="app.things_2026m01")
    assert asked.operator_class is ApproveDrop
    event: dict[str, Any] = {"error": "The response timeout has passed without a response.", "error_type": "timeout"}
    for hours, ends in ((19, TaskAwaitingInput), (21, AirflowSkipException)):
        begun = SimpleNamespace(start_date=datetime.now(UTC) - timedelta(hours=hours))
        with pytest.raises(ends):
            question.execute_complete({"run_id": "scheduled", "dag_run": begun}, event)
