"""Whoever restores a store says so in its vault first: while that note is young, nothing of the store is taken away.

    backups/stores/<store>/reading/<name>-<until>.json

A restore notes itself *before* it looks for backups. An expiry takes a backup's manifest away *before* it looks for such notes,
and only then its parts: so either the restore did not see the backup, or the expiry sees the restore and lets the parts be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

from sluice.errors import SluiceError
from sluice.safety.backup import place_of
from sluice.stores.objects import Vault

LASTS = timedelta(hours=24)
"""How long a restore may take. One that died stands in nobody's way for longer."""


@contextmanager
def reading(vault: Vault, store: str, name: str, now: datetime, lasts: timedelta = LASTS) -> Iterator[None]:
    """Keep all of a store's backups there for as long as the block lasts."""
    until = (now + lasts).astimezone(UTC)
    key = f"{_folder(store)}{name}-{until:%Y%m%dT%H%M%SZ}.json"
    vault.put_once(key, b"{}", "application/json")
    try:
        yield
    finally:
        with suppress(SluiceError):  # a note that stays ends by itself: what was restored is worth more
            vault.remove(key)


def end_reading(vault: Vault, store: str, name: str) -> None:
    """Note that a restore of that name is under way no more: it was killed. Safe to repeat."""
    for key in vault.list(f"{_folder(store)}{name}-"):
        vault.remove(key)


def readers(vault: Vault, store: str, now: datetime) -> Sequence[str]:
    """Name the restores that are under way. Raises VaultDown, AccessDenied."""
    found = [key.removeprefix(_folder(store)).removesuffix(".json") for key in vault.list(_folder(store))]
    return [name for name in found if _until(name) > now]


def _until(name: str) -> datetime:
    return datetime.strptime(name.rpartition("-")[2], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def _folder(store: str) -> str:
    return f"{place_of(store)}/reading/"
