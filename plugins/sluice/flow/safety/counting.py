"""The count of the living store: what a copy of it must hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from sluice.flow.connections import open_vault
from sluice.flow.safety.of_a_store import OfAStore
from sluice.flow.safety.stores import backup_of, driver_of, opened_backup
from sluice.flow.steps import check_words

if TYPE_CHECKING:
    from airflow.sdk import Context


class CountStore(OfAStore):
    """Count and hash every table of the living store, and keep the count in the vault: what a copy must hold."""

    ui_color = "#e8f1fb"

    def execute(self, context: Context) -> dict[str, Any]:
        """Give where the count is. Raises NotPlaced, NotShipped, Refused, Rewritten, StoreDown, VaultDown."""
        from sluice.safety.censuses import keep_census, thin_out
        from sluice.safety.drill import baseline

        check_words(context)
        vault = open_vault()
        if backup_of(self.store)[0].engine == "postgres":
            with opened_backup(self.store) as c:
                baseline.take_baseline(c).keep(vault, self.store)
            baseline.thin_out(vault, self.store)
        if backup_of(self.store)[1].by == "logical":
            raise AirflowSkipException(f"{self.store} is dumped: each dump was counted in its own snapshot.")
        driver = driver_of(self.store)
        census = driver.count(self.log.info)
        kept = keep_census(vault, self.store, census)
        if window := driver.window():
            thin_out(vault, self.store, window.earliest, [one.whole_at for one in driver.backups()], self.log.info)
        return {"census": kept.key, "tables": len(census.tables), "rows": census.rows}
