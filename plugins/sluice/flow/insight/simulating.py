"""The operator of `scale_capacity` that walks the rules through a time that was recorded."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from sluice.flow.connections import open_vault
from sluice.flow.evidence_link import KEY, EvidenceLink
from sluice.flow.insight import scaled
from sluice.flow.insight.ledger import opened_ledger
from sluice.flow.safety.of_a_store import OfAStore

if TYPE_CHECKING:
    from airflow.sdk import Context


class SimulateScaling(OfAStore):
    """Say what the rules would have done over a time that was recorded, and draw it: see *Details* → *Evidence* of it."""

    operator_extra_links = (EvidenceLink(),)
    ui_color = "#e8f1fb"

    def execute(self, context: Context) -> dict[str, Any]:
        """Give the picture's key, and each result. Skipped unless a time is asked for."""
        from sluice.insight.scaling.picturing import keep_picture

        start, end = _asked_time(context["params"])
        with opened_ledger(f"simulate scaling {self.store}") as ledger:
            made = scaled.simulations_of(self.store, ledger.samples, start, end)
        if not made:
            raise AirflowSkipException(
                f"{self.store}: nothing was measured from {start} to {end}, or it is forgotten by now."
            )
        ti = context["ti"]
        key = keep_picture(open_vault(), self.store, made, f"{ti.dag_id}/{ti.run_id}/{ti.task_id}")
        ti.xcom_push(key=KEY, value=key)
        told = "\n".join(map(str, made))
        self.log.info("%s\nDrawn, see *Details* → *Evidence* of this task: %s", told, key)
        return {"picture": key, "told": told}


def _asked_time(asked: Any) -> tuple[datetime, datetime]:
    if not asked["simulate_from"] and not asked["simulate_to"]:
        raise AirflowSkipException("No simulation was asked for (*Simulate from*, *to*).")
    try:
        start, end = (_utc(datetime.fromisoformat(asked[name] or "")) for name in ("simulate_from", "simulate_to"))
    except ValueError as error:
        raise AirflowFailException(
            f"*Simulate from* and *to* are a date or a time, such as 2026-11-16: {error}."
        ) from error
    if end <= start:
        raise AirflowFailException(f"*Simulate to* ({end}) is not after *from* ({start}).")
    return start, end


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
