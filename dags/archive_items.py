"""Bring old months of records in DynamoDB into the vault, prove them there, and delete them when they have cooled.

Every night, for each entity that has a file in include/estate/items; each month has a branch of its own, and one that is red
stops no other. A month is read through its index, stored, read back, and each record held against the table. Then it cools in
the table, and a later night deletes it, after a person's yes unless the file asks nobody. It goes by the store's clock and the
notes in the vault: a missed night or a second run changes nothing. *Dry run* only lists what is due.
What was deleted is in the vault alone: `watch_deleted` looks for a part of it each night, each part in its turn.

**Red?** `archive_items` says what differs, and what to do; no record is lost by it: each is in the table, or in an object that
was read back. `gate_items_readback` shows, under *Details* → *Evidence*, what was stored, read, and found in the table.
`delete_items` deletes a record for its own line in the vault, and only while it still is that; what was changed is stored anew.
`gate_archive_kept` is red where the vault has lost something of a month that was deleted, and names it: it is an alarm (P1), too.
"""

from __future__ import annotations

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, CronDataIntervalTimetable, Param, chain, task, task_group
from sluice.flow.items import GATE, ApproveDelete, ArchiveItems, DeleteItems, ItemsGate, ListItemMonths, ListItems
from sluice.flow.policy import UPKEEP
from sluice.flow.watching import GATE as KEPT
from sluice.flow.watching import EntityGate, WatchDeleted

EACH = "{{ task.items }} {{ task.month }}"

with DAG(
    dag_id="archive_items",
    schedule=CronDataIntervalTimetable("45 2 * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=2,  # a question that is open holds up no other run
    params={"dry_run": Param(False, type="boolean", title="Dry run", description="Only list the months that are due.")},
    default_args={**UPKEEP},
    doc_md=__doc__,
    tags=["upkeep"],
):
    entities = ListItems(task_id="list_items").output
    months = ListItemMonths.partial(task_id="list_months", map_index_template="{{ task.items }}").expand(items=entities)

    @task(trigger_rule="all_done")
    def list_all(found: list[list[dict[str, str]]]) -> list[dict[str, str]]:
        """Put the months of all entities together; what was red is missing."""
        return [month for one in found or () for month in one or ()]

    @task_group
    def each(items: str, month: str) -> None:
        """One month."""
        told = {"items": items, "month": month, "map_index_template": EACH}
        chain(
            ArchiveItems(task_id="archive_items", max_active_tis_per_dag=1, **told),
            ItemsGate(task_id=f"gate_{GATE}", gate=GATE, trigger_rule="all_success", **told),
            ApproveDelete(task_id="approve_delete", trigger_rule="all_success", **told),
            DeleteItems(task_id="delete_items", trigger_rule="none_failed", max_active_tis_per_dag=1, **told),
        )

    each.expand_kwargs(list_all(months.output))
    months >> EmptyOperator(task_id="finish_list")  # red where a list is: what nobody waits for decides over the run

    @task_group
    def deleted(items: str) -> None:
        """What is in the vault alone."""
        told = {"items": items, "map_index_template": "{{ task.items }}"}
        WatchDeleted(task_id="watch_deleted", **told) >> EntityGate(
            task_id=f"gate_{KEPT}", gate=KEPT, trigger_rule="all_success", **told
        )

    deleted.expand(items=entities)
