"""Say what has become of one tenant's rows since a moment: missing, changed, added; and write the SQL that puts them back.

Started by a person: "tenant 42 as of Tuesday 14:03". The store is brought back to that moment under a name of its own, and
taken away again. Tables of the tenant are those with the column (`tenant_id`), and those whose policies read the same setting
as theirs. Rows are compared by key and hash, in one snapshot. `restores/NAME/` in the vault then has `put_back.sql` (INSERT …
ON CONFLICT DO NOTHING, and UPDATE of a row that is still what it was when it was compared; parents first), a CSV for each
table, and the counts. Nothing runs that SQL: a person reads it, and runs it as a role that policies do not filter. Rows that
were added since are left as they are. The log has counts alone, and names what was left out: tables without a key, and those
that refer to the tenant's and have no column of it.

**Red?** `compare_tenant` says why: no table has that column, a value that the column cannot have, no backup was whole before that
moment. Nothing was changed.
"""

from __future__ import annotations

from airflow.sdk import DAG, chain
from sluice.estate.backups import Backups
from sluice.flow.policy import defaults
from sluice.flow.safety.forms import tenant_form
from sluice.flow.safety.rds import DropRdsCopy, StartRdsCopy
from sluice.flow.safety.stores import backed_up
from sluice.flow.safety.tenants import CompareTenant


def restore_tenant(name: str, backup: Backups) -> DAG:
    """Compare one tenant."""
    with DAG(
        dag_id=f"restore_tenant__{name}",
        schedule=None,
        catchup=False,
        max_active_runs=1,
        params=tenant_form(backup),
        default_args=defaults(name) | {"store": name},
        doc_md=__doc__.replace("NAME", name),
        tags=["safety", name],
    ) as dag:
        compared = CompareTenant(task_id="compare_tenant")
        if backup.by == "rds":  # which takes its time, and no worker waits
            asked = {"kind": "{{ params.target }}", "value": "{{ params.value or '' }}"}
            started = StartRdsCopy(task_id="start_copy", **asked)
            chain(started, compared, DropRdsCopy(task_id="drop_copy", **asked).as_teardown())
    return dag


for name, store in backed_up().items():
    if store.backup and store.engine == "postgres":
        dag = restore_tenant(name, store.backup)
        globals()[dag.dag_id] = dag
