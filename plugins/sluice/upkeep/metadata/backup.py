"""What a backup is: parts of one dump of pg_dump, in order, and a manifest, which is stored last.

    backups/airflow/<moment>/part-00000.dump
    backups/airflow/<moment>/manifest.json      once all was read back and restored: without it there is no backup

The parts put together are one file of pg_dump's custom format: `cat part-* | pg_restore …` needs nothing of this project.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sluice.errors import Terminal
from sluice.stores.objects import Damaged, Stored, Vault

PREFIX = "backups/airflow/"
MANIFEST = "manifest.json"
FORMAT, VERSION = "sluice-airflow-backup", 1


class Unreadable(Terminal):
    """A manifest that this version does not read."""


@dataclass(frozen=True)
class Part:
    """A piece of the dump."""

    key: str
    bytes: int
    sha256: str
    version: str | None


@dataclass(frozen=True)
class Backup:
    """One dump, as of one snapshot."""

    taken_at: str
    database: str
    server: str
    """PostgreSQL's version."""
    airflow: str
    """The version of the schema: the revision that `airflow db migrate` has brought it to."""
    tables: Mapping[str, int]
    """Every table's rows in the snapshot; in the restored copy they were the same."""
    parts: tuple[Part, ...]

    @property
    def folder(self) -> str:
        """Where in the vault it is."""
        return folder_at(datetime.fromisoformat(self.taken_at))

    @property
    def size(self) -> int:
        """How many bytes the dump has."""
        return sum(part.bytes for part in self.parts)

    def keep(self, vault: Vault) -> Stored:
        """Store the manifest: from now on it is a backup. Raises AlreadyThere, VaultDown, AccessDenied."""
        told = {"format": FORMAT, "version": VERSION, **asdict(self)}
        body = json.dumps(told, indent=1, ensure_ascii=False).encode()
        return vault.put_once(f"{self.folder}/{MANIFEST}", body, "application/json")

    def read(self, vault: Vault) -> Iterator[bytes]:
        """Read the dump back, piece by piece. Raises Damaged, NoSuchKey, VaultDown."""
        for part in self.parts:
            body = vault.get(part.key, part.version)
            if hashlib.sha256(body).hexdigest() != part.sha256:
                raise Damaged(
                    f"{part.key} in the vault is not what was stored: somebody writes there. Nothing rests on this backup;"
                    " the next run takes another."
                )
            yield body


def read_backup(vault: Vault, key: str) -> Backup:
    """Read a backup's manifest. Raises Unreadable, NoSuchKey, VaultDown."""
    try:
        told: dict[str, Any] = json.loads(vault.get(key))
        if (told.pop("format"), told.pop("version")) != (FORMAT, VERSION):
            raise Unreadable(f"{key} is no manifest of version {VERSION}. Bring this installation up to date.")
        return Backup(**{**told, "parts": tuple(Part(**part) for part in told["parts"])})
    except (KeyError, TypeError, ValueError) as error:
        raise Unreadable(f"{key} is no manifest of a backup ({type(error).__name__}). Keep it as evidence.") from error


def folder_at(moment: datetime) -> str:
    """Name the folder of the backup that was taken then."""
    return f"{PREFIX}{moment:%Y%m%dT%H%M%SZ}"
