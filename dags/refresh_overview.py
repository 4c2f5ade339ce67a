"""Look at what only stores and the vault know, and leave it in the ledger: what the console and `./sluice status` show.

One run follows another. At its start it looks at everything: the months of each table, the backups and drills of each store; then
every 15 seconds at the migrations alone, how far each is. It only reads; what it writes are its own notes in the ledger, each
with its time on it. While it is paused, or behind, the pages say how old what they show is.

**Red?** `refresh_overview`: the ledger is down, estate.yaml has a mistake, or a look fell over one of ours: its log says which. A
store or a vault that does not answer makes nothing red here: the page says what it could not ask, and why, above what was seen
before.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, Param
from sluice.flow.alerting import tell_first_failure
from sluice.flow.overview.refreshing import RefreshOverview
from sluice.flow.policy import UPKEEP

with DAG(
    dag_id="refresh_overview",
    schedule="@continuous",
    # Without a start the first interval is empty, the second run has its logical date too, and Airflow never makes it.
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=20),  # whatever becomes of one run, there is a next one
    params={"looks": Param(20, type="integer", minimum=1, maximum=40, title="Looks", description="One in 15 seconds.")},
    default_args={**UPKEEP, "on_failure_callback": tell_first_failure, "execution_timeout": timedelta(minutes=15)},
    doc_md=__doc__,
    tags=["insight"],
):
    RefreshOverview(task_id="refresh_overview")
