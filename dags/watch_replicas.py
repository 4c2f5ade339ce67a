"""Look at the replicas of every store, every five minutes: does each stream, and how late is it?

One branch for each store that has `replicas` in include/estate/estate.yaml. How late a replica is, a row tells that is written
for it and waited for; with nobody writing it is as true as under load. What is broken is an alarm (P1): a server that does not
answer or stream, two that take writes, commits that wait for nobody who is there. What is late past `alert` is told (P2). What a
promotion would go by is kept: for whom commits wait, and where the log stood. It only reads, but for that row, and for one case:
the server that a promotion of yours has left is fenced, should it take writes again beside the one that leads since. Where that
fails, it is an alarm of its own (P1), and so is a transaction that has written past the fence of a server that was left. People
are told once of what lasts, of a P1 again every four hours, and once when it is over; the log has it at each look.

**Red?** Open `gate_replicas_healthy` of that store → *Details* → *Evidence*: it names each server and what is wrong with it.
Two servers that take writes are the worst there is: stop the one that was left, at once. Where the store's own server is gone and
nothing promotes by itself, `promote_replica` does: docs/howto/fail-over.md.
"""

from __future__ import annotations

from airflow.sdk import DAG, CronDataIntervalTimetable, task_group
from sluice.flow.policy import UPKEEP
from sluice.flow.safety.watching_replicas import GATE, ListReplicated, ReplicasGate, WatchReplicas

with DAG(
    dag_id="watch_replicas",
    schedule=CronDataIntervalTimetable("*/5 * * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args={**UPKEEP},
    doc_md=__doc__,
    tags=["safety"],
):

    @task_group
    def each(store: str) -> None:
        """One store."""
        told = {"store": store, "map_index_template": "{{ task.store }}"}
        watched = WatchReplicas(task_id="watch_replicas", **told)
        watched >> ReplicasGate(task_id=f"gate_{GATE}", gate=GATE, trigger_rule="all_success", **told)

    each.expand(store=ListReplicated(task_id="list_stores").output)
