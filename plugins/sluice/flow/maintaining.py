"""The operators of Airflow's own database: back it up, judge, prune it, and keep the newest backups."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from sluice.flow.connections import dsn_of, open_vault, opened_control
from sluice.flow.gate import FactsGate, proven
from sluice.flow.project import ROOT
from sluice.flow.steps import check_words

if TYPE_CHECKING:
    from airflow.sdk import Context

    from sluice.estate.models import AirflowDatabase
    from sluice.ledger.control import Control
    from sluice.upkeep.metadata.backup import Backup

log = logging.getLogger(__name__)
WHOSE = "airflow/database"
"""The name under which the ledger keeps the facts; no table is called so."""
BACKUP, HISTORY = "airflow_backup", "airflow_history"
NOT_KEPT = "Airflow's database is not kept: include/estate/estate.yaml has no `airflow`. Nothing was done."
FRESH = timedelta(hours=2)
"""How old a backup may be that is judged, and after which something is taken away: taking one lasts."""


class TakeBackup(BaseOperator):
    """Back Airflow's database up into the vault, read it back, and restore it for a trial. A dry run tells what is old."""

    ui_color = "#dcefe2"

    def execute(self, context: Context) -> dict[str, Any]:
        """Give the manifest's key. Raises NotAirflows, NoTrial, TrialFailed, Damaged, and what the database refuses."""
        from sluice.stores.postgres import connect
        from sluice.upkeep.metadata.backing_up import take_backup
        from sluice.upkeep.metadata.pruning import plan_pruning

        check_words(context)
        kept = _kept()
        dsn = dsn_of(kept.connection)
        with connect(dsn, purpose="airflow plan") as c:
            self.log.info("%s", plan_pruning(c, kept.keep))
        if context["params"]["dry_run"]:
            raise AirflowSkipException("A dry run: nothing was changed.")
        taken = take_backup(dsn, dsn_of(kept.scratch or kept.connection), open_vault(), self.log.info)
        facts = {
            "manifest": taken.key,
            "bytes": taken.backup.size,
            "tables": len(taken.backup.tables),
            "rows": sum(taken.backup.tables.values()),
            "tables_restored": len(taken.restored),
            "rows_restored": sum(taken.restored.values()),
        }
        with opened_control(WHOSE, context["run_id"]) as control:
            control.record_facts(BACKUP, facts, epoch=1)
        return facts


class PruneHistory(BaseOperator):
    """Have Airflow take its old history away, after a backup of the same run, and measure what is left."""

    ui_color = "#f3d9d9"

    def execute(self, context: Context) -> dict[str, Any]:
        """Give what went. Raises CleanFailed, LockBusy, and what the database refuses."""
        from sluice.flow.cleaning import clean
        from sluice.stores.postgres import connect
        from sluice.upkeep.metadata.pruning import CLEANED, prune

        kept = _kept()
        dsn = dsn_of(kept.connection)
        with opened_control(WHOSE, context["run_id"]) as control, connect(dsn, purpose="airflow history") as c:
            backup = proven_backup(control)
            by_airflow = partial(clean, dsn, CLEANED, tell=self.log.info)
            facts = prune(c, backup, kept.keep, by_airflow)
            control.record_facts(HISTORY, facts, epoch=1)
        return {name: facts[name] for name in ("cutoff", "rows_old", "bytes_before", "bytes_after")}


class PruneBackups(BaseOperator):
    """Keep the newest backups, once that of this run is proven, and take the others away."""

    ui_color = "#f3d9d9"

    def execute(self, context: Context) -> int:
        """Give how many went. Raises VaultDown, AccessDenied."""
        from sluice.upkeep.metadata.thinning import thin

        with opened_control(WHOSE, context["run_id"]) as control:
            proven_backup(control)
        return thin(open_vault(), _kept().backups, self.log.info)


class AirflowGate(FactsGate):
    """A gate over the facts of Airflow's database."""

    template_fields: Sequence[str] = ("gate", "suites")
    freshness = FRESH

    @property
    def whose(self) -> str:
        """Airflow's database."""
        return WHOSE

    @property
    def subject(self) -> str:
        """What is maintained."""
        return "Airflow's database"


def proven_backup(control: Control) -> Backup:
    """Give the backup that this run has taken, if its gate was green and it is fresh.

    Raises NoFacts, AirflowFailException, Unreadable, NoSuchKey, VaultDown.
    """
    from sluice.upkeep.metadata.backup import read_backup

    return read_backup(open_vault(), str(proven(control, BACKUP, FRESH).facts["manifest"]))


def _kept() -> AirflowDatabase:
    from sluice.estate import read_stores

    kept = read_stores(ROOT).airflow
    if kept is None:
        log.info(NOT_KEPT)  # Airflow's log says of a skip that it is one, and not why
        raise AirflowSkipException(NOT_KEPT)
    return kept
