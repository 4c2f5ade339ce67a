"""Bring old months into the vault, prove them there, and drop them when they have cooled.

Every night, for each table whose file in include/estate/datasets has a `retention`; each month has a branch of its own, and one
that is red stops no other. A month is detached, stored, and read back; then it cools beside its table, and a later night drops
it, after a person's yes where the file says so. It goes by the database's clock and the ledger in the store: a missed night, a
second run or a backfill of last year changes nothing. *Dry run* writes into the log of `list_months` what two years would
bring, and draws it: *Details* → *Evidence*.
Rows that came late for a month that has left take the same way, or open it again, as `late` in the file says.
Copies of months that restore_archive has made go when their time is over, in every store: `drop_copies`.
What was dropped is in the vault alone: `watch_dropped` looks for a part of it each night, each part in its turn.

**Red?** `archive_month` says who is in the way, or what differs, and what to do; no row is lost by it: each is in the database,
or in an object that was read back. The gates show, under *Details* → *Evidence*, what the month held and what the vault holds.
`drop_month` is red where the database refuses: somebody wrote to the month since, or the vault lost it. Nothing is dropped then.
`drop_copies` is red for the same reasons: the copy stays, and says what to do with it.
`gate_archive_kept` is red where the vault has lost something of a month that was dropped, and names it: it is an alarm (P1), too.
"""

from __future__ import annotations

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, CronDataIntervalTimetable, Param, chain, task, task_group
from sluice.flow.archiving import (
    GATES,
    ApproveDrop,
    ArchiveMonth,
    DropMonth,
    ListArchived,
    ListMonths,
    MonthGate,
)
from sluice.flow.copies import DropCopies, ListStores
from sluice.flow.policy import UPKEEP
from sluice.flow.watching import GATE as KEPT
from sluice.flow.watching import StoreGate, WatchDropped

EACH = "{{ task.month }}"

with DAG(
    dag_id="archive_retention",
    schedule=CronDataIntervalTimetable("30 2 * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=2,  # a question that is open holds up no other run
    params={
        "dry_run": Param(False, type="boolean", title="Dry run", description="Only foresee what would go, and when.")
    },
    default_args={**UPKEEP},
    doc_md=__doc__,
    tags=["upkeep"],
):
    months = ListMonths.partial(task_id="list_months", map_index_template="{{ task.dataset }}").expand(
        dataset=ListArchived(task_id="list_datasets").output
    )

    @task(trigger_rule="all_done")
    def list_all(found: list[list[dict[str, str]]]) -> list[dict[str, str]]:
        """Put the months of all tables together; what was red is missing."""
        return [month for one in found or () for month in one or ()]

    @task_group
    def each(dataset: str, month: str) -> None:
        """One month."""
        told = {"dataset": dataset, "month": month, "map_index_template": EACH}
        way = [
            ArchiveMonth(task_id="archive_month", max_active_tis_per_dag=1, **told),
            *(MonthGate(task_id=f"gate_{gate}", gate=gate, trigger_rule="all_success", **told) for gate in GATES),
            ApproveDrop(task_id="approve_drop", trigger_rule="all_success", **told),
            DropMonth(task_id="drop_month", trigger_rule="none_failed", max_active_tis_per_dag=1, **told),
        ]
        chain(*way)

    each.expand_kwargs(list_all(months.output))
    months >> EmptyOperator(task_id="finish_list")  # red where a list is: what nobody waits for decides over the run

    stores = ListStores(task_id="list_stores").output
    DropCopies.partial(task_id="drop_copies", map_index_template="{{ task.store }}").expand(store=stores)

    @task_group
    def dropped(store: str) -> None:
        """What is in the vault alone."""
        told = {"store": store, "map_index_template": "{{ task.store }}"}
        WatchDropped(task_id="watch_dropped", **told) >> StoreGate(
            task_id=f"gate_{KEPT}", gate=KEPT, trigger_rule="all_success", **told
        )

    dropped.expand(store=stores)
