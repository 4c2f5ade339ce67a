"""What a store has left that is backed up no more, or is called otherwise: nobody would look there again, and disks fill.

Its server keeps its log for us, by a slot; a server that was brought back stands on our disk. Where its log was shipped from is
noted in the vault, by the name of a connection, so that the server is found which no store of the estate leads to any more.

backups/stores/<store>/shipped/<connection>.json
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from sluice.errors import Terminal
from sluice.safety.backup import place_of
from sluice.safety.driver import PREFIX
from sluice.stores.objects import Vault
from sluice.stores.postgres import Connection, rows
from sluice.stores.statements import statement


class LeftOver(Terminal):
    """A store has left something, and nobody will look there again."""


HELD = 8 << 30
"""Bytes of log that a server may keep for us: a busy one writes them in an hour, which is as often as this is looked at."""
SLOT = "sluice_log_"
STORES = "backups/stores/"


def slot_of(store: str) -> str:
    """Name the slot by which a store's server keeps what the vault does not have yet."""
    return f"{SLOT}{store}"


def note_shipped(vault: Vault, store: str, connection: str) -> None:
    """Note through which connection a store's log is shipped. Safe to repeat. Raises VaultDown, AccessDenied."""
    vault.put_once(_key(store, connection), b"{}", "application/json")


def shipped_before(vault: Vault, shipped: Collection[str]) -> Iterator[tuple[str, str]]:
    """Name each store whose log was shipped and is no more, and the connection to its server. Raises VaultDown."""
    for folder in vault.folders(STORES):
        store = folder.removeprefix(STORES).rstrip("/")
        if store not in shipped and not store.startswith(PREFIX):
            for key in vault.list(_key(store, "").removesuffix(".json")):
                yield store, key.rpartition("/")[2].removesuffix(".json")


def forget_shipped(vault: Vault, store: str, connection: str) -> None:
    """Take that note away: its server keeps nothing for us any more. Safe to repeat."""
    vault.remove(_key(store, connection))


def slots_left(c: Connection, shipped: Collection[str]) -> dict[str, str]:
    """Give each slot on this server by which no store is shipped, and what to do about it."""
    kept = {slot_of(store) for store in shipped}
    where = f"{c.info.host}:{c.info.port}"
    return {
        row[
            "slot"
        ]: f"{row['slot']} on {where} keeps {int(row['bytes'] or 0) / 1e9:,.2f} GB of its server's log, and ships no"
        " store of this estate: that disk fills. Unless another installation ships it, run there:"
        f" SELECT pg_drop_replication_slot('{row['slot']}');"
        for row in rows(c, statement("safety.list_log_slots"), prefix=SLOT)
        if row["slot"] not in kept
    }


def slots_behind(c: Connection, shipped: Collection[str]) -> list[str]:
    """Name each slot on this server by which a store is shipped, and which keeps more than it should, and what to do about it."""
    stores = {slot_of(store): store for store in shipped}
    return [
        f"{row['slot']} on {c.info.host}:{c.info.port} keeps {int(row['bytes']) / 1e9:,.1f} GB of its server's log that the vault"
        f" does not have: that disk fills. See why ship_log__{stores[row['slot']]} does not ship it: paused, or red?"
        for row in rows(c, statement("safety.list_log_slots"), prefix=SLOT)
        if row["slot"] in stores and int(row["bytes"] or 0) > HELD
    ]


def servers_left(drills: Path, backed_up: Collection[str]) -> list[str]:
    """Name each copy that stands in a folder of a store which is backed up no more, and what to do about it."""
    found = drills.glob(f"*/{PREFIX}*") if drills.is_dir() else ()
    return [
        f"{folder} was brought back of {folder.parent.name}, which this estate does not back up: nothing takes it away. Unless"
        " users are on it, or another installation works there, run on that worker:"
        f" pg_ctl stop --mode=immediate --pgdata={folder}/data; rm -r {folder}"
        for folder in sorted(found)
        if folder.parent.name not in backed_up
    ]


def _key(store: str, connection: str) -> str:
    return f"{place_of(store)}/shipped/{connection}.json"
