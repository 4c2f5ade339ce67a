"""The operators of `restore__<store>`: the real day. A store is brought back beside the one that lives, never over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import gethostname
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from sluice.errors import SluiceError, Terminal
from sluice.flow.connections import dsn_of, open_vault
from sluice.flow.safety.moments import read_target
from sluice.flow.safety.of_a_store import OfAStore
from sluice.flow.safety.stores import backup_of, driver_of
from sluice.flow.steps import check_words
from sluice.stores.patience import Patience, patiently

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.types import Logger

    from sluice.safety.driver import Clock, Driver, Restored
    from sluice.safety.target import Target
    from sluice.stores.objects import Vault

WHILE_DOWN = Patience(again=1000, first=1.0, longest=60.0, within=timedelta(hours=6).total_seconds())
"""How a vault is waited for that cannot be told of a copy: it took hours to come up, and is worth as many."""


@dataclass(frozen=True)
class AskedBack:
    """What a person has asked for on the real day."""

    target: Target
    until: datetime
    """How long it is meant to stand."""


class NotHandedOver(Terminal):
    """What was brought back is up, and could not be made ready for people."""


class RestoreStore(OfAStore):
    """Bring a store back as of a moment, under a name of its own, and let it stand. What a killed try has left goes first."""

    ui_color = "#dcefe2"

    def execute(self, context: Context) -> dict[str, Any]:
        """Give its name, its address, and where it stands.

        Raises NotRecovered, NotHandedOver, Damaged, Broken, LogMissing, VaultDown.
        """
        from sluice.safety.standing import stands_of_run, up_of_run

        asked, form, seed = asked_of(context, self.store), context["params"], context["run_id"]
        driver, vault = driver_of(self.store), open_vault()
        if told := stands_of_run(driver, vault, seed):
            self.log.info("An earlier try of this run has brought it back. It stands, and users may be on it.")
        else:
            if up := up_of_run(driver, vault, seed):
                self.log.info("An earlier try of this run has brought it up as %s. It is handed over now.", up["name"])
            else:
                up = self._bring_back(driver, asked, seed, form)
            told = self._hand_over(driver, up, asked, form)
        say(self.store, told, self.log)
        return dict(told)

    def _bring_back(self, driver: Driver, asked: AskedBack, seed: str, form: Mapping[str, Any]) -> Mapping[str, Any]:
        """Restore it, and note that it is up. What a killed try of this run has left goes first: its disk is wanted."""
        from sluice.safety.driver import Clock, destroy_of_run, name_scratch
        from sluice.safety.keeping.reading import end_reading, reading
        from sluice.safety.physical.opening import check_port
        from sluice.safety.standing import LONGEST_RESTORE, begin_standing, end_standing

        clock, vault, now = Clock(), open_vault(), datetime.now(UTC)
        for left in destroy_of_run(driver, seed):
            end_standing(vault, self.store, left)
            end_reading(vault, self.store, left)
        if port := form.get("port"):  # by now nothing of ours listens there: it is said before it costs a restore
            check_port(port)
        name = name_scratch(self.store, now, seed)
        begin_standing(vault, self.store, name)
        try:
            # A drill's note that it reads ends after a day; nothing may go under this one's hands either.
            with self._alone(), reading(vault, self.store, name, now, LONGEST_RESTORE):
                found = driver.restore(asked.target, name, clock, self.log.info)
        except BaseException:
            driver.destroy(name)
            end_standing(vault, self.store, name)
            raise
        told = told_of(found, clock)
        self._note_up(vault, name, told)
        return told

    def _note_up(self, vault: Vault, name: str, told: Mapping[str, Any]) -> None:
        """Note that it is up, as soon as the vault answers: without that note a further try would begin anew."""
        from sluice.safety.standing import note_up
        from sluice.stores.objects import VaultDown

        def note() -> None:
            try:
                note_up(vault, self.store, name, told)
            except VaultDown as why:
                self.log.warning("%s is up, and noted as soon as the vault answers: %s", name, why)
                raise

        patiently(note, VaultDown, WHILE_DOWN)

    def _alone(self) -> AbstractContextManager[None]:
        """Have drills wait that want the same disk, and wait for none."""
        from sluice.safety.room import first, make_folder

        backup = backup_of(self.store)[1]
        return first(make_folder(Path(backup.scratch), self.store)) if backup.way.on_disk else nullcontext()

    def _hand_over(
        self, driver: Driver, up: Mapping[str, Any], asked: AskedBack, form: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Hand over what is up, and note that it stands. Where that fails it is kept: a further try goes on here."""
        from sluice.safety.standing import keep_standing

        found, port = restored_of(up), form.get("port") or None
        if form.get("warm"):  # a form of tables has neither this nor a port
            prepare_warm(self.store, found.address, self.log)  # while we still are its superuser
        try:
            address = driver.hand_over(found, port)
        except SluiceError as why:
            raise NotHandedOver(
                f"{self.store} is back as {found.name}, all of it, and could not be made ready for people:"
                f" {str(why).rstrip('.')}. It is kept. Mend that where it stands, and clear `restore_store` of this run: it goes"
                " on from here, and fetches nothing again."
            ) from why
        told = {**up, "address": address, **reached_at(port), "until": asked.until.isoformat()}
        keep_standing(open_vault(), self.store, found.name, asked.until, told)
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
            prepare_warm(self.store, address, self.log)
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


def told_of(found: Restored, clock: Clock) -> dict[str, Any]:
    """Say what is up."""
    return {
        "name": found.name,
        "address": found.address,
        "from": list(found.backups),
        "last_commit": found.reached.isoformat() if found.reached else None,
        "position": found.position,
        "phases": clock.phases,
    }


def restored_of(told: Mapping[str, Any]) -> Restored:
    """Read that back."""
    from sluice.safety.driver import Restored

    reached = datetime.fromisoformat(told["last_commit"]) if told["last_commit"] else None
    return Restored(told["name"], told["address"], tuple(told["from"]), reached, told["position"])


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


def prepare_warm(store: str, address: str, log: Logger) -> None:
    """Make what warms it up, as a role that may. Where that fails the copy is as good: WarmStore says what it lacks."""
    from psycopg import Error

    from sluice.safety.warming import prepare_warming
    from sluice.stores.postgres import connect

    try:
        with connect(address, purpose=f"warm {store}") as c:
            prepare_warming(c)
    except (SluiceError, Error) as why:
        log.warning("It cannot be warmed up: %s", why)


def as_role(dsn: str, address: str) -> str:
    """Give the address of a copy for the role that `dsn` is of."""
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    told = conninfo_to_dict(address)
    return make_conninfo(dsn, **{name: told[name] for name in ("host", "port", "dbname") if name in told})
