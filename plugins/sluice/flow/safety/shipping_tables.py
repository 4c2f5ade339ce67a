"""The operators of `ship_log__<store>` for tables: their streams go into the vault, and a gap in them is answered by a base."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from sluice.errors import Terminal
from sluice.flow.alerting import raise_alarm
from sluice.flow.connections import open_vault
from sluice.flow.safety.keeping import check_residency
from sluice.flow.safety.shipping import RESTS
from sluice.flow.safety.stores import backup_of, tables_of

if TYPE_CHECKING:
    from airflow.sdk import Context


class ShipStreams(BaseOperator):
    """Ship the streams of a store's tables for `seconds`; the vault says where the next run goes on."""

    template_fields: Sequence[str] = ("store",)
    ui_color = "#dcefe2"

    def __init__(self, *, store: str, seconds: float = 240.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.store = store
        self.seconds = seconds

    def execute(self, context: Context) -> str | None:
        """Give the name of a log that wants a base now; None where there is one.

        Raises LogLost, OutsideResidency, Throttled, VaultDown.

        A log that is not there, or has ended, is begun before anybody takes a base: what is written meanwhile is in it.
        """
        from sluice.safety.documents.shipping import NoLog, Shipper
        from sluice.safety.driver import LogLost

        check_residency(self.store, open_vault())
        driver, every = tables_of(self.store), backup_of(self.store)[1].every
        try:
            try:
                Shipper(tuple(driver.shippers.values()), every).run(timedelta(seconds=self.seconds))
            except (LogLost, NoLog) as why:
                if isinstance(why, LogLost):
                    raise_alarm(self.log, f"the log of {self.store}", str(why), context)
                for one in driver.shippers.values():
                    one.begin()
        except Terminal as why:
            raise_alarm(self.log, f"the log of {self.store}", str(why), context)
            time.sleep(RESTS)  # the next run follows at once
            raise
        return driver.unbased()


class StartBase(TriggerDagRunOperator):
    """Have a backup taken now, once for each log that is begun. Nobody waits for it: the log is shipped meanwhile."""

    ui_color = "#dcefe2"

    def __init__(self, *, store: str, log: str, **kwargs: Any) -> None:
        """`log` is what ShipStreams gave: a run of its name is there already where a backup was asked for."""
        super().__init__(
            trigger_dag_id=f"backup__{store}",
            trigger_run_id=log,
            skip_when_already_exists=True,
            openlineage_inject_parent_info=False,  # a word that the form of the backup does not have
            **kwargs,
        )

    def execute(self, context: Context) -> Any:
        """Ask for it. Skipped where the log has its base."""
        if not self.trigger_run_id:
            raise AirflowSkipException("The log has its base.")
        self.trigger_run_id = f"log_begun__{self.trigger_run_id}"
        return super().execute(context)
