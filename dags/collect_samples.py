"""Look at every store each minute, and keep what is found: what alarms, reports and forecasts go by.

One run follows another, each of ten looks, and each look is at everything at once: every PostgreSQL server, its PgBouncer, what
CloudWatch has of it, every table in DynamoDB, and Airflow. A store that is down or hangs holds up no other: it is kept as down.
It reads, and writes to the ledger alone. What CloudWatch has goes back a day: an outage of ours leaves no gap there. What only
the moment could tell is missing for the minutes in which nobody looked, and nothing is made up for it.

**Red?** `collect_samples` names what could not be looked at until a person acts: a connection that is missing, a role that is
refused. All else was measured. Where the ledger itself is down it is tried again by itself. What a role is not granted is no
failure: the log says once in each run what is not measured for it. docs/howto/collect-numbers.md has the grants.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, Param
from sluice.flow.alerting import tell_first_failure
from sluice.flow.insight.collecting import CollectSamples
from sluice.flow.policy import UPKEEP

with DAG(
    dag_id="collect_samples",
    schedule="@continuous",  # docs/decisions/029: a process for ten looks, and not one for each
    # Without a start the first interval is empty, the second run has its logical date too, and Airflow never makes it.
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=20),  # whatever becomes of one run, there is a next one
    params={"looks": Param(10, type="integer", minimum=1, maximum=10, title="Looks", description="One a minute.")},
    default_args={**UPKEEP, "on_failure_callback": tell_first_failure, "execution_timeout": timedelta(minutes=15)},
    doc_md=__doc__,
    tags=["insight"],
):
    CollectSamples(task_id="collect_samples")
