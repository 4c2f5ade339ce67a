"""Back Airflow's own database up, prove that backup, and take history out that nobody needs any more.

Every night, where include/estate/estate.yaml has `airflow`. The dump goes into the vault in pieces, is read back, and restored
into a database made for that: only if each table has the rows of the snapshot again is it a backup. Then Airflow's own
`airflow db clean` takes away what is older than `keep`; nothing as young as the oldest run that has not ended, a question without
an answer among them. The newest backups are kept. *Dry run* writes into the log of `take_backup` what is old.

**Red?** `take_backup` says what is in the way: a role that may not make databases, a pg_dump older than the server, a copy that
is not the same. Nothing is taken away then. `gate_airflow_history` lists, under *Details* → *Evidence*, what went and should
not have: it is in the tables `_airflow_deleted__…` until the next run, and in the backup. docs/howto/keep-airflow-small.md
brings it back.
"""

from __future__ import annotations

from airflow.sdk import DAG, CronDataIntervalTimetable, Param
from sluice.flow.maintaining import BACKUP, HISTORY, AirflowGate, PruneBackups, PruneHistory, TakeBackup
from sluice.flow.policy import UPKEEP

with DAG(
    dag_id="maintain_airflow",
    schedule=CronDataIntervalTimetable("30 3 * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    params={"dry_run": Param(False, type="boolean", title="Dry run", description="Only tell what is old.")},
    default_args={**UPKEEP},
    doc_md=__doc__,
    tags=["upkeep"],
):
    backed_up = AirflowGate(task_id="gate_airflow_backup", gate=BACKUP, trigger_rule="all_success")
    TakeBackup(task_id="take_backup") >> backed_up
    pruned = AirflowGate(task_id="gate_airflow_history", gate=HISTORY, trigger_rule="all_success")
    backed_up >> PruneHistory(task_id="prune_history") >> pruned
    backed_up >> PruneBackups(task_id="prune_backups")
