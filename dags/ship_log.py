"""Bring the log of a store into the vault, as it is written.

One for each store whose `backup` in include/estate/estate.yaml is `physical`, `documents` or `service`: one that is down holds
up no other. One run follows another, each of a few minutes, and goes on behind what the vault has. What can be lost, if the store
dies, is what came in since. It takes one of Airflow's places for tasks, all the time.

*A server*: some ten seconds, as the file that is being written is stored as well, and while one run has ended and the next begins
as many again. Beside it a row is written every ten seconds (`sluice_safety.heartbeat`): by these a drill tells how much would be
lost. One that was promoted is followed onto its new timeline, and `start_backup` has it backed up at once; so it has one that was
made anew. One that was rolled back by a snapshot of its machine is refused: its log is another under the old names. A server
whose log nobody ships keeps it, and its disk fills: look at `pg_replication_slots`, slot `sluice_log_NAME`, and drop it where the
store is backed up no more.

*Tables of DynamoDB*: their streams are read every `every`; a stream keeps a day. A log that ended, or was never begun, is begun
at once, and `start_backup` has `backup__NAME` take a base, once for each. By `service` the log brings nothing back: copies are
compared by it.

**Red?** `ship_log` says what is wrong and what to do. Where a server has thrown log away that the vault does not have, take a
full backup now: nothing between can be restored to. Nothing that users see depends on it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG
from sluice.flow.alerting import tell_failed
from sluice.flow.policy import TERMINAL_FAILS
from sluice.flow.safety.shipping import ShipLog, StartBackup
from sluice.flow.safety.shipping_tables import ShipStreams, StartBase
from sluice.flow.safety.stores import backed_up, shipped


def ship_log(name: str, engine: str) -> DAG:
    """Ship, over and over."""
    with DAG(
        dag_id=f"ship_log__{name}",
        schedule="@continuous",
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        default_args={
            "owner": "sluice",
            "retries": 5,
            "retry_delay": timedelta(seconds=10),
            "retry_policy": TERMINAL_FAILS,
            "on_failure_callback": tell_failed,
        },
        doc_md=__doc__.replace("NAME", name),
        tags=["safety"],
    ) as dag:
        if engine == "dynamodb":
            streams = ShipStreams(task_id="ship_log", store=name)
            StartBase(task_id="start_backup", store=name, begun=streams.output)
        else:
            ShipLog(task_id="ship_log", store=name)
            StartBackup(
                task_id="start_backup", store=name
            )  # beside it: where the log cannot go on, a backup is what helps
    return dag


for name in shipped():
    dag = ship_log(name, backed_up()[name].engine)
    globals()[dag.dag_id] = dag
