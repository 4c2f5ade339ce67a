"""What a base is: every item of a store's tables in parts, their settings, and where their logs stood before the scan.

    backups/stores/<store>/base/<moment>-full/<table>/0000-00000.zst …      items, one a line, as the service's exports write them
    backups/stores/<store>/base/<moment>-full/manifest.json                 without it there is no base

A table is scanned while it is written to, so its items are of many moments. The log from `begins` on makes them those of one:
each key's changes are brought in again, in order, and what is true of a key after the last does not depend on when it was read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sluice.safety.backup import MANIFEST, Unreadable, folder_of, place_of, seal_of
from sluice.safety.documents.log import Run
from sluice.safety.documents.settings import Settings
from sluice.safety.driver import Tell
from sluice.stores.objects import Damaged, Stored, Vault
from sluice.stores.parts import Part

FORMAT, VERSION = "sluice-documents", 1


@dataclass(frozen=True)
class TableBase:
    """One table of a base."""

    table: str
    """What it is called."""
    id: str
    """The service's own: a table made anew under the name has another."""
    key: tuple[str, ...]
    """The attributes of its key."""
    settings: Settings
    """All that is set of it."""
    run: Run
    """The log that goes on from here."""
    begins: int
    """The round of the log from which on it is needed."""
    items: int
    """How many were read."""
    hash: str
    """Of what is in the parts, free of order: what was read, which is not yet what the table held at any moment."""
    parts: tuple[Part, ...]
    """Its objects: items, one a line."""


@dataclass(frozen=True)
class Base:
    """One base of a store."""

    store: str
    """Whose it is, by its name in the estate's file."""
    id: str
    """Its name: the moment at which it began, and `full`."""
    began_at: str
    """When reading began, by the service's clock."""
    whole_at: str
    """From here on it can be brought back, by the service's clock: all reading was over."""
    tables: tuple[TableBase, ...]
    """One by one."""

    @property
    def folder(self) -> str:
        """Where in the vault it is."""
        return folder_of(self.store, self.id)

    @property
    def whole(self) -> datetime:
        """When all reading was over."""
        return datetime.fromisoformat(self.whole_at)

    @property
    def manifest(self) -> str:
        """The key of its manifest."""
        return f"{self.folder}/{MANIFEST}"

    @property
    def objects(self) -> tuple[Part, ...]:
        """All that it is but its manifest, and the log."""
        return tuple(part for table in self.tables for part in table.parts)

    @property
    def seal(self) -> str:
        """A hash of all that its manifest says."""
        return seal_of(self._told)

    @property
    def stored(self) -> int:
        """How many bytes it has in the vault."""
        return sum(part.bytes for part in self.objects)

    def keep(self, vault: Vault) -> Stored:
        """Store the manifest: from now on it is a base. Raises AlreadyThere, VaultDown, AccessDenied."""
        body = json.dumps({**self._told, "seal": self.seal}, indent=1, ensure_ascii=False).encode()
        return vault.put_once(self.manifest, body, "application/json")

    @property
    def _told(self) -> dict[str, Any]:
        # As it reads when it is read back: a moment among the settings is a text then.
        told: dict[str, Any] = json.loads(
            json.dumps({"format": FORMAT, "version": VERSION, **asdict(self)}, default=str)
        )
        return told


def bases_of(vault: Vault, store: str, tell: Tell = lambda _: None) -> list[Base]:
    """Give every base of a store, oldest first. Raises Unreadable, VaultDown.

    One whose manifest is damaged is none, and stands in no other's way: `tell` names it.
    """
    found = []
    for key in vault.list(f"{place_of(store)}/base/"):
        if key.endswith(f"/{MANIFEST}"):
            try:
                found.append(read_base(vault, key))
            except Damaged as why:
                tell(f"{store}: {why}")
    return found


def read_base(vault: Vault, key: str) -> Base:
    """Read a base's manifest. Raises Damaged, Unreadable, NoSuchKey, VaultDown."""
    body = vault.get(key)
    try:
        told: dict[str, Any] = json.loads(body)
        if told.pop("seal") != seal_of(told):
            raise ValueError("its seal is broken")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Damaged(
            f"s3://{vault.bucket}/{key} is not the manifest that was stored ({type(error).__name__}). Nothing rests on that base:"
            " keep it as evidence."
        ) from error
    if (told.pop("format"), told.pop("version")) != (FORMAT, VERSION):
        raise Unreadable(f"{key} is no manifest of version {VERSION}. Bring this installation up to date.")
    return Base(**{**told, "tables": tuple(map(_table, told["tables"]))})


def _table(told: Mapping[str, Any]) -> TableBase:
    settings = told["settings"]
    found: dict[str, Any] = {
        **told,
        "key": tuple(told["key"]),
        "settings": Settings(**{**settings, "unanswered": tuple(settings["unanswered"])}),
        "run": Run(**told["run"]),
        "parts": tuple(Part(**part) for part in told["parts"]),
    }
    return TableBase(**found)
