"""Look at the estate's health every five minutes: what is wrong, since when, for which cause, and who is told.

The rules of include/health/rules.yaml, and yours in include/estate/health.yaml, judge the numbers that `collect_samples` keeps.
What is wrong at one store for one cause is one incident; it is told when it opens, gets worse and is well again, by the
channels of include/estate/estate.yaml (`alerts`, `notify`), each from its severity on. In a maintenance window nobody is told,
unless a store does not answer; what is wrong when it ends is told then. No numbers at all is a fault, too. After each look
whoever waits for it is called (`insight.alive`): when the calls end, they tell people that nobody watches. It only reads; what
it writes are its own notes in the ledger.

**Red?** `watch_health`: a file has a mistake, or the ledger is down; people are told at the first look that fails, every four
hours while it lasts and when it is over, and its log says which. Where estate.yaml has the mistake, they are those of the last
look that went well. `tell_incidents`: a channel did not take a message; the others did, and the next look tries again.
`call_alive`: who waits for the call was not reached. What is wrong with your stores makes nothing red here: `SELECT * FROM
insight.wrong;` in the ledger, or the log of `watch_health`, lists it: docs/howto/know-what-is-wrong.md.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, CronDataIntervalTimetable, Param
from sluice.flow.insight.watching import CallAlive, TellIncidents, WatchHealth
from sluice.flow.policy import UPKEEP

with DAG(
    dag_id="watch_health",
    schedule=CronDataIntervalTimetable("*/5 * * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    params={
        "test": Param(False, type="boolean", title="Test", description="Also send a test message to every channel."),
    },
    # One that hangs would keep every later look from being made, and nobody would be told.
    default_args={**UPKEEP, "execution_timeout": timedelta(minutes=4)},
    doc_md=__doc__,
    tags=["insight"],
):
    watched = WatchHealth(task_id="watch_health")
    # A channel that fails keeps the call from being made: who waits for it tells of that, too.
    watched >> TellIncidents(task_id="tell_incidents") >> CallAlive(task_id="call_alive")
