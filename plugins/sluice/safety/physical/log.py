"""The log of a server in the vault: each file under its own name and the checksum of what it holds.

    backups/stores/<store>/wal/<system>/<timeline>/<file>-<sha256>.zst
    backups/stores/<store>/wal-now/<system>/<file>-<bytes>-<sha256>.zst     the one that is being written, with so much in it

`<system>` is the server's own number: what another server writes, one made anew under the old name too, is never mixed in.
As pgBackRest names them: a listing alone says what there is, what is missing, and whether two have written one file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterator
from dataclasses import dataclass

from sluice.errors import Terminal
from sluice.safety.backup import Backup, place_of
from sluice.safety.physical.wal import Segment, as_text, position
from sluice.stores.objects import Damaged, NoSuchKey, Vault
from sluice.stores.parts import TYPE, packed, unpacked
from sluice.stores.postgres import Connection, one
from sluice.stores.statements import statement


class SplitLog(Terminal):
    """The vault has two contents for one file of a log: two servers have written it."""


class LogMissing(Terminal):
    """A file of the log that is needed is not in the vault."""


@dataclass(frozen=True, order=True)
class LogFile:
    """One file of the log in the vault. `name` is PostgreSQL's."""

    name: str
    sha256: str
    key: str

    @property
    def timeline(self) -> int:
        """Of which timeline it is."""
        return int(self.name[:8], 16)


@dataclass(frozen=True)
class Newest:
    """The newest file of a log that the vault has, and the position up to which something is in it."""

    file: LogFile
    reaches: int


@dataclass(frozen=True)
class Stretch:
    """A log without a gap."""

    histories: tuple[LogFile, ...]
    files: tuple[LogFile, ...]
    """In order. The last may be one that was being written."""
    reaches: int
    """The position after its last file."""
    missing: str | None
    """The file that is not there, though the vault has more of this log behind it, or on a later timeline."""


@dataclass(frozen=True)
class LogStore:
    """The log of one server of a store, in files of `size` bytes."""

    vault: Vault
    name: str
    system: str
    size: int

    def put(self, name: str, body: bytes) -> None:
        """Store a whole file, or a history. Safe to repeat. Raises SplitLog where it is there with other content."""
        digest = hashlib.sha256(body).hexdigest()
        folder = f"{place_of(self.name)}/wal/{self.system}/{name[:8]}/{name}-"
        if other := [key for key in self.vault.list(folder) if not key.startswith(folder + digest)]:
            raise SplitLog(
                f"{self.name}: the vault has {name} of the log with other content ({other[0]}). Two servers write one log, or it"
                " was begun anew: nothing was stored. Give one of them another store's name in include/estate/estate.yaml."
            )
        self.vault.put_once(f"{folder}{digest}.zst", packed(body), TYPE)

    def put_now(self, name: str, body: bytes) -> None:
        """Store the file that is being written, as far as it is, and take away what is older.

        Whoever begins anew receives it from its beginning: what has less in it than the vault is not stored.
        """
        folder = f"{place_of(self.name)}/wal-now/{self.system}/"
        before = self.vault.list(folder)
        made = f"{folder}{name}-{len(body.rstrip(bytes(1))):010}-{hashlib.sha256(body).hexdigest()}.zst"
        if made <= max(before, default=""):
            return
        self.vault.put_once(made, packed(body), TYPE)
        for key in before:
            self.vault.remove(key)

    def files(self) -> list[LogFile]:
        """Give every whole file and every history that the vault has, in order. Raises SplitLog, VaultDown."""
        return self._listed(f"wal/{self.system}/")

    def now(self) -> LogFile | None:
        """Give the newest state of the file that is being written."""
        found = self._listed(f"wal-now/{self.system}/")
        return found[-1] if found else None

    def newest(self) -> Newest | None:
        """Give the newest file, whole or being written; None where there is nothing."""
        whole = [(one, file) for file in self.files() if (one := Segment.named(file.name, self.size))]
        now = self.now()
        begun = Segment.named(now.name, self.size) if now else None
        if now and begun and (not whole or begun > whole[-1][0]):
            written = int(now.key.rsplit("/", 1)[-1].split("-")[1])
            # What was read is known without the zeros behind it: a record may end in some, and takes 8 bytes at least.
            return Newest(now, begun.begins + -(-written // 8) * 8)
        return Newest(whole[-1][1], whole[-1][0].ends) if whole else None

    def read(self, file: LogFile) -> bytes:
        """Read a file. Raises Damaged, NoSuchKey, VaultDown."""
        damaged = Damaged(
            f"s3://{self.vault.bucket}/{file.key} is not what was stored: {file.name} of the log cannot be replayed."
        )
        try:
            stored = self.vault.get(file.key)
        except NoSuchKey:
            if "/wal-now/" not in file.key:
                raise
            return self.read(self._grown(file))  # it was written to meanwhile
        try:
            body = unpacked(stored)
        except (OSError, ValueError) as error:  # what is no zstd, or not a whole of it
            raise damaged from error
        if hashlib.sha256(body).hexdigest() != file.sha256:
            raise damaged
        return body

    def between(self, first: Segment, last: Segment) -> list[LogFile]:
        """Give the files from one to another, the one that is being written too; none unless all of them are there."""
        now = self.now()
        found = []
        for segment in (first.moved(by) for by in range(last.number - first.number + 1)):
            there = self._listed(f"wal/{self.system}/{segment.name[:8]}/{segment.name}-")
            if not there and now and now.name == segment.name:
                there = [now]
            if not there:
                return []
            found.append(there[-1])
        return found

    def _grown(self, file: LogFile) -> LogFile:
        """Give what has come in the place of a file that was being written: the whole one, or more of it. Raises NoSuchKey."""
        now = self.now()
        found = [
            one for one in (*self.files(), *([now] if now else [])) if one.name == file.name and one.key != file.key
        ]
        if not found:
            raise NoSuchKey(f"s3://{self.vault.bucket}/{file.key} is gone, and no more of {file.name} has come.")
        return found[0]

    def last(self) -> Segment | None:
        """Give the newest whole file."""
        found = [one for file in self.files() if (one := Segment.named(file.name, self.size))]
        return max(found, default=None)

    def goes_on_at(self) -> int | None:
        """Give the position behind the last whole file, or of the first one where none is whole yet; None where there is none."""
        if last := self.last():
            return last.ends
        now = self.now()
        begun = Segment.named(now.name, self.size) if now else None
        return begun.begins if begun else None

    def since(self, backup: Backup) -> Stretch:
        """Give what a recovery from a backup may need: all that follows it without a gap, and the histories of timelines.

        Raises LogMissing where the vault does not even have what makes the backup consistent.
        """
        first = Segment.at(position(backup.begins), backup.timeline, self.size)
        found = self.files()
        segments = {one: file for file in found if (one := Segment.named(file.name, self.size))}
        whole = list(unbroken(segments, first))
        ahead = whole[-1].moved(1) if whole else first
        now = self.now()
        newest = [now] if now and now.name == ahead.name else []
        more = [*segments, *filter(None, [Segment.named(now.name, self.size) if now else None])]
        # A later timeline is more too: the server was promoted since, and all that came after is there.
        later = [one for one in more if one > ahead]
        stretch = Stretch(
            tuple(file for file in found if file.name.endswith(".history")),
            (*(segments[one] for one in whole), *newest),
            ahead.ends if newest else ahead.begins,
            ahead.name if later else None,
        )
        if stretch.reaches < position(backup.ends):
            raise LogMissing(
                f"{backup.id} of {self.name} needs the log up to {backup.ends}, and the vault has it without a gap up to"
                f" {as_text(stretch.reaches)} alone: {ahead.name} is missing. Restore another backup; take a full one now."
            )
        return stretch

    def _listed(self, below: str) -> list[LogFile]:
        found = []
        for key in self.vault.list(f"{place_of(self.name)}/{below}"):
            name, *_, rest = key.rsplit("/", 1)[-1].split("-")
            found.append(LogFile(name, rest.removesuffix(".zst"), key))
        return found


def unbroken(segments: Container[Segment], first: Segment) -> Iterator[Segment]:
    """Give what follows `first` on its timeline, file by file."""
    at = first
    while at in segments:
        yield at
        at = at.moved(1)


def log_of(c: Connection, vault: Vault, store: str) -> LogStore:
    """Give the log of the server behind a session."""
    server = one(c, statement("safety.find_server"))
    return LogStore(vault, store, server["system"], server["segment_bytes"])
