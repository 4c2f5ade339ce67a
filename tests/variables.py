"""Variables of Airflow's without its API: what a task sets is in the environment, from where Airflow reads them as well."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.execution_time import task_runner


class Kept:
    """Who takes what a task asks of its supervisor."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch

    def send(self, asked: Any) -> None:
        """Take a Variable."""
        self.monkeypatch.setenv(f"AIRFLOW_VAR_{asked.key.upper()}", asked.value)


def keep_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tasks of this test set Variables."""
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", Kept(monkeypatch), raising=False)
