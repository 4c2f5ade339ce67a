"""What a drill has proven, for whoever asks in years: kept in the vault, once.

drills/<store>/<scratch's name>.json
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sluice.safety.backup import Unreadable
from sluice.safety.census import Census
from sluice.safety.drill.checking import Checked
from sluice.safety.driver import Tell
from sluice.safety.target import A_BACKUP, Target
from sluice.stores.objects import Stored, Vault

FORMAT, VERSION = "sluice-drill", 1
NEVER = "it never was available"


@dataclass(frozen=True)
class Goals:
    """What the estate's file promises of a store, in seconds: its RTO and its RPO."""

    back_within: float
    losing_at_most: float


@dataclass(frozen=True)
class Compared:
    """What a copy was held against, and what came of it."""

    census: str
    """Its key in the vault."""
    tables: int
    rows: int
    differences: tuple[str, ...]
    at: str = ""
    """To where that copy was brought back. Not the drill's own target: it was another one, made for the comparison."""
    tables_left_out: int = 0
    """How many tables the copy has besides: between two counts they were written to, and nobody knows what they must hold."""
    rows_left_out: int = 0
    """How many rows the copy has in these."""

    @property
    def share(self) -> float:
        """How much of the copy's rows were compared, in percent."""
        return round(100 * self.rows / (self.rows + self.rows_left_out), 1) if self.rows else 0.0


@dataclass(frozen=True)
class Certificate:
    """One drill."""

    store: str
    name: str
    target: str
    asked_at: str
    """By the store's clock."""
    backups: tuple[str, ...]
    """The one that was brought back, and what it rests on."""
    reached: str | None
    """The last commit that the copy has."""
    position: str | None
    phases: Mapping[str, float]
    """Seconds from when it was asked for until each phase had ended."""
    goals: Goals
    lost: tuple[float, float] | None
    """Seconds of writes lost, had the store died when it was asked for: at least, at most. None: another target, or unknown."""
    holds_sha256: str
    """Of every table's name, rows and hash in the copy."""
    compared: Compared | None
    """None where no census says what the copy must hold."""
    damaged: tuple[str, ...]
    """What pg_amcheck has found."""
    uncompared: str = ""
    """Why nothing was compared, where nothing was."""
    unlike: tuple[str, ...] = ()
    """Settings of the service around the copy that are not the original's, though nobody meant them to differ."""
    baseline: Mapping[str, Any] | None = None
    """How fast the copy answers, held against the living store (`baseline.held_against`); None where nobody timed that."""
    looked_through: bool = True
    """Whether each index was held against its rows; not where the estate's file says that the service has no amcheck."""
    kms_key: str | None = None
    """By which every object that it was brought back from is encrypted, unless `wrongly_encrypted`; None: nobody asked."""
    wrongly_encrypted: tuple[str, ...] = ()
    """Those that are encrypted by another."""
    checked: tuple[Checked, ...] = ()
    """What a person's own suites have said of the copy."""
    uncounted: tuple[str, ...] = ()
    """Other databases of the server that hold something: they came back, pg_amcheck looked through them, and nobody counted."""
    unmeasured: str = ""
    """Why nobody can say whether the RPO is kept, where that was asked."""
    put_back: tuple[str, ...] = ()
    """Settings that a restore drops and the drill has put back, a line each."""
    left: tuple[str, ...] = ()
    """Settings that a drill does not put back, each with its reason: nothing proves of these that they would come back."""

    @property
    def key(self) -> str:
        """Where in the vault it is."""
        return f"{folder_of(self.store)}{self.name}.json"

    @property
    def is_full_recovery(self) -> bool:
        """Whether one backup was brought back, and nothing of what came after it: the drill of each month."""
        return self.target.startswith(tuple(f"{kind} " for kind in A_BACKUP))

    @property
    def wrong(self) -> tuple[str, ...]:
        """Why it proves nothing, or the wrong thing; empty where it has passed."""
        found = [
            *(self.compared.differences if self.compared else ()),
            *self.damaged,
            *self.unlike,
            *self.wrongly_encrypted,
        ]
        found += (self.baseline or {}).get("slow", ())
        # Of an earlier moment it is told, and no more: a rule may be newer than that, and nobody mends the past.
        found += self.broken_rules if self.target == str(Target("latest")) else ()
        if not self.compared:
            found.append(f"nothing was compared: {self.uncompared}")
        elif not self.compared.rows:
            found.append(f"nothing was compared: {self.compared.census} says of no row that the copy must hold it")
        available = self.phases.get("available")
        if available is None:
            found.append(NEVER)
        elif available > self.goals.back_within:
            found.append(f"it was available after {available:.0f} s; the store's RTO is {self.goals.back_within:.0f} s")
        if self.lost and self.lost[0] > self.goals.losing_at_most:
            promised = f"the store's RPO is {self.goals.losing_at_most:.0f} s"
            found.append(f"at least {self.lost[0]:.0f} s of writes would be lost; {promised}")
        if self.unmeasured:
            found.append(self.unmeasured)
        return tuple(found)

    @property
    def broken_rules(self) -> tuple[str, ...]:
        """What a person's own suites found wrong in the copy."""
        return tuple(line for one in self.checked for line in one.wrong)

    def keep(self, vault: Vault) -> Stored:
        """Store it. Raises AlreadyThere, VaultDown, AccessDenied."""
        told = {"format": FORMAT, "version": VERSION, **asdict(self), "passed": not self.wrong}
        return vault.put_once(self.key, json.dumps(told, indent=1, ensure_ascii=False).encode(), "application/json")


def certificates_of(vault: Vault, store: str) -> list[Certificate]:
    """Give every drill of a store, oldest first. Raises Unreadable, VaultDown."""
    found = [read_certificate(vault, key) for key in vault.list(folder_of(store))]
    return sorted(found, key=lambda one: one.asked_at)


def readable_certificates(vault: Vault, store: str, tell: Tell) -> list[Certificate]:
    """Give those that can be read, oldest first, and tell of the others: what they hold up is a report, and nothing else.

    Raises VaultDown, AccessDenied.
    """
    found = []
    for key in vault.list(folder_of(store)):
        try:
            found.append(read_certificate(vault, key))
        except Unreadable as why:
            tell(str(why))
    return sorted(found, key=lambda one: one.asked_at)


def digest(copy: Census) -> str:
    """Hash what every table of a copy holds into one line, which can be compared by eye."""
    held = sorted((name, found.rows, found.hash) for name, found in copy.tables.items())
    return hashlib.sha256(json.dumps(held).encode()).hexdigest()


def read_certificate(vault: Vault, key: str) -> Certificate:
    """Read one. Raises Unreadable, NoSuchKey, VaultDown, AccessDenied."""
    try:
        told: dict[str, Any] = json.loads(vault.get(key))
        if (told.pop("format"), told.pop("version")) != (FORMAT, VERSION):
            raise Unreadable(f"{key} is no certificate of version {VERSION}. Bring this installation up to date.")
        told.pop("passed")
        against = told.pop("compared")
        if against:
            against = Compared(**{**against, "differences": tuple(against["differences"])})
        checked = tuple(
            Checked(**{**one, "wrong": tuple(one["wrong"]), "warned": tuple(one["warned"])})
            for one in told.pop("checked", ())
        )
        lists = {
            name: tuple(told.pop(name, ()))
            for name in ("backups", "damaged", "unlike", "uncounted", "wrongly_encrypted", "put_back", "left")
        }
        lost = told.pop("lost")
        goals = Goals(**told.pop("goals"))
        return Certificate(
            **{**told, **lists, "goals": goals, "compared": against, "lost": tuple(lost) if lost else None},
            checked=checked,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Unreadable(f"{key} is no certificate ({type(error).__name__}). Keep it as evidence.") from error


def folder_of(store: str) -> str:
    """Give where a store's are kept: their names end in when each was, so that the oldest come first."""
    return f"drills/{store}/"
