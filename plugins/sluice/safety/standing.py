"""What was brought back for people, and not for a proof: how long it was meant to stand, noted in the vault.

Users may have been pointed at it since: nothing takes it away by itself, however old it is, and a person names it.

backups/stores/<store>/standing/<scratch's name>.json
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from sluice.errors import SluiceError
from sluice.safety.backup import place_of
from sluice.safety.driver import Driver, NotScratch, Tell, made_at
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
    """Take away what drills have left that were killed, and what a person has `named`; gives their names. Safe to repeat.

    What cannot go holds up none of the others, and is raised at the end. What has no name of ours is told, and left alone.
    """
    gone, stays = list[str](), list[SluiceError]()
    for name in driver.scratches():
        try:
            if goes(driver, vault, name, now, tell, named):
                driver.destroy(name)
                vault.remove(_key(driver.store, name))
                tell(f"{name} is gone")
                gone.append(name)
        except NotScratch as why:
            tell(f"{name} is left alone: {why}")
        except SluiceError as why:
            tell(f"{name} stays: {why}")
            stays.append(why)
    if stays:
        raise stays[0]
    return gone


def goes(driver: Driver, vault: Vault, name: str, now: datetime, tell: Tell, named: str) -> bool:
    """Whether one is to be taken away; of what stands for people, tell how long it was meant to. Raises NotScratch."""
    made = made_at(name)
    until = stands_until(vault, driver.store, name)
    if until is None or name == named:
        return name == named or now >= made + LONGEST_DRILL
    time = f"it stands until {until:%Y-%m-%d %H:%M} UTC" if now < until else "its time is over, and users may be on it"
    tell(f'{name} was brought back for people: {time}. It goes when reap_scratch is run with {{"drop": "{name}"}}')
    return False


def _key(store: str, name: str) -> str:
    return f"{place_of(store)}/standing/{name}.json"
