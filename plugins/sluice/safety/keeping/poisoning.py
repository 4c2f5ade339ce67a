"""The poison drill: a bit is flipped in a *copy* of a part, of a file of the log and of a manifest; verification must see each.

A verifier that was never seen to fail proves nothing. The copy lies under a scratch name of the same vault, is verified clean
first, and goes at the end; what was copied is only read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random

from sluice.errors import SluiceError, Terminal
from sluice.safety.backup import Backup, place_of
from sluice.safety.driver import PREFIX, Tell, made_at, name_scratch
from sluice.safety.keeping.looking import Seen
from sluice.safety.keeping.verifying import verify
from sluice.stores.objects import Vault
from sluice.stores.parts import TYPE, Part, unpacked

STORES = "backups/stores/"
ALL_OF_IT = timedelta(days=1)
"""In one go, however long it takes: what was not read was not seen."""
TRIES = 1000
"""So many bits are drawn until one matters: in a packed file of zeros many do not, what it unpacks to is the same."""


class KeepsAll(Terminal):
    """A bucket where nothing can be poisoned: what is stored there is locked."""


class Unnoticed(Terminal):
    """A bit was flipped, and verification saw nothing."""


@dataclass(frozen=True)
class Flip:
    """One bit that was flipped, and who has seen it."""

    what: str
    """A part, the log, the manifest."""
    of: str
    """The key of what was copied."""
    offset: int
    bit: int
    caught_by: str | None
    """The error that named it; None where verification saw nothing."""


@dataclass(frozen=True)
class Poisoned:
    """What came of one night's drill."""

    backup: str
    flips: tuple[Flip, ...]

    @property
    def missed(self) -> tuple[str, ...]:
        """What verification did not see; anything in it is red."""
        return tuple(
            f"{flip.what} {flip.of}: bit {flip.bit} of byte {flip.offset} was flipped, and verification saw nothing"
            for flip in self.flips
            if flip.caught_by is None
        )


def poison(
    vault: Vault, seen: Seen, backup: str, seed: str, now: datetime, tell: Tell, into: Vault | None = None
) -> Poisoned:
    """Poison copies of what one backup needs, one at a time, and verify each. `seed`: of the run, a second try is the same.

    The copies lie in the same bucket, or `into` another. Raises Damaged where the original is not right by itself, KeepsAll,
    LogNotYet, VaultDown, AccessDenied.
    """
    original, place = seen.backups[backup], into or vault
    if place.default_lock()[1]:
        raise KeepsAll(
            f"s3://{place.bucket} locks by itself whatever is stored: copies that are poisoned could not be taken away again."
            " Name another bucket for them. Nothing was copied."
        )
    clear(place, original.store, now, tell)
    random, name = Random(f"{seed} {backup}"), name_scratch(original.store, now, seed)
    try:
        copy, inputs = _copy(vault, place, seen, original, name, random)
        verify(place, name, backup, now, _silent, ALL_OF_IT)
        flips = tuple(_flip(place, copy, *random.choice(one), random, now) for one in inputs)
    finally:
        _remove(place, name)
    for flip in flips:
        said = f"caught: {flip.caught_by}" if flip.caught_by else "NOT SEEN"
        tell(f"{original.store}: {flip.what} {flip.of}, bit {flip.bit} of byte {flip.offset} flipped in a copy: {said}")
    return Poisoned(backup, flips)


def clear(vault: Vault, store: str, now: datetime, tell: Tell) -> None:
    """Take away what a drill that died has left. Safe to repeat."""
    mine = _of(name_scratch(store, now, ""))
    for folder in vault.folders(STORES):
        name = folder.removeprefix(STORES).rstrip("/")
        if name.startswith(PREFIX) and _of(name) == mine:
            _remove(vault, name)
            tell(f"{name} was left behind by a poison drill: it is gone")


def _of(name: str) -> str:
    """Name the store that a scratch is of, without its moment and its seed."""
    return name.rsplit("-", 2)[0]


Input = tuple[str, str, str]
"""What it is, the key of the original, the key of the copy."""


def _copy(
    vault: Vault, place: Vault, seen: Seen, original: Backup, name: str, random: Random
) -> tuple[Backup, tuple[list[Input], ...]]:
    """Copy one part of a backup, its manifests and its log under a scratch name; gives what can be poisoned, by sort."""

    def moved(key: str) -> str:
        return key.replace(f"{place_of(original.store)}/", f"{place_of(name)}/", 1)

    def copy_of(part: Part) -> Part:
        place.put_once(moved(part.key), vault.get(part.key, part.version), TYPE)
        return replace(part, key=moved(part.key), version=None)

    needs = seen.holding.backups[original.id].needs
    files = set(needs.files) if needs else set()
    log = [file.key for file in seen.holding.log if file.system == original.system and file.name in files]
    part = random.choice(original.parts)
    made = replace(original, store=name, parts=(copy_of(part),), own_manifest=copy_of(original.own_manifest))
    for key in log:
        place.put_once(moved(key), vault.get(key), TYPE)
    made.keep(place)
    return made, (
        [("part", part.key, moved(part.key))],
        [("log", key, moved(key)) for key in log],
        [("manifest", original.manifest, made.manifest)],
    )


def _flip(vault: Vault, copy: Backup, what: str, of: str, key: str, random: Random, now: datetime) -> Flip:
    """Flip one bit that matters, verify, and flip it back."""
    clean = vault.get(key)
    for _ in range(TRIES):
        offset, bit = random.randrange(len(clean)), random.randrange(8)
        flipped = bytearray(clean)
        flipped[offset] ^= 1 << bit
        if what != "log" or _unpacks_to(bytes(flipped)) != _unpacks_to(clean):
            break
    _put(vault, key, bytes(flipped))
    try:
        verify(vault, copy.store, copy.id, now, _silent, ALL_OF_IT)
        caught = None
    except SluiceError as error:
        # Red for another reason is not seen: the error has to name what was flipped.
        caught = f"{type(error).__name__}: {error}" if key in str(error) else None
    _put(vault, key, clean)
    return Flip(what, of, offset, bit, caught)


def _unpacks_to(body: bytes) -> bytes | None:
    try:
        return unpacked(body)
    except (OSError, ValueError):
        return None


def _put(vault: Vault, key: str, body: bytes) -> None:
    vault.remove(key)
    vault.put_once(key, body, TYPE)


def _remove(vault: Vault, name: str) -> None:
    """Take all of a scratch name away. Raises NotScratch for any other."""
    made_at(name)
    for key in vault.ever(f"{place_of(name)}/"):
        vault.remove(key)


def _silent(line: str) -> None:
    """What verification says of poisoned copies is told by the drill."""
