"""What the documentation tells people to trigger can be triggered: its DAG takes each parameter, and each value."""

from __future__ import annotations

import json
from copy import copy
from pathlib import Path

import pytest

from tests.dags.conftest import ROOT
from tests.unit.test_docs import PAGES, commands

LIKE = ("user_sessions", "certify")
"""A migration and a store of this estate, which stand for those that only a page has: a form hangs on the kind of a DAG."""


def dag_of(name: str, bag):
    """Find the DAG, or the one of its family that stands for it."""
    family = name.partition("__")[0]
    return next((bag.dags[one] for one in (name, *(f"{family}__{other}" for other in LIKE)) if one in bag.dags), None)


def refused(told: list[str], bag) -> str:
    """Say what is wrong with a `./sluice run`, by the DAG itself; empty where it could be triggered."""
    if (dag := dag_of(told[1], bag)) is None:
        return f"no DAG {told[1]}"
    conf = json.loads(told[told.index("--conf") + 1]) if "--conf" in told else {}
    if unknown := set(conf) - set(dag.params):
        return f"{told[1]} takes no {', '.join(sorted(unknown))}"
    params = {name: dag.params.get_param(name) for name in dag.params}
    if lacking := [
        name
        for name, one in params.items()
        if one.schema["type"] == "string" and not one.has_value and name not in conf
    ]:
        return f"{told[1]} asks for {', '.join(lacking)}"
    try:
        for name, value in conf.items():
            copy(params[name]).resolve(value)  # it keeps what it was given
    except Exception as error:  # Airflow's own, of several sorts
        return f"{told[1]}: {str(error).splitlines()[0]}"
    return ""


def runs(page: Path) -> list[list[str]]:
    return [told for told in commands(page.read_text()) if told[0] == "run" and told[1:] and told[1] != "DAG_ID"]


@pytest.mark.parametrize("page", [page for page in PAGES if runs(page)], ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_s_runs_can_be_triggered(page: Path, bag) -> None:
    assert [wrong for told in runs(page) if (wrong := refused(told, bag))] == []


def test_there_are_runs_to_look_at() -> None:
    assert sum(len(runs(page)) for page in PAGES) > 40


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("restore_archive", '{"month": "2024-01", "dataset": "a", "dais": 3}'),
        ("restore_archive", '{"month": "January", "dataset": "a"}'),
        ("restore_archive", '{"month": "2024-01"}'),
        ("migrate__orders", '{"to_phase": "cutover"}'),
        ("tidy_up", "{}"),
    ],
)
def test_a_run_that_airflow_would_refuse_is_found(told: str, said: str, bag) -> None:
    assert refused(["run", told, "--conf", said], bag) != ""
