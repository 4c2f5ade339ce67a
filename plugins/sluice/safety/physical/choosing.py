"""Which backup a moment is reached from: the newest that was whole before it, and of which nothing was seen damaged."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from sluice.safety.backup import Backup, Broken, backups_of, chain_of, place_of
from sluice.safety.driver import Tell
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


def choose(vault: Vault, store: str, target: Target, tell: Tell = lambda line: None) -> list[Backup]:
    """Give the backup to begin with and its increments, in order. Raises Broken where none was whole before the moment.

    One that lacks something, or was seen damaged, is passed over and told, unless it is named, or there is no other.
    """
    found = backups_of(vault, store)
    if target.is_a_backup:
        return _named(found, store, target)
    if target.kind != "time":  # a position of another server, one that was made anew, is another place
        found = [backup for backup in found if backup.system == found[-1].system]
    whole = [backup for backup in found if whole_before(backup, known(vault, store, target))]
    if not whole:
        first = f"the first is {found[0].id}, whole at {found[0].ends}" if found else "there is none at all"
        raise Broken(f"No backup of {store} was whole before {target}: {first}. That moment cannot be restored to.")
    backups, sizes = {backup.id: backup for backup in found}, vault.sizes(f"{place_of(store)}/base/")
    for backup in reversed(whole):
        harm = _harm(backups, backup, sizes)
        if harm is None:
            return chain_of(backups, backup)
        tell(f"{store}: {backup.id} is passed over: {harm}")
    tell(f"{store}: there is no other: {whole[-1].id} is tried all the same")
    return chain_of(backups, whole[-1])


def _named(found: Sequence[Backup], store: str, target: Target) -> list[Backup]:
    backups = {backup.id: backup for backup in found}
    if target.value not in backups:
        raise Broken(f"{store} has no backup {target.value!r} there. It has {', '.join(backups) or 'none'}.")
    return chain_of(backups, backups[target.value])


def _harm(backups: Mapping[str, Backup], backup: Backup, sizes: Mapping[str, int]) -> str | None:
    """Say what is wrong with a backup or with what it rests on; None where nothing was seen. Pure."""
    try:
        chain = chain_of(backups, backup)
    except Broken as error:
        return str(error)
    return next((f"{link.id}: {harm}" for link in chain for harm in link.harm(sizes)), None)


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
