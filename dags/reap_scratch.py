"""Take away what drills have left behind when they were killed, and name what was brought back for people.

Every hour, for each store that is backed up. A drill takes its copy away itself; one that was killed cannot. Only what has a
name of a drill, `sluice-scratch-<store>-<moment>-…`, is looked at, and code refuses to destroy anything else. What
`restore__<store>` has brought back for people is named in the log each hour and never taken away by itself once it was handed
over, as users may be on it: *Drop* takes one away; of a store in RDS, you do, there.

`detect_left_over` looks for what a store has left that is backed up no more, or is called otherwise by now: a slot
`sluice_log_…` by which a server keeps its log for nobody, a copy that stands in a folder of nobody's. It takes nothing away.

**Red?** `drop_scratch` says what could not be taken away, and why. It may fill the workers' disk meanwhile; nothing else.
`detect_left_over` names each with the command that takes it away: until somebody runs it, the disk of that server fills.
"""

from __future__ import annotations

from airflow.sdk import DAG, CronDataIntervalTimetable
from sluice.flow.alerting import tell_failed
from sluice.flow.forms import optional_text
from sluice.flow.policy import UPKEEP
from sluice.flow.safety.reaping import DetectLeftOver, DropScratch, ListBackedUp

with DAG(
    dag_id="reap_scratch",
    schedule=CronDataIntervalTimetable("10 * * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    params={
        "drop": optional_text(
            "Drop", "The name of what restore__<store> has brought back, and nobody needs any more. All of it is lost."
        )
    },
    default_args={**UPKEEP, "on_failure_callback": tell_failed},
    doc_md=__doc__,
    tags=["safety"],
):
    DetectLeftOver(task_id="detect_left_over")
    stores = ListBackedUp(task_id="list_stores")
    DropScratch.partial(task_id="drop_scratch", map_index_template="{{ task.store }}").expand(store=stores.output)
