"""Look every night whether DynamoDB removes what has expired.

For each entity whose file in include/estate/items has `expires`. A part of each table is read, as large as its `read_units` pay
for, and another part the next night; the log says beforehand what it costs. Read-only.

**Red?** Open `gate_expiry` of that entity → *Details* → *Evidence*: it says whether expiry is off, and names records that will
never go: without the attribute, with a text or milliseconds in it, with a time too far ahead or more than five years back; and
those that should be gone by now. Mend who writes them, then write the attribute anew.
"""

from __future__ import annotations

from airflow.sdk import DAG, CronDataIntervalTimetable, task_group
from sluice.flow.expiry import GATE, ExpiryGate, ListExpiring, ValidateExpiry
from sluice.flow.policy import UPKEEP

with DAG(
    dag_id="validate_expiry",
    schedule=CronDataIntervalTimetable("15 3 * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args={**UPKEEP},
    doc_md=__doc__,
    tags=["validation"],
):

    @task_group
    def each(items: str) -> None:
        """One entity."""
        told = {"items": items, "map_index_template": "{{ task.items }}"}
        looked = ValidateExpiry(task_id="validate_expiry", **told)
        looked >> ExpiryGate(task_id=f"gate_{GATE}", gate=GATE, trigger_rule="all_success", **told)

    each.expand(items=ListExpiring(task_id="list_expiring").output)
