"""Lock what a tier says is immutable: every object of its backups, of all that they rest on, and the log that they need.

A lock lasts until the backup's own moment plus the tier's time, so to ask again asks for the same; one that is there is made
longer or stricter, never shorter. The manifest is locked last: where it is, all of it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sluice.errors import Transient
from sluice.failpoints import failpoint
from sluice.safety.backup import Held
from sluice.safety.driver import Tell
from sluice.safety.keeping.expiring import Holding, Keeping
from sluice.safety.keeping.looking import K, SeenOf
from sluice.safety.keeping.tiers import assign, chain
from sluice.stores.locks import Locked
from sluice.stores.objects import NotLocked, Vault


class NotHeld(Transient):
    """An object that was locked is not, or for a shorter time."""


def plan_locks(holding: Holding, keeping: Keeping, now: datetime) -> Mapping[str, Locked]:
    """Say how each backup is to be locked that is in an immutable tier, or that one rests on which is. Pure.

    What was not verified is not locked: nobody wants to pay seven years for what cannot be restored.
    """
    sound = [one for one in holding.backups.values() if holding.is_sound(one.id)]
    wanted: dict[str, Locked] = {}
    for name, tiers in assign(sound, keeping.tiers).items():
        for tier in tiers:
            until = holding.backups[name].whole_at + tier.keep
            if tier.immutable is None or until <= now:
                continue
            for link in chain(holding.backups, name) or ():
                wanted[link] = Locked(tier.immutable, until).and_at_least(wanted.get(link))
    return wanted


def check_can_lock(vault: Vault, keeping: Keeping) -> None:
    """Raise NotLocked where a tier is immutable and the bucket locks nothing. Raises VaultDown, AccessDenied. Read only."""
    immutable = [tier.name for tier in keeping.tiers if tier.immutable]
    if immutable and not vault.default_lock()[0]:
        raise NotLocked(
            f"s3://{vault.bucket} locks nothing, and the {' and '.join(immutable)} backups are to be immutable: switch Object"
            " Lock on for the bucket (`vault: {lock: …}` in include/estate/estate.yaml, then configure_vault), or say that the"
            " tier is not immutable. Nothing was locked."
        )


def apply_locks(vault: Vault, seen: SeenOf[K], wanted: Mapping[str, Locked], tell: Tell) -> int:
    """Lock; gives how many backups there was something to do for. Safe to repeat, and to kill.

    Raises NoSuchKey, VaultDown, AccessDenied.
    """
    done = 0
    for name, lock in wanted.items():
        backup = seen.backups[name]
        if is_held(vault, backup.manifest, None, lock):
            continue
        for key, version in objects_of(seen, backup):
            vault.lock_at_least(key, version, lock)
            failpoint("lock.object_locked")
        vault.lock_at_least(backup.manifest, None, lock)
        tell(f"{backup.store}: {name} is locked until {lock.until:%Y-%m-%d}, {lock.mode.lower()}")
        done += 1
    return done


def verify_locks(vault: Vault, seen: SeenOf[K], wanted: Mapping[str, Locked]) -> int:
    """Ask S3 how each object is locked; gives how many there are. Raises NotHeld, NoSuchKey, VaultDown. Read only."""
    count = 0
    for name, lock in wanted.items():
        backup = seen.backups[name]
        for key, version in (*objects_of(seen, backup), (backup.manifest, None)):
            if not is_held(vault, key, version, lock):
                raise NotHeld(
                    f"s3://{vault.bucket}/{key} is not locked until {lock.until:%Y-%m-%d}. It is tried again by itself; if it"
                    " stays, see who lifts locks there."
                )
            count += 1
    return count


def is_held(vault: Vault, key: str, version: str | None, lock: Locked) -> bool:
    """Whether an object is locked as well as that. Raises NoSuchKey, VaultDown, AccessDenied."""
    there = vault.lock_of(key, version)
    return lock.and_at_least(there) == there


def objects_of(seen: SeenOf[K], backup: Held) -> list[tuple[str, str | None]]:
    """Name all that a backup needs but its manifest: its parts, the log that makes it consistent, and where timelines part."""
    parts = [(part.key, part.version) for part in backup.objects]
    needs = seen.holding.backups[backup.id].needs
    if needs is None:
        return [*parts]
    names = set(needs.files)
    return [
        *parts,
        *(
            (file.key, None)
            for file in seen.holding.log
            if file.system == needs.system and (file.name in names or file.name.endswith(".history"))
        ),
    ]
