"""The operator of `ship_log__<store>`: it ships a store's log, with a heartbeat beside."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from sluice.errors import Terminal
from sluice.flow.alerting import raise_alarm
from sluice.flow.connections import dsn_of, open_vault
from sluice.flow.safety.keeping import check_residency
from sluice.flow.safety.stores import backup_of, opened_backup

if TYPE_CHECKING:
    from airflow.sdk import Context

EVERY = timedelta(seconds=10)
"""How often the file of the log that is being written is stored, and how often the heart beats."""


RESTS = 300.0
"""Seconds between two tries where a person must act."""


class ShipLog(BaseOperator):
    """Ship one store's log for `seconds`; the vault says where the next run goes on."""

    template_fields: Sequence[str] = ("store",)
    ui_color = "#dcefe2"

    def __init__(self, *, store: str, seconds: float = 240.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.store = store
        self.seconds = seconds

    def execute(self, context: Context) -> str:
        """Give the last whole file that the vault has. Raises LogLost, SplitLog, OutsideResidency, StoreDown, VaultDown."""
        from sluice.safety.drill.heartbeat import Heart
        from sluice.safety.left_over import note_shipped, slot_of
        from sluice.safety.physical.log import log_of
        from sluice.safety.physical.shipping import Shipper
        from sluice.stores.postgres import connect

        store, backup = backup_of(self.store)
        check_residency(self.store, vault := open_vault())
        note_shipped(vault, self.store, backup.connection)
        with opened_backup(self.store) as c:
            log = log_of(c, vault, self.store)
        folder = Path(backup.scratch) / "log" / self.store
        shipper = Shipper(dsn_of(backup.connection), log, slot_of(self.store), folder, EVERY, self.log.info)
        purpose = f"heartbeat {self.store}"
        heart = Heart(lambda: connect(dsn_of(store.connection), purpose=purpose), EVERY, self.log.warning)
        try:
            shipper.run(timedelta(seconds=self.seconds), beside=heart.beat_when_due)
        except Terminal as why:
            raise_alarm(self.log, f"the log of {self.store}", str(why), context)
            time.sleep(RESTS)  # the next run follows at once
            raise
        finally:
            heart.stop()
        return shipper.shipped.name if shipper.shipped else "nothing yet"
