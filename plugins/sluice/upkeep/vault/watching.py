"""Whether what is in the vault alone is there still: each object under its key and of its size, night by night. Read only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeAlias, TypeVar
from zlib import crc32

from sluice.stores.objects import Asleep, Damaged, NoSuchKey, Vault

Facts: TypeAlias = Mapping[str, int | str]
One = TypeVar("One")
A_NIGHT = 500
"""So many months are looked for in one night; where there are more, each comes in its turn."""
SHOWN = 10
HIDDEN = "was hidden by a DELETE: take its marker away"


class Part(Protocol):
    """An object as a manifest names it."""

    @property
    def key(self) -> str:
        """Its key."""

    @property
    def bytes(self) -> int:
        """Its size."""

    @property
    def version(self) -> str | None:
        """The version that was stored."""


@dataclass
class Seen:
    """What was looked for in one night, of so many months that are known; and what of it is lost or asleep, in words."""

    known: int
    months: int = 0
    objects: int = 0
    lost: list[str] = field(default_factory=list)
    asleep: list[str] = field(default_factory=list)

    def look_for(self, vault: Vault, month: str, manifest: str, parts: Sequence[Part]) -> None:
        """Look for a month's manifest, which was just read, and for all that it names. Raises VaultDown, AccessDenied."""
        there = vault.sizes(manifest.rpartition("/")[0] + "/")
        if manifest not in there:
            self.lost.append(f"{month}: {manifest} {HIDDEN}")
        self.lost += [f"{month}: {lost}" for lost in _missing(vault, there, parts)]
        self.objects += 1 + len(parts)

    @contextmanager
    def reading(self, month: str, manifest: str, unreadable: type[Exception]) -> Iterator[None]:
        """Note what becomes of reading a month's manifest: behind one that is lost nobody knows what there was."""
        try:
            yield
        except Asleep:
            self.asleep.append(f"{month}: {manifest}")
        except NoSuchKey:
            self.lost.append(f"{month}: {manifest} is gone")
        except (Damaged, unreadable):
            self.lost.append(f"{month}: {manifest} is not the manifest that was stored")

    @property
    def facts(self) -> Facts:
        """What the gate judges."""
        return {
            "months_known": self.known,
            "months": self.months,
            "objects": self.objects,
            "lost": len(self.lost),
            "lost_told": "; ".join(self.lost[:SHOWN]),
            "asleep": len(self.asleep),
            "asleep_told": "; ".join(self.asleep[:SHOWN]),
        }


def tonights(known: Sequence[One], name: Callable[[One], str], now: datetime) -> list[One]:
    """Choose what is looked for tonight: all where that is little, else a part, and each part in its turn. Pure.

    There are one, two, four parts and so on: when there is more to look for, a part is cut in two, and none is passed over.
    """
    parts = 1
    while len(known) > parts * A_NIGHT:
        parts *= 2
    return [one for one in known if crc32(name(one).encode()) % parts == now.toordinal() % parts]


def _missing(vault: Vault, there: Mapping[str, int], parts: Sequence[Part]) -> Iterator[str]:
    """Name each object that is not `there`, under its key and of its size."""
    for part in parts:
        if part.key not in there:
            yield f"{part.key} {HIDDEN if part.version and vault.has(part.key, part.version) else 'is gone'}"
        elif there[part.key] != part.bytes:
            yield f"{part.key} has {there[part.key]:,} bytes of {part.bytes:,}"
