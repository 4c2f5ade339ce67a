"""The operator of `restore__<store>`: the real day. A store is brought back beside the one that lives, never over it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from sluice.flow.connections import dsn_of, open_vault
from sluice.flow.safety.drilling import read_target
from sluice.flow.safety.of_a_store import OfAStore
from sluice.flow.safety.stores import backup_of, driver_of
from sluice.flow.steps import check_words

if TYPE_CHECKING:
    from airflow.sdk import Context

    from sluice.safety.warming import Warmed


class RestoreStore(OfAStore):
    """Bring a store back as of a moment, under a name of its own, and let it stand."""

    ui_color = "#dcefe2"

    def execute(self, context: Context) -> dict[str, Any]:
        """Give its name, its address, and where it stands. Raises NotRecovered, Damaged, Broken, LogMissing, VaultDown."""
        from sluice.safety.driver import Clock, name_scratch
        from sluice.safety.keeping.reading import reading
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
            with reading(vault, self.store, name, now):
                found = driver.restore(target, name, clock, self.log.info)
            if asked.get("warm"):  # a form of tables has neither this nor a port
                self._prepare_warming(found.address)
            address = driver.hand_over(found, asked.get("port") or None)
        except BaseException:
            driver.destroy(name)
            raise
        warmed = self._warm(address) if asked.get("warm") else None
        told = {
            "name": name,
            "address": address,
            "from": list(found.backups),
            "last_commit": found.reached.isoformat() if found.reached else None,
            "position": found.position,
            "phases": clock.phases,
            "stands_until": until.isoformat(),
            "warmed_blocks": warmed.blocks if warmed else None,
        }
        self.log.info("%s", "\n".join(f"{what}: {value}" for what, value in told.items()))
        self.log.info(
            "Look at it there. Nothing was changed at %s itself: pointing users at the copy is your step.", self.store
        )
        return told

    def _prepare_warming(self, address: str) -> None:
        """While we still are its superuser."""
        from sluice.safety.warming import prepare_warming
        from sluice.stores.postgres import connect

        with connect(address, purpose=f"warm {self.store}") as c:
            prepare_warming(c)

    def _warm(self, address: str) -> Warmed | None:
        """Warm it as the role that backs the store up, by the rules that the server has. What is there counts, warm or not."""
        from psycopg.conninfo import conninfo_to_dict, make_conninfo

        from sluice.errors import SluiceError
        from sluice.safety.drill.baseline import newest_baseline
        from sluice.safety.warming import warm
        from sluice.stores.postgres import connect

        told = conninfo_to_dict(address)
        where = {name: told[name] for name in ("host", "port", "dbname") if name in told}
        live = newest_baseline(open_vault(), self.store)
        try:
            with connect(make_conninfo(dsn_of(backup_of(self.store)[1].connection), **where), purpose="warm") as c:
                return warm(c, live.hot if live else (), self.log.info)
        except SluiceError as why:
            self.log.warning("It was brought back, and not warmed: %s", why)
            return None
