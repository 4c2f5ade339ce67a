"""Where in Airflow a question is answered. Pure."""

from __future__ import annotations

from typing import Protocol

from sluice.overview.links import question_path


class Asking(Protocol):
    """The task that asks: as Airflow's API tells of it, or as it runs."""

    @property
    def dag_id(self) -> str:
        """The DAG."""

    @property
    def run_id(self) -> str:
        """Its run."""

    @property
    def task_id(self) -> str:
        """The task."""

    @property
    def map_index(self) -> int | None:
        """Which of several it is; below 0, or None, where it is alone."""


def question_address(asking: Asking, airflow: str) -> str:
    """Give the page of a question, in the Airflow at an address."""
    return airflow + question_path(asking.dag_id, asking.run_id, asking.task_id, asking.map_index)
