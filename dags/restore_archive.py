"""Bring an archived month back: into its table, or a copy of it beside the table or into another store.

Started by a person, who says which table and which month. *In place*: a month that only cools is attached as it is; one that was
dropped is built from its manifest, loaded, and its count and hash compared with the ledger, in one transaction. When its time is
over, archive_retention takes it away again. *Beside*: a table of its own, which nothing is attached to; with another store it is
made there, from the vault alone, whether or not the database that it came from is there still. When its time is over,
archive_retention drops it, if nobody wrote to it. *Days* 0 brings nothing back: it ends what is back, sooner than was asked for.

Its result, and the end of its log, say what is back: every partition that meets the month, a week or a day too, its table, and
until when.

**Red?** `restore_month` says what does not fit: the table has changed since, a name is taken, a type is missing, the vault has
the month more than once, or holds something else. Nothing was changed then; docs/howto/archive-old-months.md says what to do.
"""

from __future__ import annotations

from airflow.sdk import DAG, Param
from sluice.flow.forms import optional_text
from sluice.flow.policy import UPKEEP
from sluice.flow.restoring import RestoreMonth

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
        "where": Param(
            "in place",
            type="string",
            enum=["in place", "beside"],
            title="Where",
            description="Into its table again, or a copy of it, as a table of its own.",
        ),
        "store": optional_text("Store", "Of the copy. Empty: the table's own."),
        "manifest": optional_text("Manifest", "Its key in the vault, where a month was stored more than once."),
        "days": Param(
            14,
            type="integer",
            minimum=0,
            maximum=3650,
            title="Days",
            description="How long it stays. 0: what is back is over its time; the next archive_retention takes it away.",
        ),
    },
    default_args={**UPKEEP},
    doc_md=__doc__,
    tags=["upkeep"],
):
    RestoreMonth(task_id="restore_month")
