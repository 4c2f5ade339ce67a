"""Back a store up into the vault every day, and read every byte of it back.

One for each store that has a `backup` in include/estate/estate.yaml, at its hour (`at`). It takes an increment where the server
can and the last whole backup is young, else a whole one. With `by: physical` the log between two backups is brought into the
vault by `ship_log__NAME`: with both, the store can be brought back to any moment of its window; with `by: logical` to that of
each dump. `restore_drill__NAME` proves it. *Trigger* takes one now, *A whole one* where you say so; nothing that users see is
changed, and a second one harms nobody.

Where RDS keeps the backups, a snapshot is taken instead, and copied into other regions; that these are whole is what RDS says, as
it shows nobody their bytes, and `gate_snapshot_fresh` judges it. Of what follows `prune_backups` alone is done there.

Where the file has `elsewhere`, `copy_elsewhere` copies what is to lie in another region too, and reads it back there. What is
kept for nothing any more goes then (`keep` and `window` in the file), in both places, with the log that nothing needs; never
without a newer backup that was read back, or that AWS calls whole where it keeps them. Of dumps and tables, what nobody has read
back yet is read first. With `by: physical`, a bit is flipped in copies of the backup, of its log and of its manifest:
verification must see each; in all others that task skips.

Tables of DynamoDB: `documents` reads every item; `service` has AWS keep their history and make a backup on demand, by its word
alone (`gate_service_fresh`). Where the file has `exports`, `take_exports` asks for an export of each table to the vault when
the newest is old, and reads it back the next night. What goes of pgBackRest's is its own configuration's to say:
`prune_backups` skips.

**Red?** `take_backup` says what is in the way: a role that may not replicate, tablespaces, a vault that cannot be reached. Half
of a backup is none: what was there before counts. `verify_backup` is red where an object is not what was stored, or the log
that the backup needs has not come: look at `ship_log__NAME`. `gate_backup_fresh` says, under *Details* → *Evidence*, how old
the newest is, and how far the log in the vault is behind. `copy_elsewhere` says which bucket does not lie where it should.
`take_exports` names each table whose export failed, or is not what its manifest says: the next night asks anew. `prune_backups`
is red where more than half would go at once: nothing went; read its plan, then *Trigger* with *Let many go*.
`gate_backups_kept` names what a backup has lost, what lacks elsewhere, what is encrypted by another key, and rules of the
bucket that end one early. `poison_copy` is red where verification saw nothing: trust none of it then.
"""

from __future__ import annotations

from airflow.sdk import DAG, CronDataIntervalTimetable
from sluice.estate.backups import Backups
from sluice.flow.safety.backing_up import BackupGate, TakeStoreBackup, VerifyBackup, gate_of
from sluice.flow.safety.exporting import TakeExports
from sluice.flow.safety.forms import backup_form
from sluice.flow.safety.keeping import GATE as KEPT
from sluice.flow.safety.keeping import CopyElsewhere, KeepBackups, KeptBackupsGate, PoisonBackup
from sluice.flow.safety.policy import keeping_defaults
from sluice.flow.safety.rds import GATE as SNAPSHOT
from sluice.flow.safety.rds import TakeRdsSnapshot, VerifyRdsSnapshot
from sluice.flow.safety.stores import backed_up, daily


def backup_store(name: str, backup: Backups) -> DAG:
    """Take, read back, judge."""
    with DAG(
        dag_id=f"backup__{name}",
        schedule=CronDataIntervalTimetable(daily(backup.at), timezone="UTC"),
        catchup=False,
        max_active_runs=1,
        params=backup_form(backup),
        default_args=keeping_defaults(name),
        doc_md=__doc__.replace("NAME", name),
        tags=["safety", name],
    ) as dag:
        if backup.by == "rds":  # which keeps them itself, and shows nobody their bytes
            snapshot = TakeRdsSnapshot(task_id="take_backup")
            seen = VerifyRdsSnapshot(task_id="verify_backup", backup_id=snapshot.output, trigger_rule="all_success")
            fresh = BackupGate(task_id=f"gate_{SNAPSHOT}", gate=SNAPSHOT, trigger_rule="all_success")
            kept = KeepBackups(task_id="prune_backups", trigger_rule="all_success")
            seen >> fresh >> kept >> KeptBackupsGate(task_id=f"gate_{KEPT}", gate=KEPT, trigger_rule="all_success")
            return dag
        taken = TakeStoreBackup(task_id="take_backup")
        verified = VerifyBackup(task_id="verify_backup", backup=taken.output, trigger_rule="all_success")
        if backup.exports:
            verified >> TakeExports(task_id="take_exports", trigger_rule="all_success")
        fresh = BackupGate(task_id=f"gate_{gate_of(backup.by)}", gate=gate_of(backup.by), trigger_rule="all_success")
        kept = KeepBackups(task_id="prune_backups", trigger_rule="all_success")
        verified >> fresh >> kept >> KeptBackupsGate(task_id=f"gate_{KEPT}", gate=KEPT, trigger_rule="all_success")
        if backup.elsewhere:
            fresh >> CopyElsewhere(task_id="copy_elsewhere", trigger_rule="all_success") >> kept
        verified >> PoisonBackup(task_id="poison_copy", backup=taken.output, trigger_rule="all_success")
    return dag


for name, store in backed_up().items():
    if store.backup:
        dag = backup_store(name, store.backup)
        globals()[dag.dag_id] = dag
