"""Drill a failover of every store, each Sunday: on two servers made of its backups, never on the one that lives.

One branch for each store that has `replicas` and `backup: {by: physical}`. Its newest backup is brought back, a second
server is made to follow it, and clients write. Then the one that leads is killed, the other is promoted by the same code as on
the real day, and each write that was acknowledged is looked for: once with synchronous commit, where none may be missing, once
without, where the loss is counted and held against its bounds. The one that died comes back as a replica. Each drill leaves a
certificate in the vault, `failovers/<store>/`, with the seconds of each phase. *Trigger* drills now.

**Red?** `drill_failover` says what stopped it, as a restore drill does. `gate_failover_drill` names what was lost, or by how much
it was too slow: *Details* → *Evidence*. No user has noticed anything; what was made for the drill is gone.
"""

from __future__ import annotations

from airflow.sdk import DAG, CronDataIntervalTimetable, task_group
from sluice.flow.policy import UPKEEP
from sluice.flow.safety.failing_over import GATE, DrillFailover, FailoverGate, ListRehearsed

with DAG(
    dag_id="failover_drill",
    schedule=CronDataIntervalTimetable("30 5 * * 0", timezone="UTC"),
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
        # One at a time: two would share the disk.
        drilled = DrillFailover(task_id="drill_failover", max_active_tis_per_dag=1, **told)
        drilled >> FailoverGate(task_id=f"gate_{GATE}", gate=GATE, trigger_rule="all_success", **told)

    each.expand(store=ListRehearsed(task_id="list_stores").output)
