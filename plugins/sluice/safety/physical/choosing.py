"""Which backup a moment is reached from: the newest that was whole before it."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol, runtime_checkable

from sluice.errors import Terminal, Transient
from sluice.safety.backup import Backup, Broken, backups_of, chain_of, place_of
from sluice.safety.physical.recovering import Whole
from sluice.safety.physical.wal import as_text, position
from sluice.safety.target import Target
from sluice.stores.objects import NoSuchKey, Vault
from sluice.stores.postgres import Connection, one, translated
from sluice.stores.statements import statement

LOOKS_EVERY = 1.0
"""Seconds."""


class AlreadyNamed(Terminal):
    """A point of that name is noted already: of two in one log, a recovery stops at the first."""


class NotThere(Transient):
    """The log is not kept up to a point yet."""


@runtime_checkable
class Shipped(Protocol):
    """A driver that keeps a log."""

    @property
    def store(self) -> str:
        """The store's name."""

    def reaches(self) -> int:
        """Give the position up to which its log is kept without a gap."""


def name_point(c: Connection, store: str, name: str, vault: Vault) -> str:
    """Name this moment in the log, and note in the vault when it was; gives its position. It is on the server's disk then.

    Raises AlreadyNamed, Refused, StoreDown, VaultDown.
    """
    if (there := known(vault, store, Target("point", name))).kind != "point":
        raise AlreadyNamed(f"{name} of {store} is {there} of its log already: choose another name. Nothing was done.")
    with translated(f"naming a point of {store}"):
        found = one(c, statement("safety.create_point"), name=name)
        with c.transaction():  # a server leaves what nobody commits behind in its memory
            c.execute(statement("safety.wait_for_own_disk"))
            c.execute(statement("safety.note_in_log"))
    told = {"name": name, "position": found["position"], "at": found["now"].astimezone(UTC).isoformat()}
    vault.put_once(_key(store, name), json.dumps(told).encode(), "application/json")
    return str(found["position"])


def wait_for_point(driver: Shipped, named: Target, within: timedelta) -> None:
    """Wait until the log is kept up to a point that was noted. Raises NotThere."""
    until = time.monotonic() + within.total_seconds()
    while (reaches := driver.reaches()) < position(named.value):
        if time.monotonic() > until:
            raise NotThere(
                f"The log of {driver.store} is kept up to {as_text(reaches)}, and the point is {named.value}. Nobody ships it, or"
                f" who does is late: see that it comes. It is looked for again by itself."
            )
        time.sleep(LOOKS_EVERY)


def choose(vault: Vault, store: str, target: Target) -> list[Backup]:
    """Give the backup to begin with and its increments, in order. Raises Broken where none was whole before the moment."""
    found = backups_of(vault, store)
    if target.kind != "time":  # a position of another server, one that was made anew, is another place
        found = [backup for backup in found if backup.system == found[-1].system]
    whole = [backup for backup in found if whole_before(backup, known(vault, store, target))]
    if not whole:
        first = f"the first is {found[0].id}, whole at {found[0].ends}" if found else "there is none at all"
        raise Broken(f"No backup of {store} was whole before {target}: {first}. That moment cannot be restored to.")
    return chain_of({backup.id: backup for backup in found}, whole[-1])


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
