"""The operator of `restore_tenant__<store>`: what has become of one tenant's rows since a moment. It puts nothing back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from sluice.flow.connections import open_vault
from sluice.flow.safety.moments import read_target
from sluice.flow.safety.of_a_store import OfAStore
from sluice.flow.safety.stores import backup_of, driver_of, name_of_copy, opened_backup
from sluice.flow.steps import check_words

if TYPE_CHECKING:
    from airflow.sdk import Context


class CompareTenant(OfAStore):
    """Bring a store back as of a moment, hold one tenant's rows against now, and leave the difference in the vault."""

    ui_color = "#dcefe2"

    def execute(self, context: Context) -> dict[str, Any]:
        """Give counts, and where the files are; no value of a row. Raises NoTenant, NotComparable, NotRecovered, VaultDown."""
        from sluice.safety.driver import destroy_of_run, name_scratch
        from sluice.safety.tenant.as_of import Asked, tenant_as_of

        check_words(context)
        asked = context["params"]
        target = read_target(self.store, asked["target"], asked["value"])
        if target is None or not asked["tenant"]:
            raise AirflowFailException("Say which tenant, and as of when. Nothing was done.")
        driver = driver_of(self.store)
        if backup_of(self.store)[1].way.is_begun:
            name = name_of_copy(context, self.store, target)
        else:
            seed = f"{context['run_id']} tenant"
            destroy_of_run(driver, seed)
            name = name_scratch(self.store, datetime.now(UTC), seed)
        wanted = Asked(target, asked["tenant"], asked["column"])
        with opened_backup(self.store) as live:
            found = tenant_as_of(driver, live, open_vault(), wanted, name, self.log.info)
        for line in found.left_out:
            self.log.warning("Left out: %s", line)
        self.log.info("%s\nRead put_back.sql, then run it yourself: nothing was put back.", "\n".join(found.files))
        return {"tables": found.counts, "left_out": list(found.left_out), "files": list(found.files)}
