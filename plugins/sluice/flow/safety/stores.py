"""The stores that are backed up, as the estate's file says, and what Airflow's connections make of that."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, time
from pathlib import Path
from typing import TYPE_CHECKING

from sluice.errors import Terminal
from sluice.estate import Store, read_stores
from sluice.flow.connections import dsn_of, open_bucket, open_vault
from sluice.flow.project import ROOT
from sluice.flow.safety.drivers import DRIVERS

if TYPE_CHECKING:
    from airflow.sdk import Context

    from sluice.estate.backups import Backups
    from sluice.safety.documents.drilling import DocumentDriver
    from sluice.safety.drill.certificate import Goals
    from sluice.safety.drill.checking import Check
    from sluice.safety.driver import Driver
    from sluice.safety.target import Target
    from sluice.stores.objects import Vault
    from sluice.stores.postgres import Connection


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
    return [name for name, store in backed_up().items() if store.backup and store.backup.way.ships]


def pointed() -> list[str]:
    """Name the stores in whose log a point can be named. Raises EstateErrors."""
    return [name for name, store in backed_up().items() if store.backup and store.backup.way.has_points]


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
    store, backup = backup_of(name)
    scratch = Path(backup.scratch) / "drills" / name  # one of each: who takes away looks at his own alone
    dsn = dsn_of(backup.connection) if store.engine == "postgres" else ""
    return DRIVERS[backup.by](name, backup, dsn, vault or open_vault(), scratch)


def elsewhere_of(name: str) -> Vault | None:
    """Open the bucket that holds a second copy of its backups; None where there is none. Raises NotBackedUp, NoConnection."""
    place = backup_of(name)[1].elsewhere
    return open_bucket(place.connection, place.bucket, place.kms_key, place.region) if place else None


def tables_of(name: str) -> DocumentDriver:
    """The same, of a store of tables in DynamoDB. Raises NotBackedUp, NoConnection, EstateErrors."""
    from sluice.safety.documents.driver import Documents
    from sluice.safety.documents.service import ServiceBackups

    driver = driver_of(name)
    assert isinstance(driver, Documents | ServiceBackups)
    return driver


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


def name_of_copy(context: Context, store: str, target: Target) -> str:
    """Name the copy that one task of a run begins and the next one finds: the same for both, and for each of their tries."""
    from sluice.safety.driver import name_scratch

    moment = context["dag_run"].run_after
    assert moment
    return name_scratch(store, moment, f"{context['run_id']} {target}")


def now_at(name: str) -> datetime:
    """Ask a store what time it is: counts and drills go by its clock. Raises StoreDown, DynamoDown, NoConnection."""
    from sluice.stores.postgres import one
    from sluice.stores.statements import statement

    if backup_of(name)[0].engine == "dynamodb":
        return tables_of(name).tables.now()
    with opened_backup(name) as c:
        now: datetime = one(c, statement("safety.find_position"))["now"]
        return now


def of_backup(store: str) -> str:
    """Name a store's backups in the ledger, as no table and no file is called."""
    return f"backup/{store}"
