"""Take away what a plan says: a backup's manifest first, so that half of one is none, then its objects, then the log.

Every version of each goes, hidden ones too. Killed anywhere, a second time does the rest; what a kill leaves of a backup has no
manifest, and is swept (sweeping.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from sluice.errors import Terminal, Transient
from sluice.failpoints import failpoint
from sluice.safety.backup import MANIFEST, folder_of, place_of
from sluice.safety.driver import Tell
from sluice.safety.keeping.expiring import Expiry, LogDrop
from sluice.safety.keeping.reading import readers
from sluice.stores.objects import AccessDenied, NoSuchKey, Vault

Facts: TypeAlias = Mapping[str, int | str]
SHOWN = 10
BACKUPS = ("base", "dumps")
"""The folders of a store in which each folder is a backup, or half of one."""
LOGS = ("wal", "log")
"""Those of its log: a server's, and what the streams of tables have told."""


class BeingRead(Transient):
    """A restore of this store is under way: nothing of it is taken away."""


class MustAsk(Terminal):
    """More than half would go at once, and nobody has said yes to that."""


class Changed(Terminal):
    """What was to stay is no longer there: the plan is of another day."""


class NotGone(Transient):
    """What was taken away is there still."""


@dataclass
class Done:
    """What an expiry has done."""

    gone: list[str] = field(default_factory=list)
    stayed: list[str] = field(default_factory=list)
    """What was to go and did not, each with its reason."""
    log_files: int = 0


def apply_expiry(
    vault: Vault,
    store: str,
    expiry: Expiry,
    now: datetime,
    tell: Tell,
    agreed: bool = False,
    note_gap: Callable[[Vault, str, LogDrop], None] | None = None,
) -> Done:
    """Do what a plan says. Safe to repeat, and to kill. `agreed`: a person has said yes to a plan that is much.

    `note_gap` is told of each stretch of the log before it goes.
    Raises MustAsk, BeingRead, Changed, VaultDown.
    """
    check_agreed(store, expiry, agreed)
    check_nobody_reads(vault, store, now)
    check_unchanged(vault, store, expiry)
    done = Done()
    stays = set[str]()
    # The newest first: what an increment rests on goes after it, and not at all where it stays.
    for backup in reversed([*expiry.drop]):
        if backup in stays:
            done.stayed.append(f"{backup}: an increment of it stays")
        if backup in stays or not _drop(vault, store, backup, expiry.drop[backup], now, done, tell):
            stays |= {backup, expiry.going[backup].after or backup}
    left = [expiry.going[one].needs for one in stays if one in expiry.going]
    needed = {(needs.system, name) for needs in left if needs for name in needs.files}
    unknown = None in left  # what of the log it needs is not known: all of it stays
    for stretch in expiry.log:
        check_nobody_reads(vault, store, now)
        if note_gap and not unknown:
            note_gap(vault, store, stretch)
        for name, key in stretch.files.items():
            if unknown or (stretch.system, name) in needed:
                done.stayed.append(f"{key}: a backup that stays needs it")
            elif _removed(vault, key, done):
                done.log_files += 1
                failpoint("expiry.log_file_gone")
        tell(f"{store}: {stretch}")
    return done


def verify_expiry(vault: Vault, store: str, expiry: Expiry, done: Done) -> Facts:
    """Look that what was to stay is there, and what went is not, hidden or not. Raises Changed, NotGone. Read only."""
    check_unchanged(vault, store, expiry)
    left = [backup for backup in done.gone if vault.ever(f"{folder_of(store, backup)}/")]
    there = {key for log in LOGS for key in vault.list(f"{place_of(store)}/{log}/")}
    stayed = {one.split(":")[0] for one in done.stayed}
    left += [key for one in expiry.log for key in one.files.values() if key in there and key not in stayed]
    if left:
        raise NotGone(f"{store}: {', '.join(left[:SHOWN])} should be gone. It is tried again by itself.")
    return {
        "kept": len(expiry.keep),
        "gone": len(done.gone),
        "log_files_gone": done.log_files,
        "stayed": len(done.stayed),
        "stayed_told": "; ".join(done.stayed[:SHOWN]),
    }


def check_agreed(store: str, expiry: Expiry, agreed: bool) -> None:
    """Raise MustAsk where a plan is much, and nobody has said yes to it."""
    if expiry.is_much and not agreed:
        raise MustAsk(
            f"{store}: {len(expiry.drop)} of {len(expiry.drop) + len(expiry.keep)} backups would go at once. Nothing was taken"
            f" away: look at the plan, and if it is meant: ./sluice run backup__{store} --conf '{{\"agree\": true}}' --wait"
        )


def check_nobody_reads(vault: Vault, store: str, now: datetime) -> None:
    """Raise BeingRead while a restore is under way."""
    if found := readers(vault, store, now):
        raise BeingRead(
            f"{store} is being restored ({found[0]}): nothing of it is taken away meanwhile. It is tried again by itself."
        )


def check_unchanged(vault: Vault, store: str, expiry: Expiry) -> None:
    """Raise Changed where a backup that stays has no manifest any more: what goes might be all that is left."""
    there = {key for sort in BACKUPS for key in vault.list(f"{place_of(store)}/{sort}/")}
    if gone := [backup for backup in expiry.keep if f"{folder_of(store, backup)}/{MANIFEST}" not in there]:
        raise Changed(
            f"{store}: {', '.join(gone[:SHOWN])} was to stay, and is not there. No more was taken away: see who deletes in"
            f" s3://{vault.bucket}, and plan anew."
        )


def _drop(vault: Vault, store: str, backup: str, why: str, now: datetime, done: Done, tell: Tell) -> bool:
    """Take one backup away; gives whether it is none any more."""
    folder = folder_of(store, backup)
    manifest = f"{folder}/{MANIFEST}"
    keys = vault.ever(f"{folder}/")
    if locked := _locked(vault, keys, now):
        done.stayed.append(f"{backup}: {locked}")
        tell(f"{store}: {backup} stays: {locked}")
        return False
    if not _removed(vault, manifest, done):
        return False
    failpoint("expiry.manifest_gone")
    if found := readers(vault, store, now):
        done.stayed.append(f"{backup}: {found[0]} may be reading it; what is left of it is swept later")
        return True
    left = [key for key in keys if key != manifest]
    while left and _removed(vault, left[-1], done):
        left.pop()
        failpoint("expiry.part_gone")
    if not left:
        done.gone.append(backup)
        tell(f"{store}: {backup} is gone: {why}")
    return True


def _locked(vault: Vault, keys: Sequence[str], now: datetime) -> str | None:
    """Say what of a backup is locked: it goes as a whole, or not at all."""
    for key in keys:
        try:
            locked = vault.lock_of(key, None)
        except NoSuchKey:  # hidden: there is nothing that a restore could read
            continue
        if locked and locked.until > now:
            return f"{key} is locked until {locked.until:%Y-%m-%d}"
    return None


def _removed(vault: Vault, key: str, done: Done) -> bool:
    try:
        vault.remove(key)
    except AccessDenied as error:  # a lock of somebody else's, on a version that lies below
        done.stayed.append(f"{key}: {error}")
        return False
    return True
