"""What a command says of a run: a task's own words, without Airflow's."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from sluice.local.airflow_api import WindowRun
from sluice.local.runs import own_words, window_left_out

BEFORE = [
    "t ::group::Pre Execute",
    "t GitWildMatchPattern is deprecated",
    "t Filling up the DagBag from dags",
    "t ::endgroup::",
]
AFTER = ["t ::group::Post Execute", "t Retry policy decision", "t ::endgroup::"]


def test_what_airflow_says_of_itself_is_left_out() -> None:
    log = [*BEFORE, "t Task failed with exception", "PreflightRefused: app.notes has no primary key", *AFTER]
    assert own_words("\n".join(log)) == "t Task failed with exception\nPreflightRefused: app.notes has no primary key"


def test_where_airflow_broke_off_its_words_are_kept() -> None:
    log = [*BEFORE[:3], "t Task failed with exception", "ImportError: no module named estate"]
    assert own_words("\n".join(log)).splitlines() == ["t GitWildMatchPattern is deprecated", *BEFORE[2:3], *log[3:]]


def test_what_a_group_says_that_another_one_breaks_off_is_kept() -> None:
    log = [*BEFORE[:3], "t Exception rendering a template", *AFTER]
    assert own_words("\n".join(log)).splitlines() == [*BEFORE[1:3], "t Exception rendering a template"]


@pytest.mark.parametrize(
    ("last", "said"), [(datetime(2026, 11, 1, tzinfo=UTC), "2026-11-01"), (datetime(2026, 10, 1, tzinfo=UTC), "")]
)
def test_the_running_month_is_said_to_be_left_out(last: datetime, said: str) -> None:
    months = [datetime(2026, month, 1, tzinfo=UTC) for month in (9, 10, 11)]
    runs = [WindowRun(f"backfill__{start:%m}", start, end, "success") for start, end in pairwise(months)]
    told = window_left_out(runs, last)
    assert said in told and bool(told) == bool(said)
