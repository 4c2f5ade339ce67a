"""The operator of `restore__<store>`: the real day. A store is brought back beside the one that lives, never over it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from sluice.flow.connections import open_vault
from sluice.flow.safety.backing_up import OfAStore
from sluice.flow.safety.drilling import read_target
from sluice.flow.safety.stores import driver_of
from sluice.flow.steps import check_words

if TYPE_CHECKING:
    from airflow.sdk import Context


class RestoreStore(OfAStore):
    """Bring a store back as of a moment, under a name of its own, and let it stand."""

    ui_color = "#dcefe2"

    def execute(self, context: Context) -> dict[str, Any]:
        """Give its name, its address, and where it stands. Raises NotRecovered, Damaged, Broken, LogMissing, VaultDown."""
        from sluice.safety.driver import Clock, name_scratch
        from sluice.safety.standing import keep_standing

        check_words(context)
        asked = context["params"]
        if asked["confirm"] != self.store:
            raise AirflowFailException(f"Type the store's name, {self.store}, into *Confirm*. Nothing was done.")
        target = read_target(asked["target"], asked["value"])
        assert target is not None
        driver, vault, now, clock = driver_of(self.store), open_vault(), datetime.now(UTC), Clock()
        name, until = name_scratch(self.store, now, context["run_id"]), now + timedelta(days=asked["days"])
        keep_standing(vault, self.store, name, until)  # first: what stands is never without its time
        try:
            found = driver.restore(target, name, clock, self.log.info)
            address = driver.hand_over(found, asked["port"] or None)
        except BaseException:
            driver.destroy(name)
            raise
        told = {
            "name": name,
            "address": address,
            "from": list(found.backups),
            "last_commit": found.reached.isoformat() if found.reached else None,
            "position": found.position,
            "phases": clock.phases,
            "stands_until": until.isoformat(),
        }
        self.log.info("%s", "\n".join(f"{what}: {value}" for what, value in told.items()))
        self.log.info(
            "Look at it there. Nothing was changed at %s itself: pointing users at the copy is your step.", self.store
        )
        return told
