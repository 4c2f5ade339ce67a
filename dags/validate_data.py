"""Compare source and target of every migration under way, every hour, and after the cutover old and new.

Red? Open `gate_validated` of that migration → *Details* → *Evidence*: it says which rows differ, and in which columns.
A difference while a migration is under way means that a write went round the capture: do not cut over; abort, find the writer,
begin again. Read-only: nothing here can lose a row.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, CronDataIntervalTimetable
from sluice.flow.gate import Gate
from sluice.flow.policy import TERMINAL_FAILS
from sluice.flow.windows import ListInFlight, Validate

with DAG(
    dag_id="validate_data",
    schedule=CronDataIntervalTimetable("@hourly", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args={
        "owner": "sluice",
        "retries": 2,
        "retry_delay": timedelta(seconds=30),
        "retry_policy": TERMINAL_FAILS,
    },
    doc_md=__doc__,
    tags=["validation"],
):
    in_flight = ListInFlight(task_id="list_in_flight")
    validated = Validate.partial(
        task_id="validate", max_active_tis_per_dag=2, map_index_template="{{ task.migration }}"
    ).expand(migration=in_flight.output)
    judged = Gate.partial(
        task_id="gate_validated",
        gate="validated",
        map_index_template="{{ task.migration }}",
        trigger_rule="none_failed",
    ).expand(migration=in_flight.output)
    validated >> judged
