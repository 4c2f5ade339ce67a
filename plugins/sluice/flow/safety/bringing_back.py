"""The operators of `restore__<store>`: the real day. A store is brought back beside the one that lives, never over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from sluice.flow.connections import dsn_of, open_vault
from sluice.flow.safety.drilling import read_target
from sluice.flow.safety.of_a_store import OfAStore
from sluice.flow.safety.stores import backup_of, driver_of
from sluice.flow.steps import check_words

if TYPE_CHECKING:
    from airflow.sdk import Context

    from sluice.safety.driver import Driver
    from sluice.safety.target import Target


class RestoreStore(OfAStore):
    """Bring a store back as of a moment, under a name of its own, and let it stand. What a killed try has left goes first."""

    ui_color = "#dcefe2"

    def execute(self, context: Context) -> dict[str, Any]:
        """Give its name, its address, and where it stands. Raises NotRecovered, Damaged, Broken, LogMissing, VaultDown."""
        from sluice.safety.driver import destroy_of_run, name_scratch
        from sluice.safety.standing import stands_of_run

        check_words(context)
        asked, seed = context["params"], context["run_id"]
        if asked["confirm"] != self.store:
            raise AirflowFailException(f"Type the store's name, {self.store}, into *Confirm*. Nothing was done.")
        target = read_target(asked["target"], asked["value"])
        assert target is not None
        driver = driver_of(self.store)
        if told := stands_of_run(driver, open_vault(), seed):
            self.log.info("An earlier try of this run has brought it back. It stands, and users may be on it.")
        else:
            destroy_of_run(driver, seed)
            name = name_scratch(self.store, datetime.now(UTC), seed)
            told = self._bring_back(driver, target, name, asked)
        self.log.info("%s", "\n".join(f"{what}: {value}" for what, value in told.items()))
        self.log.info(
            "Look at it there. Nothing was changed at %s itself: pointing users at the copy is your step.", self.store
        )
        return dict(told)

    def _bring_back(self, driver: Driver, target: Target, name: str, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        """Restore it, hand it over, and note only then that it stands: half of one is nobody's."""
        from sluice.safety.driver import Clock
        from sluice.safety.standing import keep_standing

        clock, until = Clock(), datetime.now(UTC) + timedelta(days=asked["days"])
        try:
            found = driver.restore(target, name, clock, self.log.info)
            if asked["warm"]:
                self._prepare_warming(found.address)
            told = {
                "name": name,
                "address": driver.hand_over(found, asked["port"] or None),
                "from": list(found.backups),
                "last_commit": found.reached.isoformat() if found.reached else None,
                "position": found.position,
                "phases": clock.phases,
                "until": until.isoformat(),
            }
            keep_standing(open_vault(), self.store, name, until, told)
        except BaseException:
            driver.destroy(name)
            raise
        return told

    def _prepare_warming(self, address: str) -> None:
        """While we still are its superuser."""
        from sluice.safety.warming import prepare_warming
        from sluice.stores.postgres import connect

        with connect(address, purpose=f"warm {self.store}") as c:
            prepare_warming(c)


class WarmStore(OfAStore):
    """Read what users read most into the memory of a copy, where that was asked for. It stands already, warm or not."""

    template_fields: Sequence[str] = ("store", "address")

    def __init__(self, *, address: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.address = address

    def execute(self, context: Context) -> int:
        """Give how many blocks. As the role that backs the store up, by the rules that the server has.

        Raises NotWarmed, Refused, StoreDown, VaultDown.
        """
        from psycopg.conninfo import conninfo_to_dict, make_conninfo

        from sluice.safety.drill.baseline import newest_baseline
        from sluice.safety.warming import warm
        from sluice.stores.postgres import connect

        if not context["params"]["warm"]:
            raise AirflowSkipException("Nobody has asked that it be warmed up.")
        told = conninfo_to_dict(self.address)
        where = {name: told[name] for name in ("host", "port", "dbname") if name in told}
        live = newest_baseline(open_vault(), self.store)
        with connect(make_conninfo(dsn_of(backup_of(self.store)[1].connection), **where), purpose="warm") as c:
            return warm(c, live.hot if live else (), self.log.info).blocks
