"""Migrations from the command line, without a scheduler: take one back, and show the windows that were filled."""

from __future__ import annotations

import os

from sluice.local import databases
from sluice.local.settings import Settings, load
from sluice.local.tables import table
from sluice.stores.postgres import connect, rows
from sluice.stores.statements import statement


def abort_migration(name: str) -> str:
    """Take a migration back to planned and say what was done. Raises Terminal after its cutover, StoreDown, LockBusy."""
    os.environ.update(load().environment())  # where Airflow's connections are
    from sluice.flow.connections import opened_kind

    with opened_kind(name) as (_, kind):
        return kind.abort()


def windows_table(settings: Settings, name: str) -> str:
    """Lay out each window's last run: rows, hash, rows filled, and whether the run before gave the same hash."""
    with connect(settings.dsn("sluice", databases.LEDGER), purpose="windows") as ledger:
        listed = rows(ledger, statement("control.list_windows"), migration=name)
    shown = [
        (f"{w['lower']:%Y-%m-%d}", w["rows"], w["hash"], w["filled"], _as_before(w["hash"], w["hash_before"]))
        for w in listed
    ]
    return table(("window", "rows", "hash", "filled", "as the run before"), shown)


def _as_before(now: str, before: str | None) -> str:
    return "first run" if before is None else ("yes" if now == before else "NO")
