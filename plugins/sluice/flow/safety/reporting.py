"""The operators of `report_safety`: how the drills of each store go, and how it stands."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from sluice.flow.connections import open_vault
from sluice.flow.evidence_link import KEY, EvidenceLink
from sluice.flow.safety.of_a_store import OfAStore
from sluice.flow.safety.stores import backup_of, driver_of, goals_of
from sluice.flow.steps import check_words

if TYPE_CHECKING:
    from airflow.sdk import Context


class ShowDrills(OfAStore):
    """Put the drills of one store together, and draw them: the picture is what the task's link opens."""

    operator_extra_links = (EvidenceLink(),)
    ui_color = "#e8f1fb"

    def execute(self, context: Context) -> dict[str, Any]:
        """Give when its RTO will be passed, and where the picture is. Raises Unreadable, VaultDown, AlreadyThere."""
        from sluice.safety.drill.certificate import certificates_of
        from sluice.safety.drill.picturing import keep_picture
        from sluice.safety.drill.trend import trend_of
        from sluice.safety.drill.trend_told import told, when_breached

        check_words(context)
        store, vault = backup_of(self.store)[0], open_vault()
        stored = {one.id: one.bytes for one in driver_of(self.store).backups()}
        trend = trend_of(certificates_of(vault, self.store), stored, goals_of(store), datetime.now(UTC))
        if trend is None:
            raise AirflowSkipException(f"No drill of {self.store} in the last months: run restore_drill__{self.store}.")
        ti = context["ti"]
        key = keep_picture(vault, trend, f"{ti.dag_id}/{ti.run_id}/{ti.task_id}")
        ti.xcom_push(key=KEY, value=key)
        self.log.info("%s\nDrawn, see *Details* → *Evidence* of this task: %s", told(trend), key)
        breach = trend.breach.likely.isoformat() if trend.breach else None
        return {"picture": key, "breach": breach, "told": when_breached(trend)}


class MakeRunbooks(BaseOperator):
    """Write the runbooks anew, with what the last drills have measured, and keep them in the vault."""

    ui_color = "#e8f1fb"

    def execute(self, context: Context) -> str:
        """Give their folder. Raises NoConnection, Unreadable, VaultDown, AccessDenied."""
        from sluice.flow.safety.exposing import known_at
        from sluice.safety.runbooks.keeping import keep_runbooks
        from sluice.safety.runbooks.pages import runbooks

        check_words(context)
        now = datetime.now(UTC)
        return keep_runbooks(open_vault(), runbooks(known_at(now)), now)
