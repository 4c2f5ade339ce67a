"""Bring the log of every store that is backed up with it into the vault, as it is written.

One run follows another, each of a few minutes, and goes on behind what the vault has. What can be lost, if a store dies, is
what came in since: some ten seconds, as the file that is being written is stored as well. Beside it a row is written every ten
seconds (`sluice_safety.heartbeat`): by these a drill tells how much would be lost.

Each store takes one of Airflow's places for tasks, all the time. A store whose log nobody ships keeps it, and its disk fills:
look at `pg_replication_slots`, slot `sluice_log_<store>`, and drop the slot of a store that is backed up no more.

**Red?** Open `ship_log` of that store: it says what is wrong and what to do. Where the server has thrown log away that the
vault does not have, take a full backup now: nothing between can be restored to. Nothing that users see depends on it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG
from sluice.flow.policy import TERMINAL_FAILS
from sluice.flow.safety.shipping import ListShipped, ShipLog
from sluice.flow.safety.stores import any_ships

with DAG(
    dag_id="ship_logs",
    schedule="@continuous" if any_ships() else None,  # an estate without any has nothing to go round for
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={
        "owner": "sluice",
        "retries": 5,
        "retry_delay": timedelta(seconds=10),
        "retry_policy": TERMINAL_FAILS,
    },
    doc_md=__doc__,
    tags=["safety"],
):
    shipped = ListShipped(task_id="list_shipped")
    ShipLog.partial(task_id="ship_log", map_index_template="{{ task.store }}").expand(store=shipped.output)
