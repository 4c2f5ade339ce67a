"""The notes of the archive of items, in the vault beside what they are about. There is no other ledger.

    archive/<store>/<table>/<entity>/<month>/<round>/data/0000-00000-<hash>.json.gz    records, one a line
                                                     manifest.json      written last: without it nothing is stored
                                                     verified.json      when all of it was read back and compared
                                                     deleted/0000.json  of each file, what became of its records in the table
                                                     done.json          the end of it; what comes later is another round

No note is believed where it would cost a record: a record is deleted for its own line, read out of the vault just before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sluice.errors import Terminal
from sluice.stores.objects import AlreadyThere, Damaged, Vault
from sluice.upkeep.partitions.spans import Span

FORMAT, VERSION = "sluice-items", 1
JSON = "application/json"


KEPT = "No record is deleted by it. Keep the object as evidence, and bring back the version that was stored."


class Unreadable(Terminal):
    """A manifest that this version does not read."""


@dataclass(frozen=True)
class Part:
    """One file of records. `hash` is the sum of 128 bits over each, free of their order."""

    key: str
    items: int
    bytes: int
    sha256: str
    hash: str
    version: str | None


@dataclass(frozen=True)
class Manifest:
    """All there is to know of a month that was stored."""

    store: str
    table: str
    entity: str
    month: str
    key: tuple[str, ...]
    """The attributes of the table's key."""
    items: int
    hash: str
    parts: tuple[Part, ...]

    def body(self) -> bytes:
        """Write it, the same each time."""
        return _written({"format": FORMAT, "version": VERSION, **asdict(self)})

    @classmethod
    def of(cls, body: bytes, key: str) -> Manifest:
        """Read one. Raises Unreadable."""
        try:
            told: dict[str, Any] = json.loads(body)
            if (told.pop("format"), told.pop("version")) != (FORMAT, VERSION):
                raise Unreadable(f"{key} is no manifest of version {VERSION}. Bring this installation up to date.")
            told["key"] = tuple(told["key"])
            told["parts"] = tuple(Part(**one) for one in told["parts"])
            return cls(**told)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise Unreadable(f"{key} cannot be read as a manifest: {error!r}.") from error


@dataclass(frozen=True)
class Round:
    """One time that a month was stored, or is being stored. `there` are the keys of its notes, `number` counts from 1."""

    vault: Vault
    month: str
    folder: str
    number: int
    there: frozenset[str]

    @property
    def is_stored(self) -> bool:
        """Whether all of it is in the vault."""
        return self._key("manifest") in self.there

    @property
    def is_verified(self) -> bool:
        """Whether it was read back, and was what the table held."""
        return self._key("verified") in self.there

    @property
    def is_done(self) -> bool:
        """Whether its records were deleted, as far as they were what was stored."""
        return self._key("done") in self.there

    @property
    def manifest(self) -> Manifest:
        """What was stored. Raises NoSuchKey, Unreadable, Damaged where it is not what was verified, VaultDown."""
        key = self._key("manifest")
        body = self.vault.get(key)
        if self.is_verified and self.read("verified")["manifest"] != hashlib.sha256(body).hexdigest():
            raise Damaged(f"{key} in the vault is not the manifest that was verified. {KEPT}")
        return Manifest.of(body, key)

    @property
    def named(self) -> dict[str, str]:
        """What names the manifest that was verified, among facts. Raises NoSuchKey, VaultDown."""
        return {"manifest": self.manifest_key, "manifest_sha256": self.read("verified")["manifest"]}

    @property
    def manifest_key(self) -> str:
        """Where its manifest is."""
        return self._key("manifest")

    @property
    def verified_at(self) -> datetime:
        """When it was read back."""
        return datetime.fromisoformat(self.read("verified")["at"])

    def name(self, part: Part) -> str:
        """Give the note of what became of a file's records."""
        return f"deleted/{part.key.rpartition('/')[2][:10]}"

    def has(self, name: str) -> bool:
        """Whether a note is there."""
        return self._key(name) in self.there

    def read(self, name: str) -> dict[str, Any]:
        """Read a note. Raises NoSuchKey, VaultDown."""
        told: dict[str, Any] = json.loads(self.vault.get(self._key(name)))
        return told

    def note(self, name: str, told: dict[str, Any] | bytes) -> Round:
        """Write a note, unless another run has: then that one counts. Raises VaultDown."""
        body = told if isinstance(told, bytes) else _written(told)
        with suppress(AlreadyThere):
            self.vault.put_once(self._key(name), body, JSON)
        return Round(self.vault, self.month, self.folder, self.number, self.there | {self._key(name)})

    def _key(self, name: str) -> str:
        return f"{self.folder}/{name}.json"


def rounds_of(vault: Vault, prefix: str, month: Span) -> list[Round]:
    """Give every round of a month, and behind the last that is done the one to come. Raises VaultDown."""
    named = f"{month.lower:%Y-%m}"
    keys = vault.list(f"{prefix}/{named}/")
    numbers = sorted({int(key.removeprefix(f"{prefix}/{named}/").partition("/")[0]) for key in keys})
    found = [_round(vault, prefix, named, number, keys) for number in numbers]
    if not found or found[-1].is_done:
        found.append(_round(vault, prefix, named, numbers[-1] + 1 if numbers else 1, ()))
    return found


def every_round(vault: Vault, prefix: str) -> list[Round]:
    """Give each round of every month that anything is there of, by one listing. Raises VaultDown."""
    keys = vault.list(f"{prefix}/")
    named = sorted({tuple(key.removeprefix(f"{prefix}/").split("/")[:2]) for key in keys})
    return [_round(vault, prefix, month, int(number), keys) for month, number in named]


def _round(vault: Vault, prefix: str, month: str, number: int, keys: Sequence[str]) -> Round:
    folder = f"{prefix}/{month}/{number:04}"
    return Round(vault, month, folder, number, frozenset(key for key in keys if key.startswith(f"{folder}/")))


def _written(told: dict[str, Any]) -> bytes:
    return json.dumps(told, indent=1, ensure_ascii=False, sort_keys=True).encode()
