"""Where a number leads: to its evidence in the console, or to its run in Airflow. Paths below Airflow's address. Pure."""

from __future__ import annotations

from urllib.parse import quote


def evidence_path(key: str, seal: str | None = None) -> str:
    """Give the page of a record in the vault, with the seal that it must bear where that is known."""
    return f"/sluice/{quote(key)}" + (f"?sha256={quote(seal)}" if seal else "")


def dag_path(dag_id: str) -> str:
    """Give the page of a DAG."""
    return f"/dags/{quote(dag_id)}"


def run_path(dag_id: str, run_id: str) -> str:
    """Give the page of a run."""
    return f"{dag_path(dag_id)}/runs/{quote(run_id, safe=':')}"


def task_path(dag_id: str, run_id: str, task_id: str, map_index: int | None = None) -> str:
    """Give the page of a task within a run; `map_index` is below 0, or None, where it is alone."""
    alone = map_index is None or map_index < 0
    return f"{run_path(dag_id, run_id)}/tasks/{quote(task_id)}{'' if alone else f'/mapped/{map_index}'}"


def question_path(dag_id: str, run_id: str, task_id: str, map_index: int | None = None) -> str:
    """Give the page on which a question of a task is answered."""
    return f"{task_path(dag_id, run_id, task_id, map_index)}/required_actions"


def origin_of(key: str) -> tuple[str, str, str]:
    """Give DAG, run and task of a record by its key: `evidence/<dag>/<run>/<task>.json`; '' for what it does not say."""
    parts = key.split("/")
    dag_id, run_id, task = (*parts[1:4], "", "", "")[:3]
    return dag_id, run_id, task.removesuffix(".json")
