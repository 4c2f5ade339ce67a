"""Which backup a moment is reached from: the newest that was whole before it, and of which nothing was seen damaged."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol, runtime_checkable

from sluice.errors import Terminal, Transient
from sluice.safety.backup import Backup, Broken, backups_of, chain_of, harm_of, place_of
from sluice.safety.driver import Tell
from sluice.safety.physical.log import LogStore
from sluice.safety.physical.recovering import Whole
from sluice.safety.physical.wal import as_text, position
from sluice.safety.target import Target
from sluice.stores.objects import NoSuchKey, Vault
from sluice.stores.postgres import Connection, one, translated
from sluice.stores.statements import statement

LOOKS_EVERY = 1.0
"""Seconds."""


class AlreadyNamed(Terminal):
    """A point of that name is noted already."""


class NotThere(Transient):
    """The log is not kept up to a point yet."""


@dataclass(frozen=True)
class Noted(Target):
    """The position of a point that we have named: a recovery stops there, wherever else in the log that name stands.

    A try that named it, and died before it was noted, has left another one: PostgreSQL itself stops at the first of a name.
    """

    @property
    def settings(self) -> dict[str, str]:
        """What PostgreSQL is told. A position is where a point ends: what begins there came after it."""
        return {**super().settings, "recovery_target_inclusive": "off"}


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
    # Something that comes after it has to be there: by that a recovery knows that it is at the point.
    while (reaches := driver.reaches()) <= position(named.value):
        if time.monotonic() > until:
            raise NotThere(
                f"The log of {driver.store} is kept up to {as_text(reaches)}, and the point is {named.value}. Nobody ships it, or"
                f" who does is late: see that it comes. It is looked for again by itself."
            )
        time.sleep(LOOKS_EVERY)


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
    followed = _followed(vault, whole)
    for backup in reversed(followed):
        harm = _harm(backups, backup, sizes)
        if harm is None:
            return chain_of(backups, backup)
        tell(f"{store}: {backup.id} is passed over: {harm}")
    tell(f"{store}: there is no other: {followed[-1].id} is tried all the same")
    return chain_of(backups, followed[-1])


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
    return next((f"{link.id}: {harm}" for link in chain for harm in harm_of(link, sizes)), None)


def _followed(vault: Vault, whole: Sequence[Backup]) -> Sequence[Backup]:
    """Give those whose way the log has gone: what a server wrote on that others had left at a promotion leads nowhere."""
    last = whole[-1]
    log = LogStore(vault, last.store, last.system, last.segment_bytes)
    lines = log.lines(log.held())[:1]
    own = [one for one in whole if one.system == last.system]
    return [one for one in own if any(line.holds(one.timeline, position(one.ends)) for line in lines)] or own


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
        return Noted("position", json.loads(vault.get(_key(store, target.value)))["position"])
    except NoSuchKey:
        return target


def _key(store: str, name: str) -> str:
    return f"{place_of(store)}/points/{name}.json"
