"""Migrations from the command line, out of the ledger: where they stand, and the windows that were filled."""

from __future__ import annotations

from typing import Any

from sluice.local import databases
from sluice.local.settings import Settings
from sluice.local.tables import table
from sluice.stores.postgres import connect, one, rows
from sluice.stores.statements import statement


def where_it_led(settings: Settings, name: str, run_id: str) -> tuple[str, dict[str, Any]]:
    """Give the phase that a migration is in by the ledger, and the last facts of this run that came of a comparison."""
    with connect(settings.dsn("sluice", databases.LEDGER), purpose="run") as ledger:
        phase = rows(ledger, statement("control.find_phase"), migration=name)
        compared = rows(ledger, statement("control.find_compared"), migration=name, run=run_id)
    return (phase[0]["to_phase"] if phase else "planned"), (compared[0]["facts"] if compared else {})


def standing_table(settings: Settings) -> str:
    """Lay out where each migration stood when a run last looked, and its last gate; empty where none has taken a step."""
    with connect(settings.dsn("sluice", databases.LEDGER), purpose="status") as ledger:
        there = one(ledger, statement("control.is_there"))["there"]  # the first run makes it
        listed = rows(ledger, statement("control.list_standing")) if there else []
    shown = [
        (m["migration"], m["phase"], m["epoch"], f"{m['since']:%Y-%m-%d %H:%M}", m["quarantined"], m["last_gate"])
        for m in listed
    ]
    return table(("migration", "phase", "epoch", "since (UTC)", "quarantined", "last gate"), shown) if shown else ""


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
