"""Exports of a store's tables in the vault: asked of the service, read back when it is done, and asked for anew as they grow old.

The service gives out no byte of its history and its backups; an export lies in the vault, and is read back. It takes from minutes
to hours, and nobody waits: each night goes on where the one before has left it.

    backups/stores/<store>/exports/<table>/begun-<moment>.json   asked for, not read back yet
    backups/stores/<store>/exports/<table>/read-<moment>.json    read back: how many items, and their hash
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from sluice.errors import SluiceError
from sluice.safety.backup import place_of
from sluice.safety.documents.exporting import NotExported, StillExporting, begin_export, look_at_export, read_export
from sluice.safety.documents.tables import Tables
from sluice.safety.driver import Tell
from sluice.stores.objects import Damaged, Vault

LATE = timedelta(days=2)
"""After so long an export is not merely large."""
_MOMENT = "%Y%m%dT%H%M%SZ"


def go_on(tables: Tables, vault: Vault, every: timedelta, at: datetime, tell: Tell) -> list[str]:
    """Read back what is done, and ask for an export as of `at` where the newest is older than `every`; a line for each table.

    Safe to repeat. One table's trouble holds up none of the others, and is raised at the end.
    Raises NotExported, Damaged, StillExporting, DynamoRefused, VaultDown, AccessDenied.
    """
    told, wrong = list[str](), list[SluiceError]()
    for table in tables.names:
        try:
            told.append(f"{table}: {_go_on(tables, vault, table, every, at)}")
        except SluiceError as why:
            wrong.append(why)
            told.append(f"{table}: {why}")
        tell(told[-1])
    if wrong:
        raise wrong[0]
    return told


def _go_on(tables: Tables, vault: Vault, table: str, every: timedelta, at: datetime) -> str:
    under_way = vault.list(_note(tables, table, "begun"))
    if under_way:
        return _read_back(tables, vault, table, under_way[-1], at)
    before = [_moment(key) for key in vault.list(_note(tables, table, "read"))]
    if before and at - before[-1] < every:
        return f"its export of {before[-1]:%Y-%m-%d %H:%M} UTC is younger than {every.days} days"
    address = begin_export(tables, vault, table, at, vault.kms_key)
    body = json.dumps({"address": address}).encode()
    vault.put_once(f"{_note(tables, table, 'begun')}{at:{_MOMENT}}.json", body, "application/json")
    return f"its export of {at:%Y-%m-%d %H:%M} UTC is asked for; the next night reads it back"


def _read_back(tables: Tables, vault: Vault, table: str, note: str, now: datetime) -> str:
    begun = _moment(note)
    try:
        done = look_at_export(tables, table, json.loads(vault.get(note))["address"])
        found = read_export(vault, table, done) if done else None
    except (NotExported, Damaged):
        vault.remove(note)  # what cannot be read back is none: the next night asks for another
        raise
    if found is None:
        if now - begun > LATE:
            raise StillExporting(
                f"{table} of {tables.store}: the service exports it since {begun:%Y-%m-%d %H:%M} UTC. Look at it in AWS's"
                " console; the next night looks again."
            )
        return f"its export of {begun:%Y-%m-%d %H:%M} UTC is under way"
    body = json.dumps(asdict(found), indent=1).encode()
    vault.put_once(f"{_note(tables, table, 'read')}{begun:{_MOMENT}}.json", body, "application/json")
    vault.remove(note)
    return f"its export of {begun:%Y-%m-%d %H:%M} UTC is read back, {found.items:,} items"


def _note(tables: Tables, table: str, what: str) -> str:
    return f"{place_of(tables.store)}/exports/{table}/{what}-"


def _moment(key: str) -> datetime:
    return datetime.strptime(key.rpartition("-")[2].removesuffix(".json"), _MOMENT).replace(tzinfo=UTC)
