"""Bring a store back, on the day it is needed: as of a moment, beside the one that lives or has died, never over it.

Started by a person, who says the moment and types the store's name. What was brought back is under a name of its own,
`sluice-scratch-…`, on the worker's disk (`backup.scratch`), with the settings and rules that the server had; its address is in
the log of `restore_store`, with the last commit that it has and how long each phase took. Look at it; then point users at it,
or copy out of it what was lost. After *Days* `reap_scratch` says each hour that its time is over; it goes when a person names
it there. Restores may be repeated, also while one stands. Tables of DynamoDB come back as tables of such names, with all that
was set.

**Red?** `restore_store` says why: no backup was whole before that moment, the log has a gap (it says up to where it goes), an
object is damaged, the disk is full. What was half there is taken away again; the store itself is never touched.
"""

from __future__ import annotations

from airflow.sdk import DAG
from sluice.flow.policy import defaults
from sluice.flow.safety.bringing_back import RestoreStore
from sluice.flow.safety.forms import tables_form, target_form
from sluice.flow.safety.stores import backed_up


def restore(name: str, engine: str) -> DAG:
    """Bring it back."""
    with DAG(
        dag_id=f"restore__{name}",
        schedule=None,
        catchup=False,
        max_active_runs=1,
        params=tables_form(drill=False) if engine == "dynamodb" else target_form(drill=False),
        default_args=defaults(name) | {"store": name},
        doc_md=__doc__.replace("NAME", name),
        tags=["safety", name],
    ) as dag:
        RestoreStore(task_id="restore_store")
    return dag


for name, store in backed_up().items():
    dag = restore(name, store.engine)
    globals()[dag.dag_id] = dag
