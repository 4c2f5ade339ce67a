"""Who measures and fails run after run tells people once, and nobody is told of a No."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from sluice.flow import alerting
from sluice.flow.insight.collecting import CollectSamples, NotMeasured


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    found = list[tuple[str, str]]()
    monkeypatch.setattr(alerting, "send_alert", lambda severity, subject, text, context: found.append((severity, text)))
    return found


def failed(why: BaseException, before: Any, logical_date: str | None = "2024-04-05") -> Any:
    def previous(**asked: int) -> Any:
        assert asked == {"map_index": 2}
        if isinstance(before, Exception):
            raise before
        return SimpleNamespace(state=before) if before else None

    ti = SimpleNamespace(dag_id="collect_samples", map_index=2, get_previous_ti=previous)
    run = SimpleNamespace(logical_date=logical_date)
    return {"task": CollectSamples(task_id="collect_samples"), "ti": ti, "exception": why, "dag_run": run}


@pytest.mark.parametrize("before", [None, "success", "skipped", RuntimeError("the API is away")])
def test_people_are_told_of_the_first_failure(told: list[tuple[str, str]], before: Any) -> None:
    alerting.tell_first_failure(failed(NotMeasured("shop: its password"), before))
    assert told == [("P2", "P2: collect_samples of collect_samples failed: NotMeasured: shop: its password")]


def test_nobody_is_told_again_of_what_fails_run_after_run(told: list[tuple[str, str]]) -> None:
    alerting.tell_first_failure(failed(NotMeasured("shop: its password"), "failed"))
    assert told == []
    alerting.tell_first_failure(failed(NotMeasured("shop: its password"), "failed", logical_date=None))
    assert len(told) == 1, "who asks for a run is told how it ended"


def test_a_no_and_what_people_were_told_of_already_are_no_failure_to_tell(told: list[tuple[str, str]]) -> None:
    alerting.tell_first_failure(failed(AirflowFailException("ann said No"), None))
    known = NotMeasured("told by itself")
    alerting.note_told(known)
    alerting.tell_first_failure(failed(known, None))
    assert told == []
