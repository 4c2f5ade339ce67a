"""Bring an archived month back into its table, for as long as it is needed.

Started by a person, who says which table and which month. A month that only cools is attached as it is; one that was dropped is
built from its manifest, loaded, and its count and hash compared with the ledger, in one transaction. When its time is over,
archive_retention takes it away again.

**Red?** `restore_month` says what does not fit: the table has changed since, a name is taken, or the vault holds something else.
Nothing was changed then; docs/howto/archive-old-months.md says how to load the files by hand.
"""

from __future__ import annotations

from airflow.sdk import DAG, Param
from sluice.flow.archiving import RestoreMonth
from sluice.flow.policy import UPKEEP

with DAG(
    dag_id="restore_archive",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    params={
        "dataset": Param(type="string", minLength=1, title="Dataset", description="The name of the table's file."),
        "month": Param(
            type="string", pattern="^[0-9]{4}-(0[1-9]|1[0-2])$", title="Month", description="Such as 2024-01."
        ),
        "days": Param(14, type="integer", minimum=1, maximum=3650, title="Days", description="How long it stays."),
    },
    default_args={**UPKEEP},
    doc_md=__doc__,
    tags=["upkeep"],
):
    RestoreMonth(task_id="restore_month")
