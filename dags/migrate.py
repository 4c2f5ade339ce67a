"""Migrate a live table with no downtime and no lost row.

**Start it** with *Trigger*: choose the phase to go to. `onward` copies and proves up to `verified`, changing nothing that users
see; `cut_over` goes on from there: the application's own reads run on both tables, and a person approves. From `cut_over`,
`verified` cuts back, with every write since; `onward` never goes back. A run that has nothing to do skips everything. *Dry run*
prints the plan in the log of `preflight.plan_way`.

**Red?** Open the red gate → *Details* → *Evidence*: it lists each check and which rows. Mend the cause, then clear the red
task: the run goes on where it stood. A lane that was killed goes on at its next chunk; nothing is copied twice or lost.

**Stop everything, also without Airflow:** `./sluice abort NAME`, or in psql `SELECT sluice.abort('NAME');`
(before the cutover). Where it stands: `SELECT * FROM sluice.status;`
"""

from __future__ import annotations

from airflow.sdk import DAG, TaskGroup
from sluice.estate import EstateErrors, Migration, migration_files, read_migration, read_stores
from sluice.flow.approve import Approve
from sluice.flow.broken import broken_dag
from sluice.flow.forms import migration_form
from sluice.flow.gate import Gate
from sluice.flow.policy import defaults
from sluice.flow.project import ROOT
from sluice.flow.steps import CopyLane, PlanLanes, PlanWay, TakeStep


def migrate(m: Migration) -> DAG:
    """One graph, a group a phase; what is not on the way of a run is skipped."""
    with DAG(
        dag_id=f"migrate__{m.name}",
        schedule=None,
        allowed_run_types=["manual"],
        max_active_runs=1,
        params=migration_form(m),
        default_args=defaults(m.source.store) | {"migration": m.name},
        doc_md=__doc__.replace("NAME", m.name),
        tags=["migration", m.source.store],
    ) as dag:
        with TaskGroup("preflight") as preflight:
            PlanWay(task_id="plan_way")
        with TaskGroup("expand") as expand:
            TakeStep(task_id="expand_target", step="expand", gate="expanded") >> Gate(
                task_id="gate_expanded", gate="expanded", step="expand"
            )
        with TaskGroup("capture") as capture:
            TakeStep(task_id="start_capture", step="capture", gate="capturing") >> Gate(
                task_id="gate_capturing", gate="capturing", step="capture"
            )
        with TaskGroup("backfill") as backfill:
            lanes = PlanLanes(task_id="plan_lanes")
            copied = CopyLane.partial(task_id="copy_lane", map_index_template="lane {{ task.lane.number }}").expand(
                lane=lanes.output
            )
            finished = TakeStep(task_id="finish_backfill", step="backfill", gate="backfilled")
            copied >> finished >> Gate(task_id="gate_backfilled", gate="backfilled", step="backfill")
        with TaskGroup("verify") as verify:
            TakeStep(task_id="diff_tables", step="verify", gate="verified") >> Gate(
                task_id="gate_verified", gate="verified", step="verify", suites=m.gates.verified + m.gates.cut_over
            )
        with TaskGroup("shadow") as shadow:
            TakeStep(task_id="compare_reads", step="shadow", gate="shadowing") >> Gate(
                task_id="gate_shadowing", gate="shadowing", step="shadow"
            )
        with TaskGroup("cutover") as cutover:
            asked = Approve(task_id="approve_cutover", step="cut_over", gate="verified")
            swapped = TakeStep(task_id="cut_over", step="cut_over", gate="cut_over")
            asked >> swapped >> Gate(task_id="gate_cut_over", gate="cut_over", step="cut_over")
        with TaskGroup("retire") as retire:
            asked_again = Approve(task_id="approve_retire", step="retire", gate="cut_over")
            retired = TakeStep(task_id="retire_old", step="retire", gate="retired")
            asked_again >> retired >> Gate(task_id="gate_retired", gate="retired", step="retire")
        with TaskGroup("go_back") as go_back:
            back = TakeStep(task_id="cut_back", step="cut_back", gate="cut_back")
            proven = Gate(task_id="gate_cut_back", gate="cut_back", step="cut_back")
            back >> proven >> TakeStep(task_id="abort", step="abort", gate="aborted")
        preflight >> expand >> capture >> backfill >> verify >> shadow >> cutover >> retire
        preflight >> go_back
    return dag


stores = read_stores(ROOT)
for path in migration_files(ROOT):
    try:
        dag = migrate(read_migration(path, stores))
    except EstateErrors as error:
        dag = broken_dag("migrate", path, error)
    globals()[dag.dag_id] = dag
