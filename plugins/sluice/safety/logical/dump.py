"""What a logical backup is: the folder that pg_dump has made, in parts, and a manifest, which is stored last.

    backups/stores/<store>/dumps/<moment>-dump/part-00000.zst …   a tar of the folder
    backups/stores/<store>/dumps/<moment>-dump/manifest.json      ours: without it there is no backup

`cat part-* | zstd -d | tar x` and pg_restore need nothing of this project. What a dump of one database lacks is in the manifest:
roles, who is a member of which, and their settings.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sluice.safety.backup import MANIFEST, Unreadable, folder_of, place_of, seal_of
from sluice.safety.driver import Tell
from sluice.stores.objects import Damaged, NoSuchKey, Stored, Vault
from sluice.stores.parts import Part

FORMAT, VERSION = "sluice-dump", 1
DATA = "dump"
"""The folder that pg_dump makes, within one of ours."""
TOC = "./toc.dat"
"""What is in it, by pg_dump's own list."""


@dataclass(frozen=True)
class Role:
    """A role of the server. `options` are as CREATE ROLE wants them."""

    name: str
    """What it is called."""
    options: str
    """As CREATE ROLE wants them."""


@dataclass(frozen=True)
class Membership:
    """That one role is a member of another. `options` are as GRANT wants them."""

    role: str
    """What it is a member of."""
    member: str
    """Who."""
    options: str
    """As GRANT wants them."""


@dataclass(frozen=True)
class Setting:
    """What a role, or everybody, is set to: in this database (`here`), or in all."""

    role: str | None
    """Whose; null: everybody's."""
    here: bool
    """In this database, or in all."""
    name: str
    """What is set."""
    value: str
    """To what."""


@dataclass(frozen=True)
class Right:
    """What somebody may do with the database itself; everybody where there is no `grantee`."""

    grantee: str | None
    """Whose; null: everybody's."""
    right: str
    """As GRANT calls it."""
    further: bool
    """Whether it may be handed on."""


@dataclass(frozen=True)
class Globals:
    """What lies around a database, and is not in its dump."""

    roles: tuple[Role, ...]
    """The server's roles."""
    memberships: tuple[Membership, ...]
    """Who is a member of which."""
    settings: tuple[Setting, ...]
    """What roles and the database are set to."""
    rights: tuple[Right, ...]
    """What is granted on the database itself."""


@dataclass(frozen=True)
class Shape:
    """What a database is made with."""

    name: str
    """What it is called."""
    owner: str
    """Whose it is."""
    encoding: str
    """Of its texts."""
    collate: str
    """LC_COLLATE."""
    ctype: str
    """LC_CTYPE."""
    provider: str
    """Whose collations it sorts by: libc, icu or builtin."""
    locale: str | None
    """That provider's; null for libc."""


@dataclass(frozen=True)
class Dump:
    """One dump of a database."""

    store: str
    """Whose it is, by its name in the estate's file."""
    id: str
    """Its name: the moment at which it began, and `dump`."""
    server: str
    """PostgreSQL's version."""
    tool: str
    """Of pg_dump: pg_restore must be no older."""
    superuser: str
    """The role that the server was made with: a copy's server is made with the same."""
    database: Shape
    """What the database was made with."""
    snapshot_at: str
    """The moment that it holds, by the server's clock: all that was committed before the snapshot, and nothing later."""
    ended_at: str
    """When pg_dump was done, by the server's clock."""
    database_bytes: int
    """How long the database was, tables and indexes."""
    dumped_bytes: int
    """How long the folder of pg_dump was."""
    census: str
    """Key of what was counted in the same snapshot."""
    globals: Globals
    """What lies around the database, and is not in its dump."""
    lacks: tuple[str, ...]
    """What was in the database and does not come back of this."""
    parts: tuple[Part, ...]
    """Its objects, in order: put together they are the tar."""

    @property
    def folder(self) -> str:
        """Where in the vault it is."""
        return folder_of(self.store, self.id)

    @property
    def manifest(self) -> str:
        """The key of its manifest."""
        return f"{self.folder}/{MANIFEST}"

    @property
    def objects(self) -> tuple[Part, ...]:
        """All that it is but its manifest."""
        return self.parts

    @property
    def seal(self) -> str:
        """A hash of all that its manifest says: a note of another one counts for nothing."""
        return seal_of(self._told)

    @property
    def size(self) -> int:
        """How many bytes it has, unpacked."""
        return sum(part.raw for part in self.parts)

    @property
    def stored(self) -> int:
        """How many bytes it has in the vault."""
        return sum(part.bytes for part in self.parts)

    @property
    def moment(self) -> datetime:
        """The moment that it holds."""
        return datetime.fromisoformat(self.snapshot_at)

    def keep(self, vault: Vault) -> Stored:
        """Store the manifest: from now on it is a backup. Raises AlreadyThere, VaultDown, AccessDenied."""
        body = json.dumps(self._told, indent=1, ensure_ascii=False).encode()
        return vault.put_once(self.manifest, body, "application/json")

    @property
    def _told(self) -> dict[str, Any]:
        return {"format": FORMAT, "version": VERSION, **asdict(self)}


def dumps_of(vault: Vault, store: str, tell: Tell = lambda line: None) -> Sequence[Dump]:
    """Give every dump of a store, oldest first. Raises Unreadable, VaultDown.

    One whose manifest is damaged is none, and stands in no other's way: it is told.
    """
    found = []
    for key in vault.list(f"{place_of(store)}/dumps/"):
        if key.endswith(f"/{MANIFEST}"):
            try:
                found.append(read_dump(vault, key))
            except (Damaged, NoSuchKey) as why:
                tell(f"{store}: {why}")
    return sorted(found, key=lambda one: one.moment)


def read_dump(vault: Vault, key: str) -> Dump:
    """Read a dump's manifest. Raises Damaged, Unreadable, NoSuchKey, VaultDown."""
    try:
        told: dict[str, Any] = json.loads(vault.get(key))
        if (told.pop("format"), told.pop("version")) != (FORMAT, VERSION):
            raise Unreadable(f"{key} is no manifest of version {VERSION}. Bring this installation up to date.")
        shape, around = Shape(**told.pop("database")), _globals(told.pop("globals"))
        parts, lacks = tuple(Part(**one) for one in told.pop("parts")), tuple(told.pop("lacks"))
        return Dump(**told, database=shape, globals=around, parts=parts, lacks=lacks)
    except (KeyError, TypeError, ValueError) as error:
        raise Damaged(f"{key} is no manifest of a dump ({type(error).__name__}). Keep it as evidence.") from error


def _globals(told: dict[str, Any]) -> Globals:
    return Globals(
        tuple(Role(**one) for one in told["roles"]),
        tuple(Membership(**one) for one in told["memberships"]),
        tuple(Setting(**one) for one in told["settings"]),
        tuple(Right(**one) for one in told["rights"]),
    )
