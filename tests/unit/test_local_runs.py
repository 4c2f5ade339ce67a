"""What a command says of a run: a task's own words, without Airflow's."""

from __future__ import annotations

from sluice.local.runs import own_words

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
