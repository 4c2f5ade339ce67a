"""Keep the newest backups and take the others away, and what a backup that died has left behind."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby

from sluice.stores.objects import AccessDenied, Vault
from sluice.upkeep.metadata.backup import MANIFEST, PREFIX

Tell = Callable[[str], None]


def plan_thinning(keys: list[str], keep: int) -> list[str]:
    """Name the folders that go, the oldest first: all backups but the newest `keep`, and what died before the newest of them.

    Pure. Where no backup is whole, all stays.
    """
    folders = {folder: set(files) for folder, files in groupby(sorted(filter(_is_ours, keys)), _folder)}
    whole = [folder for folder, files in folders.items() if f"{folder}/{MANIFEST}" in files]
    kept = set(whole[-keep:])
    return [folder for folder in folders if whole and folder not in kept and folder < whole[-1]]


def thin(vault: Vault, keep: int, tell: Tell) -> int:
    """Take away what `plan_thinning` names; give how many folders went. What the vault keeps locked stays, and is told."""
    keys = list(vault.list(PREFIX))
    gone = 0
    for folder in plan_thinning(keys, keep):
        # The manifest first: what is half gone is no backup.
        inside = sorted((key for key in keys if _folder(key) == folder), key=lambda key: not key.endswith(MANIFEST))
        try:
            for key in inside:
                vault.remove(key)
        except AccessDenied as error:
            tell(f"{folder} stays: {error}")
            continue
        tell(f"{folder} is gone")
        gone += 1
    return gone


def _is_ours(key: str) -> bool:
    return key.startswith(PREFIX) and key.count("/") == PREFIX.count("/") + 1


def _folder(key: str) -> str:
    return key.rpartition("/")[0]
