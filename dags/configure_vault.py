"""Set the vault's bucket as the estate's file says: its versions, its locks, and what becomes of the old.

Every night, before the archive begins. It converges on `vault` of include/estate/estate.yaml: what is missing is switched on, and
nothing is ever made weaker. Rules that other people made stay to the letter. *Dry run* writes the plan into the log of
`configure_vault`.

**Red?** Open `gate_vault_configured` → *Details* → *Evidence*: it names each rule that would take months away before the file of
their table says so, whoever made it, and each line of the file that is refused, with the reason. Take the rule away, or mend the
file. `configure_vault` is red where the vault's connection may not read or set these things: docs/howto/lock-the-vault.md lists
what it needs. Nothing here can delete an object, lift a lock, or switch off what is on.
"""

from __future__ import annotations

from airflow.sdk import DAG, CronDataIntervalTimetable, Param
from sluice.flow.configuring import GATE, ConfigureVault, VaultGate
from sluice.flow.policy import UPKEEP

with DAG(
    dag_id="configure_vault",
    schedule=CronDataIntervalTimetable("0 2 * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    params={
        "dry_run": Param(False, type="boolean", title="Dry run", description="Only write down what would be done.")
    },
    default_args={**UPKEEP},
    doc_md=__doc__,
    tags=["upkeep"],
):
    ConfigureVault(task_id="configure_vault") >> VaultGate(
        task_id=f"gate_{GATE}", gate=GATE, trigger_rule="all_success"
    )
