"""What was brought back for people, and not for a proof: how long it was meant to stand, noted in the vault.

Users may have been pointed at it since: nothing takes it away by itself, however old it is, and a person names it.

backups/stores/<store>/standing/<scratch's name>.json
backups/stores/<store>/standing/<scratch's name>.begun.json   while it is brought back
backups/stores/<store>/standing/<scratch's name>.up.json      it is up, and is not handed over yet
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sluice.errors import SluiceError
from sluice.safety.backup import place_of
from sluice.safety.driver import Driver, NotScratch, Tell, is_of_run, made_at
from sluice.safety.keeping.reading import end_reading
from sluice.stores.objects import Damaged, NoSuchKey, Vault

LONGEST_DRILL = timedelta(days=1)
"""After so long nobody works at a scratch any more: whoever made it was killed."""

LONGEST_RESTORE = timedelta(days=14)
"""After so long nobody waits any more for what a person has asked for."""

BY_DROP = 'It goes when reap_scratch is run with {{"drop": "{name}"}}'
IN_RDS = "Delete {name} in RDS where nobody uses it, or rename it there: then it is yours, and not named here any more"
"""How what stands for people ends: what has deletion protection as its original had is not ours to take away."""


def begin_standing(vault: Vault, store: str, name: str) -> None:
    """Note that what is being brought back is for people: it may take longer than any drill. Raises VaultDown, AccessDenied."""
    vault.put_once(_begun(store, name), b"{}", "application/json")


def note_up(vault: Vault, store: str, name: str, told: Mapping[str, Any]) -> None:
    """Note what is `told` of a copy that is up: whatever fails from here on, it is kept. Raises VaultDown, AccessDenied."""
    vault.put_once(_up(store, name), json.dumps(told, indent=1).encode(), "application/json")


def end_standing(vault: Vault, store: str, name: str) -> None:
    """Note that nobody is bringing it back any more: it stands, or is gone. Safe to repeat. Raises VaultDown."""
    for key in (_begun(store, name), _up(store, name)):
        vault.remove(key)


def keep_standing(vault: Vault, store: str, name: str, until: datetime, told: Mapping[str, Any] | None = None) -> None:
    """Note that what was handed over stands until then, and what was `told` of it.

    Raises NotScratch, VaultDown, AccessDenied.
    """
    made_at(name)
    body = json.dumps({**(told or {}), "until": until.isoformat()}, indent=1).encode()
    vault.put_once(_key(store, name), body, "application/json")
    end_standing(vault, store, name)


def stands_until(vault: Vault, store: str, name: str) -> datetime | None:
    """Tell how long what was brought back for people was meant to stand; None for a drill's copy.

    Raises Damaged, VaultDown.
    """
    told = told_of(vault, store, name)
    return datetime.fromisoformat(told["until"]) if told else None


def told_of(vault: Vault, store: str, name: str) -> Mapping[str, Any] | None:
    """Give what was told of a copy when it was handed over; None for one that never was. Raises Damaged, VaultDown."""
    try:
        told: Mapping[str, Any] = json.loads(vault.get(_key(store, name)))
        datetime.fromisoformat(told["until"])
    except NoSuchKey:
        return None
    except (KeyError, TypeError, ValueError) as error:
        raise Damaged(
            f"{_key(store, name)} does not say until when {name} stands: look whether users are on it."
        ) from error
    return told


def stands_of_run(driver: Driver, vault: Vault, seed: str) -> Mapping[str, Any] | None:
    """Give what was told of a copy that an earlier try of the same run has handed over. Raises Damaged, VaultDown."""
    found = [told_of(vault, driver.store, name) for name in _of_run(driver, seed)]
    return next((told for told in found if told), None)


def up_of_run(driver: Driver, vault: Vault, seed: str) -> Mapping[str, Any] | None:
    """Give what was told of a copy that an earlier try of the same run has brought up, and not handed over. Raises VaultDown."""
    there = [_up(driver.store, name) for name in _of_run(driver, seed)]
    found: Mapping[str, Any] | None = next((json.loads(vault.get(key)) for key in there if vault.sizes(key)), None)
    return found


def reap(driver: Driver, vault: Vault, now: datetime, tell: Tell, named: str = "", ends: str = BY_DROP) -> list[str]:
    """Take away what drills have left that were killed, and what a person has `named`; gives their names. Safe to repeat.

    What cannot go holds up none of the others, and is raised at the end. What has no name of ours is told, and left alone. Of
    what stands for people it is told how that `ends`.
    """
    gone, stays = list[str](), list[SluiceError]()
    for name in driver.scratches():
        try:
            if goes(driver, vault, name, now, tell, named, ends):
                driver.destroy(name)
                vault.remove(_key(driver.store, name))
                end_standing(vault, driver.store, name)
                end_reading(vault, driver.store, name)
                tell(f"{name} is gone")
                gone.append(name)
        except NotScratch as why:
            tell(f"{name} is left alone: {why}")
            if name == named:  # a person waits for it
                stays.append(why)
        except SluiceError as why:
            tell(f"{name} stays: {why}")
            stays.append(why)
    if stays:
        raise stays[0]
    return gone


def goes(driver: Driver, vault: Vault, name: str, now: datetime, tell: Tell, named: str, ends: str) -> bool:
    """Whether one is to be taken away; of what stands for people, tell until when and how it ends. Raises NotScratch."""
    made = made_at(name)
    until = stands_until(vault, driver.store, name)
    if until is None or name == named:
        for_people = any(vault.sizes(key) for key in (_begun(driver.store, name), _up(driver.store, name)))
        longest = LONGEST_RESTORE if for_people else LONGEST_DRILL
        return name == named or now >= made + longest
    time = f"it stands until {until:%Y-%m-%d %H:%M} UTC" if now < until else "its time is over, and users may be on it"
    tell(f"{name} was brought back for people: {time}. {ends.format(name=name)}")
    return False


def _key(store: str, name: str) -> str:
    return f"{place_of(store)}/standing/{name}.json"


def _begun(store: str, name: str) -> str:
    return f"{place_of(store)}/standing/{name}.begun.json"


def _up(store: str, name: str) -> str:
    return f"{place_of(store)}/standing/{name}.up.json"


def _of_run(driver: Driver, seed: str) -> list[str]:
    return [name for name in driver.scratches() if is_of_run(name, driver.store, seed)]
