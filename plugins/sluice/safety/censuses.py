"""The counts of a database that are kept in the vault, each under its moment: what a restore is held against later.

backups/stores/<store>/census/<moment>.json.zst
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sluice.safety.backup import Unreadable, place_of
from sluice.safety.census import Census, Moment
from sluice.safety.counting import Content
from sluice.safety.driver import Tell
from sluice.stores.objects import AccessDenied, Damaged, NoSuchKey, Stored, Vault
from sluice.stores.parts import TYPE, packed, unpacked

FORMAT, VERSION = "sluice-census", 1


def keep_census(vault: Vault, store: str, census: Census) -> Stored:
    """Store a count. Raises AlreadyThere, VaultDown, AccessDenied."""
    told = {"format": FORMAT, "version": VERSION, **asdict(census)}
    body = packed(json.dumps(told, ensure_ascii=False).encode())
    return vault.put_once(key_of(store, datetime.fromisoformat(census.moment.at)), body, TYPE)


def key_of(store: str, moment: datetime) -> str:
    """Name the count of a moment. Pure."""
    at = moment.astimezone(UTC)
    return f"{_folder(store)}{at:%Y%m%dT%H%M%S}{at.microsecond // 1000:03}Z.json.zst"


def censuses_of(vault: Vault, store: str) -> list[str]:
    """Name every count of a store that is kept, oldest first. Raises VaultDown."""
    return list(vault.list(_folder(store)))


def counted_at(key: str) -> datetime:
    """Tell when a count was taken, by its key."""
    told = key.rsplit("/", 1)[-1].removesuffix("Z.json.zst")
    return datetime.strptime(f"{told}000", "%Y%m%dT%H%M%S%f").replace(tzinfo=UTC)


def read_census(vault: Vault, key: str) -> Census:
    """Read a count. Raises Damaged, Unreadable, NoSuchKey, VaultDown."""
    try:
        told: dict[str, Any] = json.loads(unpacked(vault.get(key)))
        if (told.pop("format"), told.pop("version")) != (FORMAT, VERSION):
            raise Unreadable(f"{key} is no census of version {VERSION}. Bring this installation up to date.")
        moment = told.pop("moment")
        tables = {name: Content(**found) for name, found in told.pop("tables").items()}
        return Census(**told, moment=Moment(**{**moment, "running": tuple(moment["running"])}), tables=tables)
    except (KeyError, OSError, TypeError, ValueError) as error:
        raise Damaged(f"{key} is no census ({type(error).__name__}). Keep it as evidence.") from error


def read_censuses(vault: Vault, store: str, tell: Tell) -> dict[str, Census]:
    """Read every count that is kept, by its key, oldest first. Raises Damaged, Unreadable, VaultDown.

    An old one that is damaged is told, and left out: what it would have proven another proves. The newest must be sound.
    """
    found, keys = {}, censuses_of(vault, store)
    for key in keys:
        try:
            found[key] = read_census(vault, key)
        except NoSuchKey:  # nothing could be held against it any more, and it went this moment
            continue
        except Damaged as why:
            if key == keys[-1]:
                raise
            tell(f"Left out: {why}")
    return found


def spare(counts: Sequence[str], since: datetime, backups: Iterable[datetime]) -> list[str]:
    """Name the counts that nothing can be held against any more, by when each backup was whole. Pure.

    What stays: all since then, the last before it, and the last two; and for each backup the last before it was whole, and the
    first after it. A backup that is kept for years is compared with these.
    """
    at = [counted_at(key) for key in counts]
    behind = [bisect_right(at, moment) for moment in (since, *backups)]
    stays = {number for place in behind for number in (place - 1, place)}
    first = min(behind[0], len(at) - 2)
    return [key for number, key in enumerate(counts) if number < first and number not in stays]


def thin_out(vault: Vault, store: str, since: datetime, backups: Iterable[datetime], tell: Tell) -> None:
    """Take away the counts that nothing can be held against any more. Safe to repeat. Raises VaultDown."""
    for key in spare(censuses_of(vault, store), since, backups):
        try:
            vault.remove(key)
            tell(f"{key} is gone: nothing can be brought back that it would be held against")
        except AccessDenied as why:
            tell(f"{key} stays: {why}")


def _folder(store: str) -> str:
    return f"{place_of(store)}/census/"
