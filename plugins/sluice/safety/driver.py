"""The contract of every way in which a store is backed up and brought back.

A driver owns no schedule, no retention, no gate and no clock of its own. What it brings back stands under a name that begins with
`PREFIX`: it refuses to make, and to destroy, anything else.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from sluice.errors import Terminal
from sluice.safety.target import Target

if TYPE_CHECKING:
    from sluice.safety.census import Census

Tell = Callable[[str], None]
PREFIX = "sluice-scratch-"
_NAME = re.compile(rf"{PREFIX}[a-z0-9_]+(?:-[a-z0-9_]+)*-(\d{{8}}t\d{{6}}z)-[0-9a-f]{{4,}}")
_STORE_LENGTH = 24
"""How much of a store's name is in that of a scratch: with it they have 63 characters, as many as RDS and PostgreSQL take."""


class NotScratch(Terminal):
    """A name that is none of a drill's: nothing is made or destroyed under it."""


class LogLost(Terminal):
    """The store has thrown away a part of its log that the vault does not have: nothing can be restored to behind it, until
    another backup is taken."""


@dataclass
class Clock:
    """The phases of a restore, in seconds from when it was asked for."""

    begun: float = field(default_factory=time.monotonic)
    phases: dict[str, float] = field(default_factory=dict)

    def note(self, phase: str) -> None:
        """Note that a phase has ended now."""
        self.phases[phase] = round(time.monotonic() - self.begun, 3)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Count no time for as long as the block lasts: what is done in it is no part of the restore."""
        since = time.monotonic()
        yield
        self.begun += time.monotonic() - since


@dataclass(frozen=True)
class Taken:
    """A backup, as far as every driver's have it in common."""

    id: str
    whole_at: datetime
    bytes: int
    """As it is stored."""
    after: str | None = None
    """What it is an increment of."""


@dataclass(frozen=True)
class Window:
    """The moments to which a store can be brought back."""

    earliest: datetime
    latest: datetime


@dataclass(frozen=True)
class Restored:
    """A store that was brought back under a scratch name."""

    name: str
    address: str
    """How it is reached: a connection string, without a password."""
    backups: tuple[str, ...]
    reached: datetime | None
    """The last commit that it has; None where there was none after the backup."""
    position: str | None
    """Where in the log it stands, where there is one."""
    census: str | None = None
    """Key of a census that was taken of exactly what this copy must hold; None where the drill looks for one by its moment."""
    whole_server: bool = False
    """Whether all databases of the server came back, and nobody else's stand beside them."""
    unlike: tuple[str, ...] = ()
    """Settings of the service around it that are not the original's, though nobody meant them to differ, a line each."""


class Driver(Protocol):
    """One way to back a store up and to bring it back."""

    @property
    def store(self) -> str:
        """The store's name in the estate."""

    def take(self, tell: Tell) -> Taken:
        """Back it up: whole, or what has changed, as the driver can. Safe to repeat, and to kill: half of one is none."""

    def backups(self) -> Sequence[Taken]:
        """List what there is, oldest first."""

    def window(self) -> Window | None:
        """Tell to which moments it can be brought back; None while there is no backup."""

    def count(self, tell: Tell) -> Census:
        """Count and hash all that the living store holds as of one moment: what a copy is held against.

        Raises Refused, StoreDown.
        """

    def verify(self, backup: str, tell: Tell) -> int:
        """Read every byte of a backup where it is kept; gives how many. Raises Damaged, NoSuchKey."""

    def restore(self, target: Target, name: str, clock: Clock, tell: Tell) -> Restored:
        """Bring it back as of a moment, under a scratch name. Raises NotScratch, NotRecovered, Damaged."""

    def hand_over(self, found: Restored, port: int | None) -> str:
        """Make what was brought back ready for people: durable, with its own settings and rules. Gives its address.

        `port` is where it listens, where that is ours to say; without one, it is for this machine alone. Raises NotScratch.
        """

    def scratches(self) -> Sequence[str]:
        """List what stands under scratch names, whoever made it."""

    def destroy(self, name: str) -> None:
        """Take away what stands under a scratch name. Safe to repeat. Raises NotScratch."""


def name_scratch(store: str, now: datetime, seed: str) -> str:
    """Name a scratch of this moment, so that any service takes it: letters, digits, single hyphens, 63 characters at most."""
    return f"{PREFIX}{_plain(store)}-{now.astimezone(UTC):%Y%m%dt%H%M%Sz}-{_own(store, seed)}"


def is_of_run(name: str, store: str, seed: str) -> bool:
    """Tell whether a scratch was made by another try of the same run: its moment is another one."""
    return name.endswith(f"-{_own(store, seed)}")


def destroy_of_run(driver: Driver, seed: str, but: Collection[str] = ()) -> list[str]:
    """Take away what a try of the same run has left that was killed: its disk is wanted; gives its names. `but`: what stays."""
    left = [name for name in driver.scratches() if is_of_run(name, driver.store, seed) and name not in but]
    for name in left:
        driver.destroy(name)
    return left


def is_of_store(name: str, store: str) -> bool:
    """Tell whether a scratch is one of this store's, where a place has those of many."""
    return bool(re.fullmatch(rf"{PREFIX}{_plain(store)}-\d{{8}}t\d{{6}}z-[0-9a-f]+", name))


def _plain(store: str) -> str:
    """Write a store's name as any service takes it. What is changed by that, or cut, has its hash: no two are alike then."""
    plain = re.sub(r"[^a-z0-9]+", "-", store.lower()).strip("-")
    if plain == store and len(plain) <= _STORE_LENGTH:
        return plain
    return f"{plain[: _STORE_LENGTH - 7].strip('-')}-{_hash(store)}"


def _own(store: str, seed: str) -> str:
    # The store as well: two have one run in common.
    return _hash(f"{store} {seed}")


def _hash(text: str) -> str:
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()[:6]


def made_at(name: str) -> datetime:
    """Tell when a scratch was made, by its name. Raises NotScratch."""
    found = _NAME.fullmatch(name)
    if not found:
        raise NotScratch(
            f"{name!r} is no scratch of a drill ({PREFIX}<store>-<moment>-<…>): nothing is made or destroyed under it. A store"
            " that lives is never the place of a drill."
        )
    return datetime.strptime(found[1], "%Y%m%dt%H%M%Sz").replace(tzinfo=UTC)
