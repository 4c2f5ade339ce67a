"""A second copy of a tier's backups, in another region: stored by content, proven by the other side's checksum, manifest last.

The keys are the same there, and so is the code that restores: `Vault(client of the other region, other bucket)`. The manifest is
another one in its versions alone: each bucket names its own.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sluice.errors import Terminal
from sluice.failpoints import failpoint
from sluice.safety.backup import Backup
from sluice.safety.driver import Tell
from sluice.safety.keeping.expiring import Holding, Keeping
from sluice.safety.keeping.locking import objects_of
from sluice.safety.keeping.looking import Seen
from sluice.safety.keeping.notes import Verified
from sluice.safety.keeping.tiers import Tier, assign, begins, chain, lacking
from sluice.safety.keeping.verifying import log_reads
from sluice.stores.objects import Damaged, Vault
from sluice.stores.parts import TYPE, Part, in_order

APART = {"day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=31)}
"""How far apart the backups of a tier lie."""


class SameBucket(Terminal):
    """A second copy in the same bucket is none."""


def keeping_elsewhere(keeping: Keeping) -> Keeping:
    """Say how long what is elsewhere stays: by its own tiers alone, each backup for itself, and locked by nobody. Pure."""
    tiers = tuple(replace(tier, immutable=None) for tier in keeping.tiers if tier.elsewhere)
    silent_for = keeping.silent_for + max(APART[tier.every] for tier in tiers)
    return replace(keeping, tiers=tiers, window=timedelta(0), silent_for=silent_for)


def plan_copies(here: Seen, there: Seen, keeping: Keeping, now: datetime) -> list[str]:
    """Name the backups that are to be copied, what others rest on before them. Pure.

    Where one stands for its day, week or month there, no other of that time is wanted: which is the first may change here.
    """
    held, had = here.holding, _stands_for(there.holding, keeping)
    wanted = [
        name
        for name, tiers in _in_tiers(held, keeping).items()
        for tier in tiers
        if (tier.name, begins(held.backups[name].whole_at, tier.every)) not in had
        and held.backups[name].whole_at + tier.keep > now
    ]
    links = [link for name in sorted(wanted) for link in reversed(chain(held.backups, name) or [])]
    return [name for name in dict.fromkeys(links) if name not in there.holding.verified]


def lacking_copies(here: Seen, there: Seen, keeping: Keeping, now: datetime) -> list[str]:
    """Say what is not there and should be, once all was copied: backups, and tiers whose time has begun without one. Pure."""
    newest = max((one.whole_at for one in here.holding.backups.values()), default=now)
    sound = [one for one in there.holding.backups.values() if there.holding.is_sound(one.id)]
    none = lacking(sound, keeping_elsewhere(keeping).tiers, newest)
    return [*plan_copies(here, there, keeping, now), *(f"the {tier.name} one of this {tier.every}" for tier in none)]


def check_apart(here: Vault, there: Vault) -> None:
    """Raise SameBucket where the second bucket is the first."""
    if (here.bucket, here.client.meta.endpoint_url) == (there.bucket, there.client.meta.endpoint_url):
        raise SameBucket(f"s3://{there.bucket} is where the backups lie already: name a bucket of another region.")


def _in_tiers(held: Holding, keeping: Keeping) -> Mapping[str, Sequence[Tier]]:
    """Tell of each backup that can be restored in which of the tiers it is that are wanted elsewhere."""
    sound = [one for one in held.backups.values() if held.is_sound(one.id)]
    return assign(sound, [tier for tier in keeping.tiers if tier.elsewhere])


def _stands_for(held: Holding, keeping: Keeping) -> set[tuple[str, datetime]]:
    tiers = _in_tiers(held, keeping).items()
    return {(tier.name, begins(held.backups[name].whole_at, tier.every)) for name, own in tiers for tier in own}


def copy_backup(here: Vault, there: Vault, seen: Seen, name: str, now: datetime, tell: Tell) -> Backup:
    """Copy one backup and the log that it needs. Safe to repeat, and to kill: without its manifest there is no copy.

    Raises SameBucket, Damaged where a checksum is not what it was, AlreadyThere, NoSuchKey, VaultDown, AccessDenied.
    """
    check_apart(here, there)
    began, backup = time.monotonic(), seen.backups[name]
    own = {part.key: part for part in (*backup.parts, backup.own_manifest)}
    log = [key for key, _ in objects_of(seen, backup) if key not in own]
    copied = {part.key: part for part in in_order(lambda part: _copy_part(here, there, part), own.values())}
    files = list(in_order(lambda key: _copy_object(here, there, key), log))
    for read in log_reads(there, backup):
        read()
    failpoint("elsewhere.stored")
    made = replace(
        backup, parts=tuple(copied[part.key] for part in backup.parts), own_manifest=copied[backup.own_manifest.key]
    )
    made.keep(there)
    took, count = time.monotonic() - began, len(own) + len(files)
    total = sum(part.bytes for part in own.values()) + sum(files)
    by = f"s3://{there.bucket} has the checksums of s3://{here.bucket}"
    Verified(name, made.seal, count, count, total, round(took, 3), now.isoformat(), by).keep(there, made)
    tell(f"{backup.store}: {name} is in s3://{there.bucket} too: {count} objects, {total:,} bytes in {took:.1f} s")
    return made


def _copy_part(here: Vault, there: Vault, part: Part) -> Part:
    body = here.get(part.key, part.version)
    if hashlib.sha256(body).hexdigest() != part.sha256:
        raise Damaged(f"s3://{here.bucket}/{part.key} is not what was stored: it is not copied. Keep it as evidence.")
    version = _store(there, part.key, body)
    failpoint("elsewhere.part_stored")
    return replace(part, version=version)


def _copy_object(here: Vault, there: Vault, key: str) -> int:
    body = here.get(key)
    _store(there, key, body)
    return len(body)


def _store(there: Vault, key: str, body: bytes) -> str | None:
    """Store an object, and ask the other side what it has; gives the version. Raises Damaged."""
    wanted = hashlib.sha256(body).hexdigest()
    stored = there.put_once(key, body, TYPE)
    noted, version = there.digest_of(key)
    if noted is None:  # a store of objects that notes no checksums: what it has is read
        found, version = there.current(key)
        noted = hashlib.sha256(found).hexdigest()
    if (noted, version) != (wanted, stored.version_id):
        raise Damaged(f"s3://{there.bucket}/{key} did not arrive as it was sent. Take it away there, and copy again.")
    return version
