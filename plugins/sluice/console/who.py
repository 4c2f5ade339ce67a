"""Who may read the console: people whom Airflow lets read the DAG that the evidence is about.

A mounted app is open to anyone until its routes ask. This is the one place that leans on Airflow's own
dependency, which is not a public API (seen in 3.3): if an upgrade moves it, only this file changes, and its
test fails first.
"""

from __future__ import annotations

from urllib.parse import quote

from airflow.api_fastapi.app import get_cookie_path
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import requires_access_dag

may_read = requires_access_dag("GET", DagAccessEntity.TASK_INSTANCE)
"""For a route with `{dag_id}`: 401 without a login, 403 without the right. Takes the UI's cookie."""


def login_address(asked: str) -> str:
    """Give where one logs in to Airflow and is led on to what was asked for: its path and query, below Airflow's own address."""
    root = get_cookie_path().rstrip("/")
    return f"{root}/api/v2/auth/login?next={quote(asked, safe='')}"
