"""Take away what is half a backup: one whose taking died, or that an expiry has taken the manifest of.

None is touched that may be written now: a day must have gone by since its last object, counted up to the newest object of the
store, by S3's own clock. None is touched whose manifest was there and somebody's DELETE hides it: that one can be had back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from sluice.failpoints import failpoint
from sluice.safety.backup import MANIFEST, place_of
from sluice.safety.driver import Tell
from sluice.safety.keeping.dropping import BACKUPS, check_nobody_reads
from sluice.stores.objects import AccessDenied, Vault

GRACE = timedelta(days=1)


@dataclass(frozen=True)
class Swept:
    """What became of halves."""

    gone: tuple[str, ...]
    hidden: tuple[str, ...]
    """Those whose manifest a DELETE has hidden."""


def plan_sweep(store: str, dated: Mapping[str, datetime], now: datetime, grace: timedelta = GRACE) -> list[str]:
    """Name the folders of halves, by when each object of the store was stored. Pure."""
    newest = min(now, max(dated.values(), default=now))
    place = f"{place_of(store)}/"
    inside = sorted(key for key in dated if key.removeprefix(place).split("/")[0] in BACKUPS)
    found = {folder: list(keys) for folder, keys in groupby(inside, lambda key: _folder(place, key))}
    return [
        folder
        for folder, keys in found.items()
        if f"{folder}/{MANIFEST}" not in keys and newest - max(dated[key] for key in keys) > grace
    ]


def sweep(vault: Vault, store: str, now: datetime, tell: Tell, grace: timedelta = GRACE) -> Swept:
    """Take halves away, with every version of their objects. Safe to repeat, and to kill. Raises BeingRead, VaultDown."""
    check_nobody_reads(vault, store, now)
    gone, hidden = [], []
    for folder in plan_sweep(store, vault.dated(f"{place_of(store)}/"), now, grace):
        manifest = f"{folder}/{MANIFEST}"
        if vault.hides(manifest):
            hidden.append(folder)
            tell(f"{folder} has a manifest that a DELETE has hidden: take its marker away, and it is a backup again")
            continue
        try:
            for key in vault.ever(f"{folder}/"):
                vault.remove(key)
                failpoint("sweep.part_gone")
        except AccessDenied as error:
            tell(f"{folder} stays: {error}")
            continue
        gone.append(folder)
        tell(f"{folder} was half a backup: it is gone")
    return Swept(tuple(gone), tuple(hidden))


def _folder(place: str, key: str) -> str:
    """Name the folder of the backup that an object is of: tables have folders of their own within it."""
    return place + "/".join(key.removeprefix(place).split("/")[:2])
