"""What was brought back for people, and not for a proof: until when it stands, noted in the vault.

backups/stores/<store>/standing/<scratch's name>.json
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from sluice.safety.backup import place_of
from sluice.safety.driver import Driver, Tell, made_at
from sluice.stores.objects import NoSuchKey, Vault

LONGEST_DRILL = timedelta(days=1)
"""After so long nobody works at a scratch any more: whoever made it was killed."""


def keep_standing(vault: Vault, store: str, name: str, until: datetime) -> None:
    """Note that what was brought back stands until then. Raises NotScratch, VaultDown, AccessDenied."""
    made_at(name)
    vault.put_once(_key(store, name), json.dumps({"until": until.isoformat()}).encode(), "application/json")


def stands_until(vault: Vault, store: str, name: str) -> datetime:
    """Tell when a scratch's time is over: as it was noted, or when nobody can be at work on it any more. Raises NotScratch."""
    try:
        return datetime.fromisoformat(json.loads(vault.get(_key(store, name)))["until"])
    except NoSuchKey:
        return made_at(name) + LONGEST_DRILL


def reap(driver: Driver, vault: Vault, now: datetime, tell: Tell) -> list[str]:
    """Take away what stands under scratch names and is over its time; gives their names. Safe to repeat."""
    gone = []
    for name in driver.scratches():
        until = stands_until(vault, driver.store, name)
        if now < until:
            tell(f"{name} stands until {until:%Y-%m-%d %H:%M} UTC")
            continue
        driver.destroy(name)
        vault.remove(_key(driver.store, name))
        tell(f"{name} was over its time, and is gone")
        gone.append(name)
    return gone


def _key(store: str, name: str) -> str:
    return f"{place_of(store)}/standing/{name}.json"
