"""Bring a store back for proof, every day: as it is now, and as of a moment that is drawn. Then take it away again.

One for each store that has a `backup` in include/estate/estate.yaml, at its hour (`drill_at`). The living store is counted,
every table with a hash of all its rows; then it is brought back under a name of its own, `sluice-scratch-…`, read from end to
end, its indexes held against its rows, and compared with the count: rows, roles, grants, policies, constraints, sequences. How
long each phase took, and how much of the latest writes would be lost, is held against the `rto` and `rpo` of the store. Each
drill leaves a certificate in the vault, `drills/NAME/`. Once a month the oldest backup that is kept is brought back as well, as
it was when it was whole, and so is the oldest copy elsewhere. *Trigger* drills a moment of your choice: a time, a position in
the log, a named point, one backup. Tables of DynamoDB are compared item by item, and setting by setting; what a drill must not
put back is told.

Suites of yours (`checks`) run over the copy as well: at the latest moment they count, as of an earlier one they are told. Other
databases of the server are looked through, and not counted: the certificate names them.

Of a store in RDS, `start_copy` has a copy brought up while no worker waits, and `drop_copy` takes it away, whatever became of the
drill. There, and at Neon, counts have no place in a log: the store is counted once more while the copy of the latest moment
stands, and what was written between two counts is held against nothing.

**Red?** `drill_restore` says what stopped it: an object that is damaged, a file of the log that is missing, a disk that is
full. `gate_restore_drill` lists, under *Details* → *Evidence*, what the copy lacked, or by how much it was too late. It is
about a copy: the store itself was only read. Take a whole backup (`backup__NAME`), and drill again: until then this store may
not come back.
"""

from __future__ import annotations

from airflow.sdk import DAG, CronDataIntervalTimetable, chain, task_group
from sluice.estate.backups import Backups
from sluice.flow.safety.counting import CountStore
from sluice.flow.safety.drilling import GATE, DrillGate, DrillRestore
from sluice.flow.safety.forms import drill_form
from sluice.flow.safety.moments import DrawMoments
from sluice.flow.safety.policy import keeping_defaults
from sluice.flow.safety.rds import DropRdsCopy, StartRdsCopy
from sluice.flow.safety.stores import backed_up, daily


def restore_drill(name: str, backup: Backups) -> DAG:
    """Count, choose the moments, drill each."""
    with DAG(
        dag_id=f"restore_drill__{name}",
        schedule=CronDataIntervalTimetable(daily(backup.drill_at), timezone="UTC"),
        catchup=False,
        max_active_runs=1,
        params=drill_form(backup),
        default_args=keeping_defaults(name),
        doc_md=__doc__.replace("NAME", name),
        tags=["safety", name],
    ) as dag:
        moments = DrawMoments(task_id="list_moments", trigger_rule="none_failed")  # a dump has its count already

        @task_group
        def each(kind: str, value: str) -> None:
            """One moment."""
            told = {
                "kind": kind,
                "value": value,
                "store": name,
                "map_index_template": "{{ task.kind }} {{ task.value }}",
            }
            # One at a time: two would share the disk, and each would be slower than on the day it is needed.
            drilled = DrillRestore(task_id="drill_restore", max_active_tis_per_dag=1, **told)
            chain(drilled, DrillGate(task_id=f"gate_{GATE}", gate=GATE, trigger_rule="all_success", **told))
            if backup.by == "rds":  # which takes its time, and no worker waits
                started = StartRdsCopy(task_id="start_copy", **told)
                chain(started, drilled, DropRdsCopy(task_id="drop_copy", **told).as_teardown())

        CountStore(task_id="take_census") >> moments
        each.expand_kwargs(moments.output)
    return dag


for name, store in backed_up().items():
    if store.backup:
        dag = restore_drill(name, store.backup)
        globals()[dag.dag_id] = dag
