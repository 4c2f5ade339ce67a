"""What holds for every DAG: it says what to do when it is red, retries by type, and asks no more of a store than it bears."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from sluice.estate import migration_files, read_stores
from sluice.flow.policy import TERMINAL_FAILS, pool_of

from tests.dags.conftest import ROOT

KINDS = ("migrate", "backfill_window")
NAMES = [path.stem for path in migration_files(ROOT)]
EXPECTED = ["validate_data", *(f"{kind}__{name}" for kind in KINDS for name in NAMES)]
VERBS = {
    "abort", "approve", "archive", "back", "beat", "copy", "cut", "detect", "diff", "drill", "expand", "fill", "finish",
    "gate", "list", "load", "maintain", "mend", "plan", "prune", "rehearse", "restore", "retire", "roll", "show", "start",
    "take", "validate", "watch",
}  # fmt: skip


@pytest.fixture(params=EXPECTED)
def dag(bag, request):
    return bag.dags[request.param]


def test_every_file_is_read_without_a_mistake(bag) -> None:
    assert bag.import_errors == {}
    assert set(EXPECTED) <= set(bag.dags)
    assert not [name for name, dag in bag.dags.items() if "broken" in dag.tags]


def test_its_page_says_what_it_is_and_what_to_do_when_it_is_red(dag) -> None:
    told = ast.get_docstring(ast.parse(Path(dag.fileloc).read_text()))
    assert told
    name = dag.dag_id.partition("__")[2]
    assert dag.doc_md.split() == told.replace("NAME", name).split()
    assert re.search(r"Red\?", dag.doc_md)
    assert "NAME" not in dag.doc_md
    assert len(told.split("\n\n")[0]) > 30


def test_it_has_an_owner_tags_and_no_runs_in_the_past_by_itself(dag) -> None:
    assert dag.owner == "sluice"
    assert dag.tags
    assert dag.catchup is False
    assert 1 <= dag.max_active_runs <= 2


def test_what_may_pass_is_tried_again_and_what_needs_a_person_is_not(dag) -> None:
    for task in dag.tasks:
        assert task.retries >= 2, task.task_id
        assert task.retry_delay.total_seconds() >= 10, task.task_id
        assert task.retry_policy is TERMINAL_FAILS, task.task_id
    actions = {rule.exception: rule.action.name for rule in TERMINAL_FAILS.rules}
    assert actions == {"sluice.errors.Terminal": "FAIL", "sluice.errors.Transient": "RETRY"}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", KINDS)
def test_all_runs_together_ask_a_store_for_no_more_than_its_pool(bag, kind: str, name: str) -> None:
    stores = read_stores(ROOT).stores
    pools = {task.pool for task in bag.dags[f"{kind}__{name}"].tasks}
    assert len(pools) == 1
    assert pools <= {pool_of(store) for store in stores}


def test_tasks_are_named_by_what_they_do(dag) -> None:
    for task in dag.tasks:
        name = task.task_id.rpartition(".")[2]
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", name), task.task_id
        assert name.split("_")[0] in VERBS, task.task_id


def test_a_gate_judges_by_a_file_of_its_name(dag) -> None:
    gates = [task for task in dag.tasks if task.task_type == "Gate"]
    assert gates
    for task in gates:
        given = getattr(task, "partial_kwargs", None) or vars(task)
        assert task.task_id.rpartition(".")[2] == f"gate_{given['gate']}"
        for suite in (given["gate"], *given.get("suites", ())):
            assert (ROOT / "expectations" / f"{suite}.json").is_file(), suite
