"""Who may read the console: people whom Airflow lets read the DAG that a thing on a page is about.

A mounted app is open to anyone until its routes ask. This is the one place that leans on Airflow's own
dependencies, which are no public API (seen in 3.3): if an upgrade moves them, only this file changes, and its
test fails first.
"""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from fastapi import Depends, HTTPException

from sluice.console.paths import below_airflow

RUNS = DagAccessEntity.TASK_INSTANCE
may_read = requires_access_dag("GET", RUNS)
"""For a route with `{dag_id}`: 401 without a login, 403 without the right. Takes the UI's cookie."""


def readable_dags(user: GetUserDep) -> frozenset[str]:
    """Give the DAGs that who asks may read. Raises HTTPException: 401 without a login, 403 where there is none."""
    manager = get_auth_manager()
    found = frozenset(manager.get_authorized_dag_ids(user=user))
    # What happens in runs is a right of its own, for all DAGs or none: it is asked of one, for a manager may be far away.
    one = DagDetails(id=min(found, default=None))
    if not found or not manager.is_authorized_dag(method="GET", access_entity=RUNS, details=one, user=user):
        raise HTTPException(
            403,
            "You may read no DAG here, or none of its runs, and the console shows what is behind those that you may.",
        )
    return found


ReadableDags = Annotated[frozenset[str], Depends(readable_dags)]
"""For a route about many DAGs: it shows what is behind these, and nothing else but the stores' names, engines and promises."""


def login_address(asked: str) -> str:
    """Give where one logs in to Airflow and is led on to what was asked for: its path and query, below Airflow's own address."""
    return f"{below_airflow('/api/v2/auth/login')}?next={quote(asked, safe='')}"
