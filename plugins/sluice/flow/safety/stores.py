"""The stores that are backed up, and the driver of each: what the estate's file says, with Airflow's connections in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import time
from pathlib import Path
from typing import TYPE_CHECKING

from sluice.errors import Terminal
from sluice.estate import Store, read_stores
from sluice.estate.backups import HAS_POINTS
from sluice.flow.connections import dsn_of, open_bucket, open_vault
from sluice.flow.project import ROOT

if TYPE_CHECKING:
    from sluice.estate.backups import Backups
    from sluice.safety.drill.certificate import Goals
    from sluice.safety.drill.checking import Check
    from sluice.safety.driver import Driver
    from sluice.stores.objects import Vault
    from sluice.stores.postgres import Connection

SHIPS = ("physical",)
"""The ways that bring the log into the vault as it is written."""


class NotBackedUp(Terminal):
    """The estate's file has no such store, or no `backup` for it."""


def all_stores() -> dict[str, Store]:
    """Give every store, by name. Raises EstateErrors."""
    return read_stores(ROOT).stores


def backed_up() -> dict[str, Store]:
    """Give the stores that have a `backup`, by name. Raises EstateErrors."""
    return {name: store for name, store in all_stores().items() if store.backup}


def shipped() -> list[str]:
    """Name the stores whose log is brought into the vault as it is written. Raises EstateErrors."""
    return [name for name, store in backed_up().items() if store.backup and store.backup.by in SHIPS]


def pointed() -> list[str]:
    """Name the stores in whose log a point can be named. Raises EstateErrors."""
    return [name for name, store in backed_up().items() if store.backup and store.backup.by in HAS_POINTS]


def daily(at: time) -> str:
    """Write an hour of each day as a schedule."""
    return f"{at.minute} {at.hour} * * *"


def backup_of(name: str) -> tuple[Store, Backups]:
    """Read one of them afresh, as the task runs. Raises NotBackedUp, EstateErrors."""
    found = backed_up()
    if name not in found:
        known = f"It has {', '.join(found)}." if found else "No store has one."
        raise NotBackedUp(f"include/estate/estate.yaml has no `backup` for a store {name!r}. {known} Nothing was done.")
    store = found[name]
    assert store.backup is not None
    return store, store.backup


def driver_of(name: str, vault: Vault | None = None) -> Driver:
    """Make what backs a store up and brings it back, out of another bucket where one is given.

    Raises NotBackedUp, NoConnection, EstateErrors.
    """
    _, backup = backup_of(name)
    scratch = Path(backup.scratch) / "drills" / name  # one of each: who takes away looks at his own alone
    return DRIVERS[backup.by](name, backup, dsn_of(backup.connection), vault or open_vault(), scratch)


def elsewhere_of(name: str) -> Vault | None:
    """Open the bucket that holds a second copy of its backups; None where there is none. Raises NotBackedUp, NoConnection."""
    place = backup_of(name)[1].elsewhere
    return open_bucket(place.connection, place.bucket, place.kms_key, place.region) if place else None


def _physical(name: str, backup: Backups, dsn: str, vault: Vault, scratch: Path) -> Driver:
    from sluice.safety.physical.driver import Physical

    return Physical(name, dsn, vault, scratch, backup.full_every)


def _logical(name: str, backup: Backups, dsn: str, vault: Vault, scratch: Path) -> Driver:
    from sluice.safety.logical.driver import Logical
    from sluice.safety.logical.places import Here

    return Logical(name, dsn, vault, Path(backup.scratch) / "dumps" / name, Here(scratch), backup.jobs)


def _pgbackrest(name: str, backup: Backups, dsn: str, vault: Vault, scratch: Path) -> Driver:
    from sluice.safety.pgbackrest.driver import PgBackRest

    config, stanza = Path(backup.config) if backup.config else None, backup.stanza or ""
    return PgBackRest(name, dsn, vault, scratch, stanza, config, backup.repo, backup.full_every, takes=backup.takes)


DRIVERS: Mapping[str, Callable[[str, Backups, str, Vault, Path], Driver]] = {
    "physical": _physical,
    "logical": _logical,
    "pgbackrest": _pgbackrest,
}
"""What makes the driver of each way."""


def goals_of(store: Store) -> Goals:
    """Give what the estate's file promises of a store."""
    from sluice.safety.drill.certificate import Goals

    return Goals(store.rto.total_seconds(), store.rpo.total_seconds())


def checks_of(backup: Backups) -> list[Check]:
    """Give the suites that a copy must pass, by table. Raises NoSuchSuite."""
    from sluice.proof.gates.suites import read_suite
    from sluice.safety.drill.checking import Check
    from sluice.stores.postgres import Table

    return [
        Check(Table.parse(table), tuple(read_suite(ROOT, suite) for suite in asked.suites), asked.newest_by)
        for table, asked in backup.checks.items()
    ]


@contextmanager
def opened_backup(name: str) -> Iterator[Connection]:
    """Open a store as the role that backs it up; it is closed afterwards. Raises NotBackedUp, NoConnection."""
    from sluice.stores.postgres import connect

    _, backup = backup_of(name)
    with connect(dsn_of(backup.connection), purpose=f"backup {name}") as c:
        yield c


def slot_of(store: str) -> str:
    """Name the slot by which a store's server keeps what the vault does not have yet."""
    return f"sluice_log_{store}"


def of_backup(store: str) -> str:
    """Name a store's backups in the ledger, as no table and no file is called."""
    return f"backup/{store}"
