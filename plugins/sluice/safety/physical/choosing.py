"""Which backup a moment is reached from: the newest that was whole before it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from sluice.safety.backup import Backup, Broken, backups_of, chain_of, place_of
from sluice.safety.physical.log import LogStore
from sluice.safety.physical.recovering import Whole
from sluice.safety.physical.wal import position
from sluice.safety.target import Target
from sluice.stores.objects import NoSuchKey, Vault
from sluice.stores.postgres import Connection, one
from sluice.stores.statements import statement


def name_point(c: Connection, store: str, name: str, vault: Vault) -> str:
    """Name this moment in the log, and note in the vault when it was; gives its position. The role may need a grant for it."""
    found = one(c, statement("safety.create_point"), name=name)
    told = {"name": name, "position": found["position"], "at": found["now"].astimezone(UTC).isoformat()}
    vault.put_once(_key(store, name), json.dumps(told).encode(), "application/json")
    return str(found["position"])


def choose(vault: Vault, store: str, target: Target) -> list[Backup]:
    """Give the backup to begin with and its increments, in order. Raises Broken where none was whole before the moment."""
    found = backups_of(vault, store)
    if target.kind != "time":  # a position of another server, one that was made anew, is another place
        found = [backup for backup in found if backup.system == found[-1].system]
    whole = [backup for backup in found if whole_before(backup, known(vault, store, target))]
    if not whole:
        first = f"the first is {found[0].id}, whole at {found[0].ends}" if found else "there is none at all"
        raise Broken(f"No backup of {store} was whole before {target}: {first}. That moment cannot be restored to.")
    return chain_of({backup.id: backup for backup in found}, _followed(vault, whole))


def _followed(vault: Vault, whole: Sequence[Backup]) -> Backup:
    """Give the newest whose way the log has gone: what a server wrote on that others had left at a promotion leads nowhere."""
    last = whole[-1]
    log = LogStore(vault, last.store, last.system, last.segment_bytes)
    lines = log.lines(log.held())[:1]
    own = [one for one in whole if one.system == last.system]
    there = [one for one in own if any(line.holds(one.timeline, position(one.ends)) for line in lines)]
    return (there or own)[-1]


def whole_before(backup: Whole, target: Target) -> bool:
    """Tell whether a backup was whole by then: no moment before it is reached from it."""
    if target.kind == "time":
        return backup.ended < datetime.fromisoformat(target.value)
    return target.kind != "position" or position(backup.ends) <= position(target.value)


def known(vault: Vault, store: str, target: Target) -> Target:
    """Give a point's position, where we have named it; of one that somebody else has named nobody knows the place."""
    if target.kind != "point":
        return target
    try:
        return Target("position", json.loads(vault.get(_key(store, target.value)))["position"])
    except NoSuchKey:
        return target


def _key(store: str, name: str) -> str:
    return f"{place_of(store)}/points/{name}.json"
