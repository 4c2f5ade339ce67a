"""Tasks run as Airflow runs them, without it: a context with a form, and connections in the environment."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, TypeAlias

from psycopg.conninfo import conninfo_to_dict

from tests.conftest import ScratchVault

BEGAN = datetime.now(UTC)
"""When every run here was to begin."""
Runs: TypeAlias = Sequence[tuple[str, str]]
"""What Airflow has: a DAG and a run's state each."""


def counted(runs: Runs) -> Callable[..., int]:
    """Give what a task counts runs by."""
    return lambda dag_id, states: sum(dag == dag_id and state in states for dag, state in runs)


def ran(
    task: Any,
    run: str = "night",
    method: str = "execute",
    told: Mapping[str, Any] | None = None,
    runs: Runs = (),
    **params: object,
) -> Any:
    """Run one task beside `runs`; behind something that it has waited for, its `method`, with what it is `told`."""
    pushed: dict[str, str] = {}
    ti = SimpleNamespace(
        dag_id="d", run_id=run, task_id=task.task_id, map_index=-1, try_number=1,
        xcom_push=lambda key, value: pushed.update({key: value}), get_dr_count=counted(runs),
    )  # fmt: skip
    context = {
        "ti": ti,
        "run_id": run,
        "params": params,
        "task": task,
        "dag_run": SimpleNamespace(conf={}, start_date=BEGAN, run_after=BEGAN),
    }
    return getattr(task, method)({**context, "dag": SimpleNamespace(params=params)}, **(told or {}))


def postgres_connection(dsn: str) -> str:
    """Write a connection to PostgreSQL as AIRFLOW_CONN_… wants it."""
    told = conninfo_to_dict(dsn)
    names = {"host": "host", "port": "port", "user": "login", "password": "password", "dbname": "schema"}
    return json.dumps({"conn_type": "postgres", **{names[name]: told[name] for name in names if name in told}})


def vault_connection(vault: ScratchVault) -> str:
    """Write the vault's connection."""
    extra = {"region_name": "us-east-1", "service_config": {"s3": {"endpoint_url": vault.endpoint}}}
    return json.dumps({"conn_type": "aws", "login": vault.store.key, "password": vault.store.secret, "extra": extra})
