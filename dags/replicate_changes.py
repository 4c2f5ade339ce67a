"""Deliver the changes of every migration whose target follows later than its source is written: those on DynamoDB.

One run follows another, each of a few minutes, and goes on where the last one stopped. For a lag below a second let
`./sluice replicate` run beside it: both may, and neither does anything twice.

**Red?** Open `replicate_stream` of that migration: it says what is wrong and what to do. Changes are kept for 24 hours; a reader
further behind than that must copy again, and the message says how. Nothing that was acknowledged is lost by clearing the task.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG
from sluice.estate import any_follows_later
from sluice.flow.policy import TERMINAL_FAILS
from sluice.flow.project import ROOT
from sluice.flow.replicating import ListFollowed, Replicate

with DAG(
    dag_id="replicate_changes",
    schedule="@continuous" if any_follows_later(ROOT) else None,  # an estate without any has nothing to go round for
    # Without a start the first interval is empty, the second run has its logical date too, and Airflow never makes it.
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={
        "owner": "sluice",
        "retries": 5,
        "retry_delay": timedelta(seconds=10),
        "retry_policy": TERMINAL_FAILS,
    },
    doc_md=__doc__,
    tags=["migration"],
):
    followed = ListFollowed(task_id="list_followed")
    Replicate.partial(task_id="replicate_stream", map_index_template="{{ task.migration }}").expand(
        migration=followed.output
    )
