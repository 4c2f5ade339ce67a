"""The operators of `ship_log__<store>`: they ship a store's log, with a heartbeat beside, and see that it has a backup."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk.exceptions import AirflowSkipException

from sluice.errors import Terminal
from sluice.flow.alerting import note_told, raise_alarm
from sluice.flow.connections import dsn_of, open_vault
from sluice.flow.safety.keeping import check_residency
from sluice.flow.safety.of_a_store import OfAStore
from sluice.flow.safety.stores import backup_of, driver_of, opened_backup

if TYPE_CHECKING:
    from airflow.sdk import Context

EVERY = timedelta(seconds=10)
"""How often the file of the log that is being written is stored, and how often the heart beats."""

RESTS = 300.0
"""Seconds between two tries where a person must act."""


class Ships(OfAStore):
    """What ships one store's log for `seconds`; the vault says where the next run goes on."""

    ui_color = "#dcefe2"

    def __init__(self, *, seconds: float = 240.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seconds = seconds

    def execute(self, context: Context) -> str | None:
        """Ship. Where a person must act they are told, and the next run waits some minutes.

        Raises OutsideResidency, and what `ship` does.
        """
        try:
            check_residency(self.store, open_vault())
            return self.ship(context)
        except Terminal as why:
            raise_alarm(self.log, f"the log of {self.store}", str(why), context)
            time.sleep(RESTS)
            note_told(why)
            raise

    def ship(self, context: Context) -> str | None:
        """Do it."""
        raise NotImplementedError


class ShipLog(Ships):
    """Ship the log of a server, with a heartbeat beside it."""

    def ship(self, context: Context) -> str:
        """Give the last whole file that the vault has.

        Raises LogLost, SplitLog, NoFolder, MayNotReplicate, LockBusy, StoreDown, VaultDown.
        """
        from sluice.safety.drill.heartbeat import Heart
        from sluice.safety.left_over import note_shipped, slot_of
        from sluice.safety.physical.log import log_of
        from sluice.safety.physical.shipping import Shipper
        from sluice.safety.room import make_folder
        from sluice.stores.postgres import connect

        (store, backup), vault = backup_of(self.store), open_vault()
        note_shipped(vault, self.store, backup.connection)
        with opened_backup(self.store) as c:
            log = log_of(c, vault, self.store)
        folder = make_folder(Path(backup.scratch) / "log" / self.store, self.store)
        shipper = Shipper(dsn_of(backup.connection), log, slot_of(self.store), folder, EVERY, self.log.info)
        purpose = f"heartbeat {self.store}"
        heart = Heart(lambda: connect(dsn_of(store.connection), purpose=purpose), EVERY, self.log.warning)
        try:
            shipper.run(timedelta(seconds=self.seconds), beside=heart.beat_when_due)
        finally:
            heart.stop()
        return shipper.shipped.name if shipper.shipped else "nothing yet"


class StartsBackup(TriggerDagRunOperator):
    """What has a store backed up now, once an hour for as long as its reason lasts, and one at a time."""

    template_fields: Sequence[str] = ("store",)
    ui_color = "#dcefe2"

    def __init__(self, *, store: str, **kwargs: Any) -> None:
        super().__init__(
            trigger_dag_id=f"backup__{store}",
            skip_when_already_exists=True,
            openlineage_inject_parent_info=False,  # a word that the form of the backup does not have
            **kwargs,
        )
        self.store = store

    def execute(self, context: Context) -> None:
        """Start it. Skipped where a run of that name is there, or any is to come or under way: it may take many hours."""
        name = self.due()
        if context["ti"].get_dr_count(dag_id=self.trigger_dag_id, states=["queued", "running"]):
            raise AirflowSkipException(
                f"A run of {self.trigger_dag_id} is queued or running: no other is asked for. The next run here looks again."
            )
        self.log.warning("%s is backed up now: %s", self.store, name)
        self.trigger_run_id = name
        super().execute(context)

    def due(self) -> str:
        """Name the run that is due. Skipped where none is."""
        raise NotImplementedError


def this_hour() -> str:
    """Name the hour: a run that has failed is no reason to ask for none any more."""
    return f"{datetime.now(UTC):%Y%m%dT%H}"


class StartBackup(StartsBackup):
    """Have a server backed up that was promoted since its newest backup, or made anew."""

    def due(self) -> str:
        """Name it by its server and timeline. Skipped where that has a backup, or does not answer: `ship_log` says so."""
        from sluice.safety.physical.driver import Physical
        from sluice.stores.postgres import StoreDown

        driver = driver_of(self.store)
        assert isinstance(driver, Physical)
        try:
            now = driver.goes_on_as()
        except StoreDown as error:
            raise AirflowSkipException(str(error)) from error
        if now is None:
            raise AirflowSkipException(f"{self.store} has a backup of its server and timeline, or none is due yet.")
        system, timeline = now
        return f"promoted__{system}_{timeline}__{this_hour()}"
