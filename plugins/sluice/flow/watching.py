"""The operators that look for what was dropped: whether the vault, which alone has it, has it still."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from sluice.flow.alerting import raise_alarm
from sluice.flow.connections import open_vault, opened_control
from sluice.flow.copies import opened_store
from sluice.flow.gate import FactsGate

if TYPE_CHECKING:
    from airflow.sdk import Context

GATE = "archive_kept"


class WatchDropped(BaseOperator):
    """Look for tonight's part of the months that were dropped from one store, and tell people of one that is lost."""

    template_fields: Sequence[str] = ("store",)
    ui_color = "#e8f1fb"

    def __init__(self, *, store: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.store = store

    def execute(self, context: Context) -> dict[str, Any]:
        """Give how many months were looked for, of how many. Raises VaultDown, AccessDenied, AlertLate, AlertRefused."""
        from sluice.upkeep.archive.watching import look_for_months

        if context["params"]["dry_run"]:
            raise AirflowSkipException("A dry run: nothing was looked for, and nobody is told.")
        with opened_store(self.store) as (keeper, _):
            seen = look_for_months(keeper, open_vault())
        if not seen.known:
            raise AirflowSkipException(f"Nothing of {self.store} is in the vault alone.")
        with opened_control(whose(self.store), context["run_id"]) as control:
            control.record_facts(GATE, seen.facts, epoch=1)
        if seen.lost:
            raise_alarm(
                self.log, self.store, f"the vault has lost what was dropped: {seen.facts['lost_told']}", context
            )
        return {"months": seen.months, "of": seen.known}


class StoreGate(FactsGate):
    """A gate over the facts of one store."""

    template_fields: Sequence[str] = ("store", "gate", "suites")

    def __init__(self, *, store: str, gate: str, **kwargs: Any) -> None:
        super().__init__(gate=gate, **kwargs)
        self.store = store

    @property
    def whose(self) -> str:
        """The store."""
        return whose(self.store)

    @property
    def subject(self) -> str:
        """What was dropped from it."""
        return f"what of {self.store} is in the vault alone"


def whose(store: str) -> str:
    """The name under which the ledger keeps a store's facts; no table is called so."""
    return f"store/{store}"
