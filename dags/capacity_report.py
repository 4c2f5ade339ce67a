"""Say how much there is, how it grows, when it will be full, and what it costs: every Monday, of the week gone by.

`make_report` reads stored samples alone, whole days before the end of its window. *Details* → *Evidence* opens the page: what
each store and table has, between which days its limits are reached, what has changed since the last report, how good the earlier
forecasts were. The same lies beside it as Markdown and JSON. The week with the first of a month in it makes the monthly one: it
looks back on the whole month and compares with the last monthly report, on the same Monday and with the same numbers, so that two
schedules never say two things. A window of history is made by *Trigger → Backfill*, or with `until` in the form.
`tell_people` sends what two reports in a row call urgent (P1 under 14 days, P2 under 30, P3 under 90), and a summary (P4).

**Red?** The ledger or the vault cannot be reached: the message says which, people are told once, and clearing the task is safe. A
store that was not measured makes nothing red: the page says so.
"""

from __future__ import annotations

from airflow.sdk import DAG, CronDataIntervalTimetable, Param
from sluice.flow.alerting import tell_first_failure
from sluice.flow.forms import optional_text
from sluice.flow.insight.reporting import MakeCapacityReport, TellCapacity
from sluice.flow.policy import UPKEEP

with DAG(
    dag_id="capacity_report",
    schedule=CronDataIntervalTimetable("0 6 * * 1", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    params={
        "until": optional_text("Until", "The first day that is not looked at, such as 2026-03-01. Empty: the run's window."),
        "monthly": Param(
            None,
            type=["null", "boolean"],
            title="Monthly",
            description="Look back on the month gone by. Empty: where the week has the first of a month in it.",
        ),
    },
    default_args={**UPKEEP, "on_failure_callback": tell_first_failure},
    doc_md=__doc__,
    tags=["insight"],
):  # fmt: skip
    made = MakeCapacityReport(
        task_id="make_report",
        lower="{{ data_interval_start | default('', true) }}",
        upper="{{ data_interval_end | default('', true) }}",
    )
    TellCapacity(task_id="tell_people", made=made.output)
