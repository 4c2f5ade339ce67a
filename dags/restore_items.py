"""Bring an archived month of records back into its DynamoDB table, out of the vault.

Started by a person, who says which file of include/estate/items and which month. The month must be held in that file, or the next
night would take it away again; take the hold out when it is not needed any more. A record that is there already is left as it is.

**Red?** `restore_items` says what is missing: the hold, a month that was read back, or an object as it was stored. It may be run
again at any time: what is back is left alone.
"""

from __future__ import annotations

from airflow.sdk import DAG, Param
from sluice.flow.items import RestoreItems
from sluice.flow.policy import UPKEEP

with DAG(
    dag_id="restore_items",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    params={
        "items": Param(type="string", minLength=1, title="Items", description="The name of the entity's file."),
        "month": Param(
            type="string", pattern="^[0-9]{4}-(0[1-9]|1[0-2])$", title="Month", description="Such as 2024-01."
        ),
    },
    default_args={**UPKEEP},
    doc_md=__doc__,
    tags=["upkeep"],
):
    RestoreItems(task_id="restore_items")
