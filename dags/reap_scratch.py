"""Take away what drills have left behind when they were killed, and name what was brought back for people.

Every hour, for each store that is backed up. A drill takes its copy away itself; one that was killed cannot. Only what has a
name of a drill, `sluice-scratch-<store>-<moment>-…`, is looked at, and code refuses to destroy anything else. What
`restore__<store>` has brought back for people is named in the log each hour and never taken away by itself, as users may be on
it: *Drop* takes one away.

**Red?** `drop_scratch` says what could not be taken away, and why. It may fill the workers' disk meanwhile; nothing else.
"""

from __future__ import annotations

from airflow.sdk import DAG, CronDataIntervalTimetable, Param
from sluice.flow.policy import UPKEEP
from sluice.flow.safety.reaping import DropScratch, ListBackedUp

with DAG(
    dag_id="reap_scratch",
    schedule=CronDataIntervalTimetable("10 * * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    params={
        "drop": Param(
            "",
            type="string",
            title="Drop",
            description="The name of what restore__<store> has brought back, and nobody needs any more. All of it is lost.",
        )
    },
    default_args={**UPKEEP},
    doc_md=__doc__,
    tags=["safety"],
):
    stores = ListBackedUp(task_id="list_stores")
    DropScratch.partial(task_id="drop_scratch", map_index_template="{{ task.store }}").expand(store=stores.output)
