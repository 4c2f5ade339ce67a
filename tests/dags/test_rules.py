"""What holds for every DAG: it says what to do when it is red, retries by type, and asks no more of a store than it bears."""

from __future__ import annotations

import ast
import re
from datetime import timedelta
from pathlib import Path

import pytest
from airflow.sdk import XComArg
from airflow.sdk.exceptions import AirflowSkipException
from sluice.estate import read_stores
from sluice.flow import maintaining
from sluice.flow.alerting import tell_failed, tell_first_failure
from sluice.flow.insight.scaling import ASKS_FOR
from sluice.flow.policy import TERMINAL_FAILS, pool_of
from sluice.local.runs import PLANS

from tests.dags.conftest import ROOT
from tests.samples import MIGRATIONS, copy_estate

VERBS = {
    "abort", "approve", "archive", "beat", "call", "collect", "compare", "configure", "copy", "cut", "delete",
    "detect", "diff", "drill", "drop", "expand", "fill", "finish", "forget", "gate", "list", "load", "maintain", "make",
    "measure", "name", "plan", "poison", "promote", "prune", "publish", "put", "refresh", "rehearse", "replicate", "restore",
    "retire", "roll", "scale", "ship", "show", "simulate", "start", "switch", "take", "tell", "validate", "verify",
    "warm", "watch",
}  # fmt: skip


SERVERS, TABLES = ("certify", "in_rds", "at_neon"), "tyler"
BACKED_UP = (*SERVERS, TABLES)
"""The stores that the estate of these tests backs up: servers, and tables."""


@pytest.fixture
def dags(bag):
    """Every DAG of ours; what a person's files make of them is not judged here."""
    return [dag for name, dag in bag.dags.items() if name.partition("__")[2] in ("", *MIGRATIONS, *BACKED_UP)]


def test_every_file_is_read_without_a_mistake(bag, dags) -> None:
    assert bag.import_errors == {}
    expected = {
        "validate_data",
        "create_partitions",
        "archive_retention",
        "restore_archive",
        "configure_vault",
        "maintain_airflow",
        "archive_items",
        "restore_items",
        "validate_expiry",
        "reap_scratch",
        "watch_replicas",
        "watch_health",
        "failover_drill",
        "promote_replica",
        "collect_samples",
        "measure_sizes",
        "publish_metrics",
        "refresh_overview",
        "scale_capacity",
        "capacity_report",
        *(f"{kind}__{name}" for kind in ("migrate", "backfill_window") for name in MIGRATIONS),
        *(f"{kind}__{name}" for kind in ("backup", "restore_drill", "restore") for name in BACKED_UP),
        *(f"restore_tenant__{name}" for name in SERVERS),
        *(f"ship_log__{name}" for name in ("certify", "tyler")),
        "name_point__certify",
    }
    assert expected <= {dag.dag_id for dag in dags}
    assert {Path(dag.fileloc) for dag in dags} == set((ROOT / "dags").glob("*.py"))
    assert not [dag.dag_id for dag in dags if "broken" in dag.tags]


def test_a_watch_that_hangs_ends_before_the_next_one_is_due(dags) -> None:
    (watch,) = [dag for dag in dags if dag.dag_id == "watch_health"]
    for task in watch.tasks:
        assert task.execution_timeout and task.execution_timeout < timedelta(minutes=5)


def test_each_page_says_what_it_is_and_what_to_do_when_it_is_red(dags) -> None:
    for dag in dags:
        told = ast.get_docstring(ast.parse(Path(dag.fileloc).read_text())) or ""
        assert dag.doc_md.split() == told.replace("NAME", dag.dag_id.partition("__")[2]).split(), dag.dag_id
        assert len(told.split("\n\n")[0]) > 30, dag.dag_id
        assert re.search(r"\bRed\?", dag.doc_md), dag.dag_id


def test_each_has_an_owner_tags_and_no_runs_in_the_past_by_itself(dags) -> None:
    for dag in dags:
        assert dag.owner == "sluice", dag.dag_id
        assert dag.tags, dag.dag_id
        assert dag.catchup is False, dag.dag_id
        assert 1 <= dag.max_active_runs <= (16 if dag.dag_id == "scale_capacity" else 2), dag.dag_id


def test_open_questions_hold_up_no_store_that_is_to_be_scaled(dags) -> None:
    """One that begins every five minutes and asks has been answered, or has given up, before the places are full."""
    (scaling,) = (dag for dag in dags if dag.dag_id == "scale_capacity")
    assert scaling.max_active_runs > ASKS_FOR / timedelta(minutes=5)


def test_what_may_pass_is_tried_again_and_what_needs_a_person_is_not(dags) -> None:
    for task in _tasks(dags):
        assert task.retries >= 2, task
        assert task.retry_delay.total_seconds() >= 10, task
        assert task.retry_policy is TERMINAL_FAILS, task
    actions = {rule.exception: rule.action.name for rule in TERMINAL_FAILS.rules}
    assert actions == {"sluice.errors.Terminal": "FAIL", "sluice.errors.Transient": "RETRY"}


def test_all_runs_together_ask_a_store_for_no_more_than_its_pool(dags) -> None:
    stores = set(read_stores(ROOT).stores)
    of_a_store = [dag for dag in dags if dag.tags & stores]
    assert of_a_store
    for dag in (one for one in of_a_store if not one.dag_id.startswith("restore__")):  # which loads no store
        assert {task.pool for task in dag.tasks} <= {pool_of(store) for store in dag.tags & stores}, dag.dag_id


def test_people_are_told_of_each_task_that_keeps_or_proves_a_store(dags) -> None:
    watched = [
        dag for dag in dags if dag.dag_id.startswith(("backup__", "restore_drill__", "ship_log__", "reap_scratch"))
    ]
    assert len(watched) > 3 * len(BACKED_UP) - 3
    for task in _tasks(watched):
        assert task.on_failure_callback in (tell_failed, [tell_failed]), task


def test_people_are_told_of_each_task_that_measures_or_scales(dags) -> None:
    names = {"capacity_report", "collect_samples", "measure_sizes", "scale_capacity", "publish_metrics"}
    watched = [dag for dag in dags if dag.dag_id in names]
    assert {dag.dag_id for dag in watched} == names
    for task in _tasks(watched):
        assert task.on_failure_callback in (tell_first_failure, [tell_first_failure]), task


def test_a_store_that_hangs_holds_up_nobody_s_next_hour(dags) -> None:
    for task in _tasks([dag for dag in dags if dag.dag_id in {"collect_samples", "measure_sizes", "refresh_overview"}]):
        assert task.execution_timeout, task


def test_tasks_are_named_by_what_they_do(dags) -> None:
    for task in _tasks(dags):
        name = task.task_id.rpartition(".")[2]
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", name), task
        assert name.split("_")[0] in VERBS, task


def test_no_red_task_leaves_its_run_green(dags) -> None:
    """Airflow judges a run by its last tasks: each task must reach one of them without passing one that runs after whatever."""
    heedless = ("all_done", "all_done_setup_success", "always", "none_skipped", "one_success", "one_done")
    for dag in (dag for dag in dags if "upkeep" in dag.tags):
        reach = {leaf.task_id for leaf in dag.leaves}
        while more := {
            task.task_id
            for task in dag.tasks
            if task.task_id not in reach
            and any(
                down in reach and dag.get_task(down).trigger_rule not in heedless for down in task.downstream_task_ids
            )
        }:
            reach |= more
        assert {task.task_id for task in dag.tasks} - reach == set(), dag.dag_id


def test_what_is_copied_elsewhere_is_copied_before_anything_goes(bag) -> None:
    tasks = bag.dags[f"backup__{BACKED_UP[0]}"].task_dict
    assert tasks["copy_elsewhere"].upstream_task_ids == {"gate_backup_fresh"}
    assert "copy_elsewhere" in tasks["prune_backups"].upstream_task_ids


def test_tables_are_asked_for_no_port_and_no_tenant_and_a_gap_in_their_log_starts_a_backup(bag) -> None:
    assert f"restore_tenant__{TABLES}" not in bag.dags
    server, tables = (set(bag.dags[f"restore__{name}"].params) for name in ("certify", TABLES))
    assert server - tables == {"port", "warm"}
    started = bag.dags["ship_log__tyler"].get_task("start_backup")
    assert (started.trigger_dag_id, started.skip_when_already_exists) == ("backup__tyler", True)


def test_a_text_that_may_be_empty_holds_up_nobody_who_triggers(dags) -> None:
    """Airflow's page asks for every text that may not be null, and leaves *Trigger* grey until it has one."""
    asked = [
        f"{dag.dag_id}.{name}"
        for dag in dags
        for name, param in ((name, dag.params.get_param(name)) for name in dag.params)
        if param.value == "" and "null" not in param.schema.get("type", ())
    ]
    assert asked == []


def test_what_a_task_takes_of_another_is_what_that_returns(dags) -> None:
    """A key of a returned mapping is no XCom of its own: who asks for one waits for it in vain."""
    keyed = [
        f"{dag.dag_id}.{task.task_id}"
        for dag in dags
        for task in dag.tasks
        for field in task.template_fields
        for _, key in XComArg.iter_xcom_references(getattr(task, field, None))
        if key != "return_value"
    ]
    assert keyed == []


def test_a_gate_judges_by_a_file_of_its_name(dags) -> None:
    kinds = (
        "Gate",
        "DatasetGate",
        "MonthGate",
        "VaultGate",
        "AirflowGate",
        "ItemsGate",
        "ExpiryGate",
        "StoreGate",
        "EntityGate",
        "BackupGate",
        "DrillGate",
        "KeptBackupsGate",
        "ReplicasGate",
        "FailoverGate",
    )
    gates = [task for task in _tasks(dags) if task.task_type in kinds]
    assert gates
    for task in gates:
        given = getattr(task, "partial_kwargs", None) or vars(task)
        assert task.task_id.rpartition(".")[2] == f"gate_{given['gate']}"
        for suite in (given["gate"], *given.get("suites", ())):
            assert (ROOT / "expectations" / f"{suite}.json").is_file(), suite


def _tasks(dags):
    return [task for dag in dags for task in dag.tasks]


def test_what_a_dry_run_plans_is_told_at_the_terminal(dags) -> None:
    dry = {dag.dag_id: {task.task_id for task in dag.tasks} for dag in dags if "dry_run" in dag.params}
    assert {"archive_items", "archive_retention", "configure_vault", "create_partitions", "maintain_airflow"} <= {*dry}
    silent = {name for name, tasks in dry.items() if not tasks & {*PLANS}}
    assert not silent, "./sluice run … --wait would show an empty table"


def test_a_database_of_airflow_that_is_not_kept_is_told_in_the_log(tmp_path, monkeypatch, caplog) -> None:
    copy_estate(tmp_path)
    estate = tmp_path / "include/estate/estate.yaml"
    estate.write_text("\n".join(line for line in estate.read_text().splitlines() if not line.startswith("airflow:")))
    monkeypatch.setattr(maintaining, "ROOT", tmp_path)
    with caplog.at_level("INFO"), pytest.raises(AirflowSkipException, match="is not kept"):
        maintaining._kept()
    assert "estate.yaml has no `airflow`" in caplog.text


def test_a_window_that_was_skipped_is_not_judged(dags) -> None:
    gates = [task for task in _tasks(dags) if task.task_id == "gate_window"]
    assert gates
    assert {gate.trigger_rule for gate in gates} == {"all_success"}


def test_what_was_brought_back_may_be_ended_by_the_form(bag) -> None:
    form = bag.dags["restore_archive"].params
    form["days"] = 0
    form.get_param("days").resolve()


def test_no_worker_waits_for_rds_and_whatever_becomes_of_a_drill_its_copy_goes(bag) -> None:
    ways = {
        "backup__in_rds": [
            "take_backup",
            "verify_backup",
            "gate_snapshot_fresh",
            "prune_backups",
            "gate_backups_kept",
        ],
        "restore__in_rds": ["restore_store", "warm_store"],
        "restore_tenant__in_rds": ["start_copy", "compare_tenant", "drop_copy"],
    }
    for name, tasks in ways.items():
        assert [task.task_id for task in bag.dags[name].topological_sort()] == tasks
    drill = bag.dags["restore_drill__in_rds"]
    assert drill.get_task("each.drill_restore").upstream_task_ids >= {"each.start_copy"}
    for last in (drill.get_task("each.drop_copy"), bag.dags["restore_tenant__in_rds"].get_task("drop_copy")):
        assert last.is_teardown, "it judges no run"
        assert not any(task.is_setup for task in last.upstream_list), "and runs where the copy never came up"
    assert {"port", "region"} & set(bag.dags["restore__in_rds"].params) == {"region"}
    assert bag.dags["restore__in_rds"].params.get_param("region").schema["enum"] == ["eu-west-1", "eu-central-1"]
    ours = {task.task_id for task in bag.dags["backup__certify"].tasks} - {"copy_elsewhere"}
    assert {task.task_id for task in bag.dags["backup__at_neon"].tasks} == ours


def test_a_run_that_somebody_starts_has_no_window_and_its_templates_can_be_filled_in(dags) -> None:
    windows = {
        f"{dag.dag_id}.{task.task_id}.{field}": dag.get_template_env().from_string(value).render()
        for dag in dags
        for task in dag.tasks
        for field in task.template_fields
        if isinstance(value := getattr(task, field, None), str) and "data_interval" in value
    }
    assert len(windows) >= 4
    assert set(windows.values()) == {""}
