"""Fill a window of history again, and prove it: one run, one month, from the run's own data interval.

**Start it** with *Trigger → Backfill*, `airflow backfill create`, or
`./sluice backfill backfill_window__NAME --from 2025-01-01 --to 2025-12-01` (logical dates, the last included).
It fills only holes, so any window may be done any number of times: the same rows and the same hash each time, kept in the
ledger (`control.backfill_window`). It refuses outside capturing to verified: before, nothing would keep the window in step;
after, the old table is no longer the truth.

**Red?** Open `gate_window` → *Details* → *Evidence*: it says which rows differ. Nothing here can lose a row.
"""

from __future__ import annotations

from airflow.sdk import DAG, CronDataIntervalTimetable
from sluice.estate import EstateErrors, Migration, migration_files, read_migration, read_stores
from sluice.flow.broken import broken_dag
from sluice.flow.gate import Gate
from sluice.flow.policy import defaults
from sluice.flow.project import ROOT
from sluice.flow.windows import FillWindow


def backfill_window(m: Migration) -> DAG:
    """Fill, then judge."""
    with DAG(
        dag_id=f"backfill_window__{m.name}",
        schedule=CronDataIntervalTimetable("@monthly", timezone="UTC"),
        catchup=False,  # a scheduled run does the month gone by while the migration is under way, else it skips
        max_active_runs=2,
        default_args=defaults(m.source.store) | {"migration": m.name},
        doc_md=__doc__.replace("NAME", m.name),
        tags=["backfill", m.source.store],
    ) as dag:
        FillWindow(
            task_id="fill_window",
            lower="{{ data_interval_start | default('', true) }}",
            upper="{{ data_interval_end | default('', true) }}",
        ) >> Gate(task_id="gate_window", gate="window", trigger_rule="all_success")  # what was skipped is not judged
    return dag


stores = read_stores(ROOT)
for path in migration_files(ROOT):
    try:
        m = read_migration(path, stores)
        if not m.has_windows:
            continue
        dag = backfill_window(m)
    except EstateErrors as error:
        dag = broken_dag("backfill_window", path, error)
    globals()[dag.dag_id] = dag
