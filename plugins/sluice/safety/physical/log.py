"""The log of a server in the vault: each file under its own name and the checksum of what it holds.

    backups/stores/<store>/wal/<system>/<timeline>/<file>-<sha256>.zst
    backups/stores/<store>/wal-now/<system>/<file>-<bytes>-<sha256>.zst     the one that is being written, with so much in it:
                                                                            one of each timeline, as it was left

`<system>` is the server's own number: what another server writes, one made anew under the old name too, is never mixed in.
As pgBackRest names them: a listing alone says what there is, what is missing, and whether two have written one file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sluice.errors import Terminal
from sluice.safety.backup import Backup, place_of
from sluice.safety.physical.stretch import Held, Stretch
from sluice.safety.physical.timelines import Line, read_line
from sluice.safety.physical.wal import Segment, as_text, position
from sluice.stores.objects import Damaged, NoSuchKey, Vault
from sluice.stores.parts import TYPE, packed, unpacked
from sluice.stores.postgres import Connection, one
from sluice.stores.statements import statement

WHY_SPLIT = (
    "Nothing was stored. Either two servers write one log: give one of them another store's name in include/estate/estate.yaml."
    " Or the server was rolled back, by a snapshot of its machine: the vault has what it has lost. Restore that beside it, and"
    " look which of the two goes on; where it is the server that was rolled back, give it another store's name."
)


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
        there = self.vault.list(folder)
        if other := [key for key in there if not key.startswith(folder + digest)]:
            raise SplitLog(f"{self.name}: the vault has {name} of the log with other content ({other[0]}). {WHY_SPLIT}")
        if not there:
            self.vault.put_once(f"{folder}{digest}.zst", packed(body), TYPE)

    def put_now(self, name: str, body: bytes) -> None:
        """Store the file that is being written, as far as it is, and take away what is older of its timeline.

        Whoever begins anew receives it from its beginning: what has less in it than the vault is not stored. The last file of a
        timeline that was left stays: a commit in it may be nowhere else.
        """
        folder = f"{place_of(self.name)}/wal-now/{self.system}/"
        before = self.vault.list(f"{folder}{name[:8]}")
        made = f"{folder}{name}-{len(body.rstrip(bytes(1))):010}-{hashlib.sha256(body).hexdigest()}.zst"
        if made <= max(before, default=""):
            return
        self.vault.put_once(made, packed(body), TYPE)
        for key in before:
            self.vault.remove(key)

    def files(self) -> list[LogFile]:
        """Give every whole file and every history that the vault has, in order. Raises SplitLog, VaultDown."""
        return self._listed(f"wal/{self.system}/")

    def begun(self) -> dict[Segment, LogFile]:
        """Give the newest state of the file that is being written, or was when its timeline was left: one of each."""
        found = self._listed(f"wal-now/{self.system}/")
        newest = {file.timeline: file for file in found}
        return {one: file for file in newest.values() if (one := Segment.named(file.name, self.size))}

    def held(self) -> Held:
        """Give all that the vault has of it: a page for each thousand files. Raises VaultDown."""
        begun, found = self.begun(), self.files()  # in this order: what becomes whole meanwhile is not missed
        return self._held(begun, found)

    def held_since(self, first: Segment) -> Held:
        """Give what the vault has of it from a file on: of later timelines all, of that one and those before what follows.

        Raises VaultDown.
        """
        begun = self.begun()
        found = [
            file
            for timeline in self._timelines()
            for file in self._of_timeline(timeline, first.number if timeline <= first.timeline else 0)
        ]
        return self._held(begun, found)

    def tail(self, timeline: int, begun: Iterable[Segment]) -> dict[Segment, LogFile]:
        """Give the last whole files of a timeline, from just before the one of it that was `begun`; all, where none was.

        Raises VaultDown.
        """
        numbers = [one.number for one in begun if one.timeline == timeline and one.number > 0]
        found = self._whole(self._of_timeline(timeline, max(numbers) - 1)) if numbers else {}
        return found or self._whole(self._of_timeline(timeline, 0))

    def lines(self, held: Held) -> list[Line]:
        """Say of each timeline how it came about, the newest first. Raises Damaged, VaultDown."""
        histories = {file.timeline: file for file in held.histories}
        return [
            read_line(one, self.read(histories[one]).decode()) if one in histories else Line.alone(one)
            for one in held.timelines
        ]

    def newest(self) -> Newest | None:
        """Give the newest file, whole or being written; None where there is nothing. Raises VaultDown."""
        begun = self.begun()
        for timeline in sorted({*self._timelines(), *(segment.timeline for segment in begun)}, reverse=True):
            whole, now = self.tail(timeline, begun), [one for one in begun if one.timeline == timeline]
            last = max((*whole, *now), default=None)
            if last in whole:
                return Newest(whole[last], last.ends)
            if last is not None:
                written = int(begun[last].key.rsplit("/", 1)[-1].split("-")[1])
                # What was read is known without the zeros behind it: a record may end in some, and takes 8 bytes at least.
                return Newest(begun[last], last.begins + -(-written // 8) * 8)
        return None

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
        begun = self.begun()
        found = []
        for segment in (first.moved(by) for by in range(last.number - first.number + 1)):
            there = self._listed(f"wal/{self.system}/{segment.name[:8]}/{segment.name}-")
            if not there and segment in begun:
                there = [begun[segment]]
            if not there:
                return []
            found.append(there[-1])
        return found

    def _grown(self, file: LogFile) -> LogFile:
        """Give what has come in the place of a file that was being written: the whole one, or more of it. Raises NoSuchKey."""
        found = [
            one for one in (*self.files(), *self.begun().values()) if one.name == file.name and one.key != file.key
        ]
        if not found:
            raise NoSuchKey(f"s3://{self.vault.bucket}/{file.key} is gone, and no more of {file.name} has come.")
        return found[0]

    def since(self, backup: Backup) -> Stretch:
        """Give what a recovery from a backup may need: all that follows it without a gap, and the histories of timelines.

        Raises LogMissing where the vault does not even have what makes the backup consistent.
        """
        held = self.held_since(Segment.at(position(backup.begins), backup.timeline, self.size))
        stretch = held.behind(backup, self.lines(held))
        if stretch.reaches < position(backup.ends):
            raise LogMissing(
                f"{backup.id} of {self.name} needs the log up to {backup.ends}, and the vault has it without a gap up to"
                f" {as_text(stretch.reaches)} alone: {Segment.at(stretch.reaches, stretch.timeline, self.size).name} is missing."
                " Restore another backup; take a full one now."
            )
        return stretch

    def stored_until(self, stretch: Stretch) -> datetime:
        """Tell when the last of a stretch was stored: what was committed later is not in it. Raises NoSuchKey, VaultDown."""
        last = stretch.files[-1]
        try:
            return self.vault.stored_at(last.key)
        except NoSuchKey:  # it was written to meanwhile
            return self.vault.stored_at(self._grown(last).key)

    def _held(self, begun: Mapping[Segment, LogFile], found: Sequence[LogFile]) -> Held:
        histories = tuple(one for one in found if one.name.endswith(".history"))
        return Held(histories, self._whole(found), begun, self.size)

    def _whole(self, found: Iterable[LogFile]) -> dict[Segment, LogFile]:
        return {one: file for file in found if (one := Segment.named(file.name, self.size))}

    def _timelines(self) -> list[int]:
        """Give those of which there is a file, or a history, in order."""
        folders = self.vault.folders(f"{place_of(self.name)}/wal/{self.system}/")
        return [int(folder.rstrip("/").rsplit("/", 1)[-1], 16) for folder in folders]

    def _of_timeline(self, timeline: int, number: int) -> list[LogFile]:
        """Give a timeline's history, and its files from a number on."""
        folder = f"wal/{self.system}/{timeline:08X}/"
        if number == 0:
            return self._listed(folder)
        history = self._listed(f"{folder}{timeline:08X}.history-") if timeline > 1 else []
        return history + self._listed(folder, Segment(timeline, number, self.size).name)

    def _listed(self, below: str, since: str = "") -> list[LogFile]:
        """Give what is in a folder, in order; `since` a name of a file on, where there is one."""
        found, folder = [], f"{place_of(self.name)}/{below}"
        for key in self.vault.list(folder, f"{folder}{since}" if since else ""):
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
