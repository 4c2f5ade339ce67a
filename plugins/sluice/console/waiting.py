"""Which questions wait for a person, by Airflow's own tables.

They are no public API (seen in 3.3), and this is the one place that reads them; its test asks Airflow's API the same.
"""

from __future__ import annotations

from airflow.models.hitl import HITLDetail
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from sqlalchemy import select
from sqlalchemy.orm import contains_eager, load_only

from sluice.overview.asked import Waiting

STATES = ("awaiting_input", "deferred", "running", "up_for_reschedule")
"""Of a task that asks, or is about to: in any other it was answered, cleared or ended."""


def waiting() -> list[Waiting]:
    """List them, oldest first."""
    asked = (
        select(HITLDetail)
        .join(TaskInstance, HITLDetail.ti_id == TaskInstance.id)
        .where(HITLDetail.responded_at.is_(None), TaskInstance.state.in_(STATES))
        .order_by(HITLDetail.created_at)
        .options(
            load_only(HITLDetail.subject, HITLDetail.created_at),
            contains_eager(HITLDetail.task_instance).load_only(
                TaskInstance.dag_id, TaskInstance.run_id, TaskInstance.task_id, TaskInstance.map_index
            ),
        )
    )
    with create_session() as session:
        return [_waiting(one) for one in session.scalars(asked).unique()]


def _waiting(one: HITLDetail) -> Waiting:
    task = one.task_instance
    return Waiting(task.dag_id, task.run_id, task.task_id, task.map_index, one.subject, one.created_at)
