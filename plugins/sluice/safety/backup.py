"""What a backup of a PostgreSQL server is: one stream of pg_basebackup in parts, and a manifest, which is stored last.

    backups/stores/<store>/base/<moment>-<how>/part-00000.zst …     the tar of pg_basebackup
    backups/stores/<store>/base/<moment>-<how>/backup_manifest.zst  PostgreSQL's own: what the next increment is taken against
    backups/stores/<store>/base/<moment>-<how>/manifest.json        ours: without it there is no backup
    backups/stores/<store>/wal/<system>/…                           the log since (physical/log.py)

`cat part-* | zstd -d | tar x`, the files of the log beside it, and a server of the same version need nothing of this project.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol, TypeVar

from sluice.errors import SluiceError, Terminal
from sluice.safety.driver import Tell
from sluice.stores.objects import Damaged, NoSuchKey, Stored, Vault
from sluice.stores.parts import Part

MANIFEST = "manifest.json"
DAMAGED = "damaged.json"
"""A note beside the manifest: somebody has read the backup, and it was not what was stored."""
READ = "read-"
"""How the names of notes begin that it was read back."""
FORMAT, VERSION = "sluice-backup", 1


class Unreadable(Terminal):
    """A manifest that this version does not read."""


@dataclass(frozen=True)
class Backup:
    """One backup of a whole server, or what has changed in it since another."""

    store: str
    """Whose it is, by its name in the estate's file."""
    id: str
    """Its name: the moment at which it began, and how it was taken."""
    after: str | None
    """The backup that this one is an increment of; None where it is whole."""
    system: str
    """The server's own number: what is of another never goes with it."""
    server: str
    """PostgreSQL's version."""
    superuser: str
    """The role that the server was made with: it is in every copy, whatever else is."""
    database: str
    """The store's own."""
    timeline: int
    """Of the log."""
    segment_bytes: int
    """How long a file of the log is."""
    begins: str
    """The position from which on the log is needed."""
    ends: str
    """The position before which it is nothing consistent."""
    began_at: str
    """When it was begun, by the server's clock."""
    ended_at: str
    """When it was whole, by the server's clock."""
    settings: Mapping[str, str]
    """What a server that replays the log may not have less of."""
    parts: tuple[Part, ...]
    """Its objects, in order: put together they are the tar."""
    own_manifest: Part
    """The object with PostgreSQL's own manifest."""
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    """What the server was told in a postgresql.conf that is in none of its folders; older backups do not know it."""

    @property
    def major(self) -> int:
        """PostgreSQL's, as 18."""
        return int(self.server.split(".")[0])

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
        """All that it is but its manifest, and the log."""
        return (*self.parts, self.own_manifest)

    @property
    def size(self) -> int:
        """How many bytes it has, unpacked."""
        return sum(part.raw for part in self.parts)

    @property
    def stored(self) -> int:
        """How many bytes it has in the vault."""
        return sum(part.bytes for part in self.parts)

    @property
    def ended(self) -> datetime:
        """When it was whole, by the server's clock."""
        return datetime.fromisoformat(self.ended_at)

    @property
    def began(self) -> datetime:
        """When it was begun, by the server's clock."""
        return datetime.fromisoformat(self.began_at)

    def keep(self, vault: Vault) -> Stored:
        """Store the manifest: from now on it is a backup. Raises AlreadyThere, VaultDown, AccessDenied."""
        body = json.dumps({**self._told, "seal": self.seal}, indent=1, ensure_ascii=False).encode()
        return vault.put_once(self.manifest, body, "application/json")

    @property
    def seal(self) -> str:
        """A hash of all that its manifest says: who alters a digit of it is found out."""
        return seal_of(self._told)

    @property
    def _told(self) -> dict[str, Any]:
        told = asdict(self)
        if not self.elsewhere:  # as those of before say it: their seals stay what they are
            del told["elsewhere"]
        return {"format": FORMAT, "version": VERSION, **told}


class Held(Protocol):
    """A backup in the vault, of whatever sort, as its keeping sees it."""

    @property
    def store(self) -> str:
        """Whose it is."""

    @property
    def id(self) -> str:
        """Its name."""

    @property
    def folder(self) -> str:
        """Where in the vault it is."""

    @property
    def manifest(self) -> str:
        """The key of its manifest."""

    @property
    def objects(self) -> tuple[Part, ...]:
        """All that it is but its manifest, and the log."""

    @property
    def seal(self) -> str:
        """A hash of all that its manifest says."""

    @property
    def stored(self) -> int:
        """How many bytes it has in the vault."""


def harm_of(backup: Held, sizes: Mapping[str, int]) -> Iterator[str]:
    """Say what of a backup is lost, or was seen damaged, by a listing of its folder. Pure."""
    for part in backup.objects:
        if part.key not in sizes:
            yield f"{part.key} is not there"
        elif sizes[part.key] != part.bytes:
            yield f"{part.key} has {sizes[part.key]:,} bytes of {part.bytes:,}"
    if f"{backup.folder}/{DAMAGED}" in sizes:
        yield "when it was last read, it was not what was stored"


def seal_of(told: Mapping[str, Any]) -> str:
    """Hash what a manifest says but its seal, whatever the order. Pure."""
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def read_backup(vault: Vault, key: str) -> Backup:
    """Read a backup's manifest. Raises Damaged, Unreadable, NoSuchKey, VaultDown."""
    body = vault.get(key)
    try:
        told: dict[str, Any] = json.loads(body)
        if told.pop("seal") != seal_of(told):
            raise ValueError("its seal is broken")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Damaged(
            f"s3://{vault.bucket}/{key} is not the manifest that was stored ({type(error).__name__}). Nothing rests on that"
            " backup: keep it as evidence."
        ) from error
    if (told.pop("format"), told.pop("version")) != (FORMAT, VERSION):
        raise Unreadable(f"{key} is no manifest of version {VERSION}. Bring this installation up to date.")
    parts, own = tuple(Part(**part) for part in told.pop("parts")), Part(**told.pop("own_manifest"))
    return Backup(**told, parts=parts, own_manifest=own)


def backups_of(vault: Vault, store: str) -> list[Backup]:
    """Give every backup of a store, oldest first. Raises Unreadable, VaultDown.

    One whose manifest is damaged is none, and stands in no other's way; keeping/looking.py names it.
    """
    found = []
    for key in vault.list(f"{place_of(store)}/base/"):
        if key.endswith(f"/{MANIFEST}"):
            with suppress(Damaged, NoSuchKey):  # an expiry may take one away this moment
                found.append(read_backup(vault, key))
    return found


def note_damaged(vault: Vault, store: str, backup: str) -> None:
    """Note that a backup is not what was stored, and take its notes away that it was read back. Safe to repeat.

    Whoever brings the store back begins with another, and none that is older goes because this one is there.
    """
    vault.put_once(f"{folder_of(store, backup)}/{DAMAGED}", b"{}", "application/json")
    for key in vault.list(f"{folder_of(store, backup)}/{READ}"):
        vault.remove(key)


@contextmanager
def noting_damage(vault: Vault, backup: Held, tell: Tell = lambda line: None) -> Iterator[None]:
    """Note it where the block finds that this backup is not what was stored; `tell` whoever restores what comes of the note.

    Whoever may not write there hears of the damage no less.
    """
    try:
        yield
    except (Damaged, NoSuchKey):
        with suppress(SluiceError):
            note_damaged(vault, backup.store, backup.id)
            tell(
                f"{backup.store}: it is noted that {backup.id} is damaged. Ask again: a restore begins with the one before."
            )
        raise


def chain_of(backups: Mapping[str, Backup], last: Backup) -> list[Backup]:
    """Give a backup and all that it is an increment of, the whole one first. Raises Broken."""
    chain = [last]
    while before := chain[0].after:
        if before not in backups:
            raise Broken(
                f"{last.id} of {last.store} is an increment of {before}, and the vault has no such backup. It cannot be restored."
            )
        chain.insert(0, backups[before])
    return chain


class Broken(Terminal):
    """A backup that cannot be restored: something that it needs is not there."""


class Named(Protocol):
    """A backup of whatever sort."""

    @property
    def id(self) -> str:
        """Its name."""


Sort = TypeVar("Sort", bound=Named)


def named(backups: Iterable[Sort], store: str, backup: str) -> Sort:
    """Give the backup of that name. Pure. Raises Broken where it is not there, or no more."""
    for one in backups:
        if one.id == backup:
            return one
    raise Broken(f"{store} has no backup {backup}: it was taken away, or its manifest is damaged. Take another.")


How = Literal["full", "increment", "dump"]


def name_at(moment: datetime, how: How) -> str:
    """Name the backup that was begun then, to the millisecond: names sort as they were taken, and one that died has its own."""
    return f"{moment:%Y%m%dT%H%M%S}{moment.microsecond // 1000:03}Z-{how}"


def place_of(store: str) -> str:
    """Name the folder of all that is kept of a store."""
    return f"backups/stores/{store}"


def folder_of(store: str, backup: str) -> str:
    """Name the folder of a backup: its name says whether it is a dump."""
    return f"{place_of(store)}/{'dumps' if backup.endswith('-dump') else 'base'}/{backup}"
