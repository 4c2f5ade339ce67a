"""The operator of `restore__<store>`: the real day. A store is brought back beside the one that lives, never over it."""

from __future__ import annotations

from dataclasses import dataclass
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
    from airflow.sdk.types import Logger

    from sluice.safety.driver import Clock, Restored
    from sluice.safety.target import Target
    from sluice.safety.warming import Warmed


@dataclass(frozen=True)
class AskedBack:
    """What a person has asked for on the real day."""

    target: Target
    until: datetime
    """How long it is meant to stand."""


class RestoreStore(OfAStore):
    """Bring a store back as of a moment, under a name of its own, and let it stand."""

    ui_color = "#dcefe2"

    def execute(self, context: Context) -> dict[str, Any]:
        """Give its name, its address, and where it stands. Raises NotRecovered, Damaged, Broken, LogMissing, VaultDown."""
        from sluice.safety.driver import Clock, name_scratch
        from sluice.safety.keeping.reading import reading
        from sluice.safety.standing import keep_standing

        asked, form = asked_of(context, self.store), context["params"]
        driver, vault, now, clock = driver_of(self.store), open_vault(), datetime.now(UTC), Clock()
        name = name_scratch(self.store, now, context["run_id"])
        keep_standing(vault, self.store, name, asked.until)  # first: what stands is never without its time
        try:
            with reading(vault, self.store, name, now):
                found = driver.restore(asked.target, name, clock, self.log.info)
            if form["warm"]:
                prepare_warm(self.store, found.address)  # while we still are its superuser
            address = driver.hand_over(found, form["port"] or None)
        except BaseException:
            driver.destroy(name)
            raise
        warmed = warm_up(self.store, address, self.log) if form["warm"] else None
        return told_of(self.store, found, address, clock, asked.until, warmed, self.log)


def asked_of(context: Context, store: str) -> AskedBack:
    """Read the form. Raises AirflowFailException unless the store's name is typed, and the target can be read."""
    check_words(context)
    form = context["params"]
    if form["confirm"] != store:
        raise AirflowFailException(f"Type the store's name, {store}, into *Confirm*. Nothing was done.")
    target = read_target(form["target"], form["value"])
    assert target is not None
    return AskedBack(target, datetime.now(UTC) + timedelta(days=form["days"]))


def told_of(
    store: str, found: Restored, address: str, clock: Clock, until: datetime, warmed: Warmed | None, log: Logger
) -> dict[str, Any]:
    """Say what stands there, and log it for whoever looks for its address."""
    told = {
        "name": found.name,
        "address": address,
        "from": list(found.backups),
        "last_commit": found.reached.isoformat() if found.reached else None,
        "position": found.position,
        "phases": clock.phases,
        "stands_until": until.isoformat(),
        "warmed_blocks": warmed.blocks if warmed else None,
    }
    log.info("%s", "\n".join(f"{what}: {value}" for what, value in told.items()))
    log.info("Look at it there. Nothing was changed at %s itself: pointing users at the copy is your step.", store)
    return told


def prepare_warm(store: str, address: str) -> None:
    """Make what warms it up, as a role that may."""
    from sluice.safety.warming import prepare_warming
    from sluice.stores.postgres import connect

    with connect(address, purpose=f"warm {store}") as c:
        prepare_warming(c)


def warm_up(store: str, address: str, log: Logger, *, make: bool = False) -> Warmed | None:
    """Warm it as the role that backs the store up, by the rules that the server has. What is there counts, warm or not.

    That role is to `make` the extension where we are nobody's superuser.
    """
    from sluice.errors import SluiceError
    from sluice.safety.drill.baseline import newest_baseline
    from sluice.safety.warming import warm
    from sluice.stores.postgres import connect

    live = newest_baseline(open_vault(), store)
    try:
        if make:
            prepare_warm(store, as_backup(store, address))
        with connect(as_backup(store, address), purpose="warm") as c:
            return warm(c, live.hot if live else (), log.info)
    except SluiceError as why:
        log.warning("It was brought back, and not warmed: %s", why)
        return None


def as_backup(store: str, address: str) -> str:
    """Give the address of a copy for the role that backs the store up."""
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    told = conninfo_to_dict(address)
    where = {name: told[name] for name in ("host", "port", "dbname") if name in told}
    return make_conninfo(dsn_of(backup_of(store)[1].connection), **where)
