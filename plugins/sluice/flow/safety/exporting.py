"""The operator that has a service export tables to the vault, and reads back what it has exported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sluice.flow.connections import open_vault
from sluice.flow.safety.of_a_store import OfAStore
from sluice.flow.safety.stores import backup_of, driver_of

if TYPE_CHECKING:
    from airflow.sdk import Context


class TakeExports(OfAStore):
    """Have each table exported to the vault where the newest export is old, and read back what is done. Nobody waits."""

    ui_color = "#dcefe2"

    def execute(self, context: Context) -> list[str]:
        """Give a line for each table. Raises NoHistory, NotExported, Damaged, StillExporting, DynamoRefused, VaultDown."""
        from sluice.safety.documents.exports import go_on
        from sluice.safety.documents.service import NoHistory, ServiceBackups

        driver, every = driver_of(self.store), backup_of(self.store)[1].exports
        assert isinstance(driver, ServiceBackups)
        assert every is not None
        window = driver.window()
        if window is None:
            raise NoHistory(f"{self.store}: the service keeps no history of some table, and exports from that alone.")
        return go_on(driver.tables, open_vault(), every, window.latest, self.log.info)
