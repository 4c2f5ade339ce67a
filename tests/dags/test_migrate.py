"""The shape of a migration's graph: a group a phase, a gate behind every step, a person before what is hard to take back."""

from __future__ import annotations

from itertools import pairwise

import pytest
from sluice.flow.steps import not_reached

from tests.samples import MIGRATIONS

PHASES = ["preflight", "expand", "capture", "backfill", "verify", "shadow", "cutover", "retire"]
GATED = {
    "expand.expand_target": "expand.gate_expanded",
    "capture.start_capture": "capture.gate_capturing",
    "backfill.finish_backfill": "backfill.gate_backfilled",
    "verify.diff_tables": "verify.gate_verified",
    "shadow.compare_reads": "shadow.gate_shadowing",
    "cutover.cut_over": "cutover.gate_cut_over",
    "retire.retire_old": "retire.gate_retired",
    "go_back.cut_back": "go_back.gate_cut_back",
}


@pytest.fixture(params=MIGRATIONS)
def dag(bag, request):
    return bag.dags[f"migrate__{request.param}"]


def test_there_is_a_group_for_each_phase_and_each_leads_to_the_next(dag) -> None:
    groups = dag.task_group.get_task_group_dict()
    assert set(groups) - {None} == {*PHASES, "go_back"}
    for before, after in pairwise(PHASES):
        assert after in groups[before].downstream_group_ids
    assert groups["go_back"].upstream_group_ids == {"preflight"}


def test_a_gate_stands_behind_every_step(dag) -> None:
    steps = {task.task_id for task in dag.tasks if task.task_type == "TakeStep"} - {"go_back.abort"}
    assert steps == set(GATED)
    for step, gate in GATED.items():
        assert dag.get_task(step).downstream_task_ids == {gate}


def test_nothing_of_the_next_phase_starts_before_the_gate(dag) -> None:
    for before, after in pairwise(PHASES[1:]):
        [gate] = [task.task_id for task in dag.tasks if task.task_id.startswith(f"{before}.gate_")]
        for root in dag.task_group.get_task_group_dict()[after].get_roots():
            assert gate in root.upstream_task_ids


@pytest.mark.parametrize(
    ("question", "step"),
    [("cutover.approve_cutover", "cutover.cut_over"), ("retire.approve_retire", "retire.retire_old")],
)
def test_a_person_is_asked_first_and_silence_is_no_yes(dag, question: str, step: str) -> None:
    asking = dag.get_task(question)
    assert dag.get_task(step).upstream_task_ids == {question}
    assert asking.options == ["Approve", "Reject"]
    assert not asking.defaults
    assert asking.multiple is False


def test_the_graph_does_not_grow_with_the_table(dag) -> None:
    assert len(dag.tasks) == 22
    assert [task.task_id for task in dag.tasks if task.is_mapped] == ["backfill.copy_lane"]
    assert dag.params.get_param("lanes").schema["maximum"] == 16


def test_only_a_person_starts_it_and_one_run_at_a_time(dag) -> None:
    assert [kind.value for kind in dag.allowed_run_types] == ["manual"]
    assert dag.max_active_runs == 1
    assert dag.timetable.can_be_scheduled is False


def test_its_form_can_be_sent_as_it_is(dag) -> None:
    dag.params.validate()
    assert set(dag.params) == {"to_phase", "dry_run", "lanes", "chunk_rows", "throttle", "retire_early"}
    assert dag.params["to_phase"] == "onward", "what the form offers first must change nothing that users see"
    assert all(dag.params.get_param(name).schema["title"] for name in dag.params)


@pytest.mark.parametrize(
    ("taken", "skipped", "left"),
    [
        ([], {"expand.expand_target", "cutover.cut_over", "go_back.abort"}, set()),
        (
            ["verify", "shadow", "cut_over"],
            {"backfill.copy_lane", "go_back.abort"},
            {"retire.approve_retire", "retire.gate_retired"},
        ),
        (["cut_back"], {"verify.diff_tables", "retire.gate_retired"}, {"go_back.abort"}),
    ],
)
def test_what_lies_behind_a_step_is_not_skipped_beforehand_or_a_red_gate_would_leave_the_run_green(
    dag, taken: list[str], skipped: set[str], left: set[str]
) -> None:
    found = set(not_reached(dag.tasks, taken))
    assert skipped <= found
    assert not left & found
    assert "preflight.plan_way" not in found
