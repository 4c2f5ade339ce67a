"""The operator of `ship_log__<store>`: it ships a store's log, with a heartbeat beside."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from sluice.flow.connections import dsn_of, open_vault
from sluice.flow.safety.stores import backup_of, opened_backup, slot_of

if TYPE_CHECKING:
    from airflow.sdk import Context

EVERY = timedelta(seconds=10)
"""How often the file of the log that is being written is stored, and how often the heart beats."""


class ShipLog(BaseOperator):
    """Ship one store's log for `seconds`; the vault says where the next run goes on."""

    template_fields: Sequence[str] = ("store",)
    ui_color = "#dcefe2"

    def __init__(self, *, store: str, seconds: float = 240.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.store = store
        self.seconds = seconds

    def execute(self, context: Context) -> str:
        """Give the last whole file that the vault has. Raises LogLost, SplitLog, LockBusy, StoreDown, VaultDown."""
        from sluice.safety.drill.heartbeat import Heart
        from sluice.safety.physical.log import log_of
        from sluice.safety.physical.shipping import Shipper
        from sluice.stores.postgres import connect

        store, backup = backup_of(self.store)
        with opened_backup(self.store) as c:
            log = log_of(c, open_vault(), self.store)
        folder = Path(backup.scratch) / "log" / self.store
        shipper = Shipper(dsn_of(backup.connection), log, slot_of(self.store), folder, EVERY, self.log.info)
        with connect(dsn_of(store.connection), purpose=f"heartbeat {self.store}") as c:
            heart = Heart(c, EVERY, self.log.warning)
            shipper.run(timedelta(seconds=self.seconds), beside=heart.beat_when_due)
        return shipper.shipped.name if shipper.shipped else "nothing yet"
