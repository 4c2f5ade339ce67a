"""Make the partitions of the months to come, before anyone needs them.

Every night, and with it on the 20th of each month. It converges on "for the months to come there are partitions" as of the
database's clock, so a missed night, a second run, a backfill of last year or half a year asleep only change the plan. Each table
of include/estate/datasets has a branch of its own, and one that is red stops no other. *Dry run* writes the SQL in the log of
`make_partitions`.

**Red?** Open `gate_partitions_ahead` of that table → *Details* → *Evidence*: it lists each gap, each bound that is odd, and each
partition that is less closed than its table; the SQL that closes all of them is in the log of `make_partitions`. That task is red
where somebody held a lock for long (clear it), or where the table is not cut as its file says; it is skipped, with the reason,
while the table is migrated. `watch_headroom` measures all the same for how long there are partitions: it tells the table's
asset, and, where that is short, the estate's people, once, again when it gets more urgent, and when it is over; it is red where
a channel does not take the alert. Nothing here can lose a row: those of a default partition move to their own in one transaction.
"""

from __future__ import annotations

from airflow.sdk import DAG, CronDataIntervalTimetable, Param, task_group
from sluice.flow.headroom import WatchHeadroom
from sluice.flow.keeping import DatasetGate, ListDatasets, MakePartitions
from sluice.flow.policy import UPKEEP

with DAG(
    dag_id="create_partitions",
    schedule=CronDataIntervalTimetable("30 1 * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    params={
        "dry_run": Param(False, type="boolean", title="Dry run", description="Only write down what would be done.")
    },
    default_args={**UPKEEP},
    doc_md=__doc__,
    tags=["upkeep"],
):

    @task_group
    def keep(dataset: str) -> None:
        """One table."""
        made = MakePartitions(task_id="make_partitions", dataset=dataset, map_index_template="{{ task.dataset }}")
        made >> DatasetGate(
            task_id="gate_partitions_ahead",
            gate="partitions_ahead",
            dataset=dataset,
            map_index_template="{{ task.dataset }}",
            trigger_rule="all_success",
        )
        made >> WatchHeadroom(
            task_id="watch_headroom", dataset=dataset, map_index_template="{{ task.dataset }}", trigger_rule="all_done"
        )

    keep.expand(dataset=ListDatasets(task_id="list_datasets").output)
