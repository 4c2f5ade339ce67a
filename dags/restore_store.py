"""Bring a store back, on the day it is needed: as of a moment, beside the one that lives or has died, never over it.

Started by a person, who says the moment and types the store's name. What was brought back is under a name of its own,
`sluice-scratch-…`, on the worker's disk (`backup.scratch`), with the settings and rules that the server had; its address is in
the log of `restore_store`, with the last commit that it has and how long each phase took. Look at it; then point users at it,
or copy out of it what was lost. After *Days* `reap_scratch` says each hour that its time is over; it goes when a person names
it there. Restores may be repeated, also while one stands. Tables of DynamoDB come back as tables of such names, with all that
was set.

Of a store in RDS it is an instance beside the original, like it in everything, in its own region or in one that its snapshots are
copied into; nobody but you deletes it. Of one at Neon it is a branch.

**Red?** `restore_store` says why: no backup was whole before that moment, the log has a gap (it says up to where it goes), an
object is damaged, the disk is full. What was half there is taken away again, by the next try where a worker was killed; the
store itself is never touched. `warm_store` reads what users read most into the copy's memory, where *Warm it up* asks for it:
where it is red the copy stands all the same, and is as slow as its disk at first.
"""

from __future__ import annotations

from airflow.sdk import DAG
from sluice.estate.backups import Backups
from sluice.flow.safety.bringing_back import RestoreStore, WarmStore
from sluice.flow.safety.forms import restore_form
from sluice.flow.safety.policy import restoring_defaults
from sluice.flow.safety.rds import RestoreRdsStore
from sluice.flow.safety.stores import backed_up


def restore(name: str, backup: Backups) -> DAG:
    """Bring it back."""
    with DAG(
        dag_id=f"restore__{name}",
        schedule=None,
        catchup=False,
        max_active_runs=1,
        params=restore_form(backup),
        default_args=restoring_defaults(name),
        doc_md=__doc__.replace("NAME", name),
        tags=["safety", name],
    ) as dag:
        restored = (RestoreRdsStore if backup.by == "rds" else RestoreStore)(task_id="restore_store")
        if backup.way.engine == "postgres":
            WarmStore(task_id="warm_store", restored=restored.output, trigger_rule="all_success")
    return dag


for name, store in backed_up().items():
    if store.backup:
        dag = restore(name, store.backup)
        globals()[dag.dag_id] = dag
