"""What was brought back for people, and not for a proof: how long it was meant to stand, noted in the vault.

Users may have been pointed at it since: nothing takes it away by itself, however old it is, and a person names it.

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


def stands_until(vault: Vault, store: str, name: str) -> datetime | None:
    """Tell how long what was brought back for people was meant to stand; None for a drill's copy. Raises VaultDown."""
    try:
        return datetime.fromisoformat(json.loads(vault.get(_key(store, name)))["until"])
    except NoSuchKey:
        return None


def reap(driver: Driver, vault: Vault, now: datetime, tell: Tell, named: str = "") -> list[str]:
    """Take away what drills have left that were killed, and what a person has `named`; gives their names. Safe to repeat."""
    gone = []
    for name in driver.scratches():
        until = stands_until(vault, driver.store, name)
        if until and name != named:
            over = (
                "its time is over, and users may be on it"
                if now >= until
                else f"it stands until {until:%Y-%m-%d %H:%M} UTC"
            )
            tell(
                f'{name} was brought back for people: {over}. It goes when reap_scratch is run with {{"drop": "{name}"}}'
            )
        elif name == named or now >= made_at(name) + LONGEST_DRILL:
            driver.destroy(name)
            vault.remove(_key(driver.store, name))
            tell(f"{name} is gone")
            gone.append(name)
    return gone


def _key(store: str, name: str) -> str:
    return f"{place_of(store)}/standing/{name}.json"
