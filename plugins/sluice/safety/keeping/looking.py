"""Look what there is of a store's backups in a vault: whole ones, their log, which were verified, and what is lost of them.

Two listings and the manifests: no object of a backup is read, but each is looked for under its key and of its size. What is lost
of a backup makes it one that was not verified, whatever was noted before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeAlias, TypeVar

from sluice.safety.backup import MANIFEST, Backup, Held, harm_of, place_of, read_backup
from sluice.safety.keeping.expiring import Expiry, Holding, LogDrop, LogObject
from sluice.safety.keeping.notes import verified_by
from sluice.safety.keeping.tiers import Needs, One
from sluice.safety.physical.wal import position
from sluice.stores.objects import Damaged, NoSuchKey, Vault

K = TypeVar("K", bound=Held)


@dataclass(frozen=True)
class SeenOf(Generic[K]):
    """What there is, and what is lost."""

    backups: Mapping[str, K]
    holding: Holding
    lost: tuple[str, ...]
    """What a manifest names and is not there, and what is not what was stored, each with its reason."""


Seen: TypeAlias = SeenOf[Backup]


@dataclass(frozen=True)
class Sort(Generic[K]):
    """One sort of backups in the vault."""

    folder: str
    """Of a store, that they lie in."""
    read: Callable[[Vault, str], K]
    """Reads the manifest under a key. Raises Damaged, Unreadable, NoSuchKey."""
    one_of: Callable[[K], One]
    """Gives one as its keeping sees it."""
    log: Callable[[Vault, str], Sequence[LogObject]] | None = None
    """Names the log that goes with them, where it is a server's."""
    plan_log: Callable[[Vault, SeenOf[K], Expiry], Sequence[LogDrop]] | None = None
    """Says what goes of a log that is none of a server's."""
    note_gap: Callable[[Vault, str, LogDrop], None] | None = None
    """Notes that a stretch of such a log is about to go."""


def look(vault: Vault, store: str, locks: bool = False) -> Seen:
    """Look for backups of servers. With `locks` S3 is asked until when each is locked.

    Raises Unreadable, VaultDown, AccessDenied. Read only.
    """
    return look_at(SERVERS, vault, store, locks)


def look_at(sort: Sort[K], vault: Vault, store: str, locks: bool = False) -> SeenOf[K]:
    """Look for backups of one sort. Raises Unreadable, VaultDown, AccessDenied. Read only."""
    sizes = vault.sizes(f"{place_of(store)}/{sort.folder}/")
    log = sort.log(vault, store) if sort.log else ()
    backups, lost = _read_all(sort, vault, sizes)
    ones = {name: sort.one_of(found) for name, found in backups.items()}
    missing = {name: [*harm_of(found, sizes), *_missing(ones[name], log)] for name, found in backups.items()}
    lost += [f"{name}: {what}" for name, found in missing.items() for what in found]
    verified = frozenset(name for name, found in backups.items() if verified_by(found, sizes) and not missing[name])
    until = {name: _locked(vault, found) for name, found in backups.items()} if locks else {}
    holding = Holding(ones, verified, log, {name: at for name, at in until.items() if at})
    return SeenOf(backups, holding, tuple(lost))


def unread(seen: SeenOf[K]) -> list[str]:
    """Name the backups that nobody has read back, and of which nobody has seen that something is wrong, oldest first. Pure."""
    harmed = {one.split(":")[0] for one in seen.lost}
    ordered = sorted(seen.holding.backups.values(), key=lambda one: (one.whole_at, one.id))
    return [one.id for one in ordered if one.id not in seen.holding.verified and one.id not in harmed]


def one_of(backup: Backup) -> One:
    """Give a backup of a whole server as its keeping sees it. Pure."""
    needs = Needs(backup.system, backup.timeline, backup.segment_bytes, position(backup.begins), position(backup.ends))
    return One(backup.id, backup.ended, backup.after, needs)


def list_log(vault: Vault, store: str) -> list[LogObject]:
    """Name every whole file of the log that there is, of whatever server. Raises VaultDown, AccessDenied."""
    folder = f"{place_of(store)}/wal/"
    found = []
    for key, at in vault.dated(folder).items():
        system, _, file = key.removeprefix(folder).split("/")
        found.append(LogObject(system, file.split("-")[0], key, at))
    return found


SERVERS = Sort("base", read_backup, one_of, list_log)
"""Backups of whole servers, with their log."""


def _read_all(sort: Sort[K], vault: Vault, sizes: Mapping[str, int]) -> tuple[dict[str, K], list[str]]:
    found: dict[str, K] = {}
    lost: list[str] = []
    for key in (key for key in sizes if key.endswith(f"/{MANIFEST}")):
        name = key.split("/")[-2]
        try:
            found[name] = sort.read(vault, key)
        except NoSuchKey:  # it went this moment
            continue
        except Damaged as error:
            lost.append(f"{name}: {error}")
    return found, lost


def _missing(one: One, log: Sequence[LogObject]) -> Iterator[str]:
    if one.needs:
        there = {file.name for file in log if file.system == one.needs.system}
        yield from (f"{name} of its log is not in the vault" for name in one.needs.files if name not in there)


def _locked(vault: Vault, backup: Held) -> datetime | None:
    locked = vault.lock_of(backup.manifest, None)
    return locked.until if locked else None
