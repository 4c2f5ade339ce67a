"""The operators of `restore__<store>`: the real day. A store is brought back beside the one that lives, never over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from socket import gethostname
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from sluice.flow.connections import dsn_of, open_vault
from sluice.flow.safety.moments import read_target
from sluice.flow.safety.of_a_store import OfAStore
from sluice.flow.safety.stores import backup_of, driver_of
from sluice.flow.steps import check_words

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.types import Logger

    from sluice.safety.driver import Clock, Driver, Restored
    from sluice.safety.target import Target


@dataclass(frozen=True)
class AskedBack:
    """What a person has asked for on the real day."""

    target: Target
    until: datetime
    """How long it is meant to stand."""


class RestoreStore(OfAStore):
    """Bring a store back as of a moment, under a name of its own, and let it stand. What a killed try has left goes first."""

    ui_color = "#dcefe2"

    def execute(self, context: Context) -> dict[str, Any]:
        """Give its name, its address, and where it stands. Raises NotRecovered, Damaged, Broken, LogMissing, VaultDown."""
        from sluice.safety.driver import destroy_of_run, name_scratch
        from sluice.safety.physical.opening import check_port
        from sluice.safety.standing import end_standing, stands_of_run

        asked, form, seed = asked_of(context, self.store), context["params"], context["run_id"]
        driver = driver_of(self.store)
        if told := stands_of_run(driver, open_vault(), seed):
            self.log.info("An earlier try of this run has brought it back. It stands, and users may be on it.")
        else:
            for left in destroy_of_run(driver, seed):
                end_standing(open_vault(), self.store, left)
            if port := form.get("port"):  # by now nothing of ours listens there: it is said before it costs a restore
                check_port(port)
            told = self._bring_back(driver, asked, name_scratch(self.store, datetime.now(UTC), seed), form)
        say(self.store, told, self.log)
        return dict(told)

    def _bring_back(self, driver: Driver, asked: AskedBack, name: str, form: Mapping[str, Any]) -> Mapping[str, Any]:
        """Restore it, hand it over, and note only then that it stands: half of one is nobody's."""
        from sluice.safety.driver import Clock
        from sluice.safety.standing import begin_standing, end_standing, keep_standing

        clock, vault = Clock(), open_vault()
        begin_standing(vault, self.store, name)
        try:
            found = driver.restore(asked.target, name, clock, self.log.info)
            if form.get("warm"):  # a form of tables has neither this nor a port
                prepare_warm(self.store, found.address)  # while we still are its superuser
            port = form.get("port") or None
            told = told_of(found, driver.hand_over(found, port), clock, asked.until) | reached_at(port)
            keep_standing(vault, self.store, name, asked.until, told)
        except BaseException:
            driver.destroy(name)
            end_standing(vault, self.store, name)
            raise
        return told


class WarmStore(OfAStore):
    """Read what users read most into the memory of a copy, where that was asked for. It stands already, warm or not."""

    template_fields: Sequence[str] = ("store", "restored")

    def __init__(self, *, restored: Mapping[str, Any], **kwargs: Any) -> None:
        """`restored` is what RestoreStore gave."""
        super().__init__(**kwargs)
        self.restored = restored

    def execute(self, context: Context) -> int:
        """Give how many blocks. As the role that backs the store up, by the rules that the server has.

        Raises NotWarmed, Refused, StoreDown, VaultDown.
        """
        from sluice.safety.drill.baseline import newest_baseline
        from sluice.safety.warming import warm
        from sluice.stores.postgres import connect

        if not context["params"]["warm"]:
            raise AirflowSkipException("Nobody has asked that it be warmed up.")
        backup = backup_of(self.store)[1]
        address = as_role(dsn_of(backup.connection), self.restored["address"])
        if backup.way.is_begun:  # we never were its superuser
            prepare_warm(self.store, address)
        live = newest_baseline(open_vault(), self.store)
        with connect(address, purpose="warm") as c:
            return warm(c, live.hot if live else (), self.log.info).blocks


def asked_of(context: Context, store: str) -> AskedBack:
    """Read the form. Raises AirflowFailException unless the store's name is typed, and the target can be read."""
    check_words(context)
    form = context["params"]
    if form["confirm"] != store:
        raise AirflowFailException(f"Type the store's name, {store}, into *Confirm*. Nothing was done.")
    target = read_target(store, form["target"], form["value"])
    assert target is not None
    return AskedBack(target, datetime.now(UTC) + timedelta(days=form["days"]))


def told_of(found: Restored, address: str, clock: Clock, until: datetime) -> dict[str, Any]:
    """Say what stands there."""
    return {
        "name": found.name,
        "address": address,
        "from": list(found.backups),
        "last_commit": found.reached.isoformat() if found.reached else None,
        "position": found.position,
        "phases": clock.phases,
        "until": until.isoformat(),
    }


def reached_at(port: int | None) -> dict[str, str]:
    """Say where users reach a copy that listens: its address is a folder of this worker."""
    return (
        {"reached at": f"port {port} of {gethostname()}; there alone, where its original listened no further"}
        if port
        else {}
    )


def say(store: str, told: Mapping[str, Any], log: Logger) -> None:
    """Log it, for whoever looks for its address."""
    log.info("%s", "\n".join(f"{what}: {value}" for what, value in told.items()))
    log.info("Look at it there. Nothing was changed at %s itself: pointing users at the copy is your step.", store)


def prepare_warm(store: str, address: str) -> None:
    """Make what warms it up, as a role that may."""
    from sluice.safety.warming import prepare_warming
    from sluice.stores.postgres import connect

    with connect(address, purpose=f"warm {store}") as c:
        prepare_warming(c)


def as_role(dsn: str, address: str) -> str:
    """Give the address of a copy for the role that `dsn` is of."""
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    told = conninfo_to_dict(address)
    return make_conninfo(dsn, **{name: told[name] for name in ("host", "port", "dbname") if name in told})
