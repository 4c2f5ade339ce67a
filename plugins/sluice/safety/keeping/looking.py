"""Look what there is of a store's backups in a vault: whole ones, their log, which were verified, and what is lost of them.

Two listings and the manifests: no object of a backup is read, but each is looked for under its key and of its size. What is lost
of a backup makes it one that was not verified, whatever was noted before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sluice.safety.backup import MANIFEST, Backup, place_of, read_backup
from sluice.safety.keeping.expiring import Holding, LogObject
from sluice.safety.keeping.notes import verified_by
from sluice.safety.keeping.tiers import Needs, One
from sluice.safety.physical.wal import position
from sluice.stores.objects import Damaged, NoSuchKey, Vault


@dataclass(frozen=True)
class Seen:
    """What there is, and what is lost."""

    backups: Mapping[str, Backup]
    holding: Holding
    lost: tuple[str, ...]
    """What a manifest names and is not there, and what is not what was stored, each with its reason."""


def look(vault: Vault, store: str, locks: bool = False) -> Seen:
    """Look. With `locks` S3 is asked until when each is locked. Raises Unreadable, VaultDown, AccessDenied. Read only."""
    sizes = vault.sizes(f"{place_of(store)}/base/")
    log = list_log(vault, store)
    backups, lost = _read_all(vault, sizes)
    missing = {name: [*_missing(found, sizes, log)] for name, found in backups.items()}
    lost += [f"{name}: {what}" for name, found in missing.items() for what in found]
    verified = frozenset(name for name, found in backups.items() if verified_by(found, sizes) and not missing[name])
    until = {name: _locked(vault, found) for name, found in backups.items()} if locks else {}
    ones = {name: one_of(found) for name, found in backups.items()}
    holding = Holding(ones, verified, log, {name: at for name, at in until.items() if at})
    return Seen(backups, holding, tuple(lost))


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


def _read_all(vault: Vault, sizes: Mapping[str, int]) -> tuple[dict[str, Backup], list[str]]:
    found, lost = {}, []
    for key in (key for key in sizes if key.endswith(f"/{MANIFEST}")):
        name = key.split("/")[-2]
        try:
            found[name] = read_backup(vault, key)
        except NoSuchKey:  # it went this moment
            continue
        except Damaged as error:
            lost.append(f"{name}: {error}")
    return found, lost


def _missing(backup: Backup, sizes: Mapping[str, int], log: Sequence[LogObject]) -> Iterator[str]:
    yield from backup.harm(sizes)
    there = {file.name for file in log if file.system == backup.system}
    needs = one_of(backup).needs
    assert needs
    yield from (f"{name} of its log is not in the vault" for name in needs.files if name not in there)


def _locked(vault: Vault, backup: Backup) -> datetime | None:
    locked = vault.lock_of(backup.manifest, None)
    return locked.until if locked else None
