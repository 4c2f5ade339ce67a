"""An instance's settings, kept in the vault with every snapshot: on the day when the instance is gone, RDS knows them no more.

backups/stores/<store>/rds/<snapshot>.json
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from sluice.safety.backup import Unreadable, place_of
from sluice.safety.rds.settings import Settings
from sluice.stores.objects import AlreadyThere, Vault

FORMAT, VERSION = "sluice-rds-instance", 1


@dataclass(frozen=True)
class Kept:
    """An instance as it was when a snapshot was taken."""

    instance: str
    resource: str
    """RDS's own name of it, which what it keeps of an instance that is gone goes by."""
    settings: Settings


def keep(vault: Vault, store: str, snapshot: str, kept: Kept) -> None:
    """Keep it. Again is the same. Raises VaultDown, AccessDenied."""
    told = {"format": FORMAT, "version": VERSION, **asdict(kept)}
    body = json.dumps(told, indent=1, ensure_ascii=False, default=str).encode()
    try:
        vault.put_once(f"{_folder(store)}{snapshot}.json", body, "application/json")
    except AlreadyThere:
        return  # a second try: what the first one kept is nearer to the snapshot


def newest(vault: Vault, store: str) -> Kept | None:
    """Give what was kept last. Raises Unreadable, VaultDown."""
    keys = sorted(key for key in vault.list(_folder(store)))
    return _read(vault, keys[-1]) if keys else None


def _read(vault: Vault, key: str) -> Kept:
    try:
        told: dict[str, Any] = json.loads(vault.get(key))
        if (told.pop("format"), told.pop("version")) != (FORMAT, VERSION):
            raise Unreadable(f"{key} is no settings of version {VERSION}. Bring this installation up to date.")
        return Kept(**told)
    except (KeyError, TypeError, ValueError) as error:
        raise Unreadable(f"{key} holds no settings ({type(error).__name__}). Keep it as evidence.") from error


def _folder(store: str) -> str:
    return f"{place_of(store)}/rds/"
