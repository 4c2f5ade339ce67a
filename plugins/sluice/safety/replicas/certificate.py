"""What a failover drill has proven, for whoever asks in years: kept in the vault, once.

failovers/<store>/<scratch's name>.json
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sluice.safety.backup import Unreadable
from sluice.stores.objects import Stored, Vault

FORMAT, VERSION = "sluice-failover", 1
PACE = 0.5
"""Seconds by which a measured loss may lie outside of its bounds: on a busy machine clients and hearts lose their pace."""


@dataclass(frozen=True)
class FailoverCertificate:
    """One drill: the server that leads was killed under load, several times."""

    store: str
    name: str
    """Of the scratch."""
    asked_at: str
    backups: tuple[str, ...]
    """What the servers of the drill were brought back from."""
    within: float
    """Seconds in which writes must be acknowledged again: the store's failover target."""
    rounds: tuple[Mapping[str, Any], ...]
    """`Round.told` of each."""

    @property
    def key(self) -> str:
        """Where in the vault it is."""
        return f"{folder_of(self.store)}{self.name}.json"

    @property
    def longest(self) -> float:
        """Seconds from the death of a server to the first write after it, at most."""
        return max((float(one["phases"]["first write"]) for one in self.rounds), default=0.0)

    @property
    def wrong(self) -> tuple[str, ...]:
        """Why it proves nothing, or the wrong thing; empty where it has passed."""
        found = [
            f"round {number}: {line}" for number, one in enumerate(self.rounds, 1) for line in _wrong(one, self.within)
        ]
        if not any(one["synchronous"] for one in self.rounds):
            found.append("no round had synchronous commit: nothing was proven")
        return tuple(found)

    def keep(self, vault: Vault) -> Stored:
        """Store it. Raises AlreadyThere, VaultDown, AccessDenied."""
        told = {"format": FORMAT, "version": VERSION, **asdict(self), "passed": not self.wrong}
        return vault.put_once(self.key, json.dumps(told, indent=1, ensure_ascii=False).encode(), "application/json")


def failovers_of(vault: Vault, store: str) -> list[FailoverCertificate]:
    """Give every failover drill of a store, oldest first. Raises Unreadable, VaultDown."""
    found = [read_failover(vault, key) for key in vault.list(folder_of(store))]
    return sorted(found, key=lambda one: one.asked_at)


def _wrong(told: Mapping[str, Any], within: float) -> Iterator[str]:
    lost, first = told["lost"], told["phases"]["first write"]
    if not told["acknowledged"]:
        yield "no write was acknowledged before the server died: nothing was proven"
    if told["synchronous"] and lost:
        yield f"{lost} writes that were acknowledged with synchronous commit are lost"
    if told["synchronous"] and not told["proven_whole"]:
        yield "it was promoted without proof that nothing acknowledged is lost"
    bounds = told["lost_seconds_bounds"]
    if lost and bounds and not bounds[0] - PACE <= told["lost_seconds"] <= bounds[1] + PACE:
        yield f"{told['lost_seconds']:.1f} s of writes are lost, and the beats had said {bounds[0]:.1f} to {bounds[1]:.1f} s"
    if first > within:
        yield f"writes were acknowledged again after {first:.0f} s; {within:.0f} s are promised"


def read_failover(vault: Vault, key: str) -> FailoverCertificate:
    """Read one. Raises Unreadable, NoSuchKey, VaultDown, AccessDenied."""
    try:
        told: dict[str, Any] = json.loads(vault.get(key))
        if (told.pop("format"), told.pop("version")) != (FORMAT, VERSION):
            raise Unreadable(f"{key} is no certificate of version {VERSION}. Bring this installation up to date.")
        told.pop("passed")
        lists = {name: tuple(told.pop(name)) for name in ("backups", "rounds")}
        return FailoverCertificate(**{**told, **lists})
    except (KeyError, TypeError, ValueError) as error:
        raise Unreadable(
            f"{key} is no certificate of a failover ({type(error).__name__}). Keep it as evidence."
        ) from error


def folder_of(store: str) -> str:
    """Give where a store's are kept."""
    return f"failovers/{store}/"
