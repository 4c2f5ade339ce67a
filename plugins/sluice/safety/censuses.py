"""The counts of a database that are kept in the vault, each under its moment: what a restore is held against later.

backups/stores/<store>/census/<moment>.json.zst
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sluice.safety.backup import Unreadable, place_of
from sluice.safety.census import Census, Moment
from sluice.safety.counting import Content
from sluice.stores.objects import Stored, Vault
from sluice.stores.parts import TYPE, packed, unpacked

FORMAT, VERSION = "sluice-census", 1


def keep_census(vault: Vault, store: str, census: Census) -> Stored:
    """Store a count. Raises AlreadyThere, VaultDown, AccessDenied."""
    moment = datetime.fromisoformat(census.moment.at).astimezone(UTC)
    key = f"{_folder(store)}{moment:%Y%m%dT%H%M%S}{moment.microsecond // 1000:03}Z.json.zst"
    told = {"format": FORMAT, "version": VERSION, **asdict(census)}
    return vault.put_once(key, packed(json.dumps(told, ensure_ascii=False).encode()), TYPE)


def censuses_of(vault: Vault, store: str) -> list[str]:
    """Name every count of a store that is kept, oldest first. Raises VaultDown."""
    return list(vault.list(_folder(store)))


def counted_at(key: str) -> datetime:
    """Tell when a count was taken, by its key."""
    told = key.rsplit("/", 1)[-1].removesuffix("Z.json.zst")
    return datetime.strptime(f"{told}000", "%Y%m%dT%H%M%S%f").replace(tzinfo=UTC)


def read_census(vault: Vault, key: str) -> Census:
    """Read a count. Raises Unreadable, NoSuchKey, VaultDown."""
    try:
        told: dict[str, Any] = json.loads(unpacked(vault.get(key)))
        if (told.pop("format"), told.pop("version")) != (FORMAT, VERSION):
            raise Unreadable(f"{key} is no census of version {VERSION}. Bring this installation up to date.")
        moment = told.pop("moment")
        tables = {name: Content(**found) for name, found in told.pop("tables").items()}
        return Census(**told, moment=Moment(**{**moment, "running": tuple(moment["running"])}), tables=tables)
    except (KeyError, TypeError, ValueError) as error:
        raise Unreadable(f"{key} is no census ({type(error).__name__}). Keep it as evidence.") from error


def _folder(store: str) -> str:
    return f"{place_of(store)}/census/"
