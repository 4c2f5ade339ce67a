"""The log of a table in the vault: what its stream has told, in files that are numbered without a gap.

    backups/stores/<store>/log/<table>/<run>/run.json                       of which stream it is
    backups/stores/<store>/log/<table>/<run>/000000/000000000.zst …         one round of reading each
    backups/stores/<store>/log/<table>/<run>/unbroken-000000000.json        from which on nothing of it was let go

A round holds, behind a line about itself, one line a change: each shard's in its order, a child's behind its parent's. The place
up to which each shard is read is in the round itself, so that changes and places are stored together or not at all. Nothing in
the vault is overwritten: of two who ship at once, one has the next number, the other reads where that one stands, and goes on.

A run is one unbroken log. Where something of the stream is lost the run ends, and the next base begins another.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from sluice.errors import Terminal
from sluice.safety.backup import place_of
from sluice.stores.dynamodb.export_lines import item_of, plain_item
from sluice.stores.dynamodb.streams import Change
from sluice.stores.dynamodb.values import Item
from sluice.stores.objects import AlreadyThere, Damaged, Vault
from sluice.stores.parts import TYPE, packed, unpacked

FOLDER = 1000
"""Rounds in one folder: the last is found by two short listings."""
UNBROKEN = "unbroken-"
AHEAD = 16
"""Rounds that are fetched at once: many are small."""


class LogShort(Terminal):
    """The log in the vault does not reach to a moment, or a file of it is not there."""


@dataclass(frozen=True)
class Place:
    """How far a shard is read: up to a sequence number, or to its end."""

    after: str | None = None
    done: bool = False
    parent: str | None = None


@dataclass(frozen=True)
class Round:
    """What one round of reading a stream has told."""

    number: int
    until: datetime | None
    """All that was written up to here is in this round and those before; None where a shard was not read so far."""
    places: Mapping[str, Place]
    """Of every shard that the run has known, behind this round."""
    changes: tuple[tuple[str, Change], ...]
    """With the shard of each."""

    def body(self) -> bytes:
        """Give it as lines."""
        places = {shard: [place.after, place.done, place.parent] for shard, place in self.places.items()}
        head = {"until": self.until.isoformat() if self.until else None, "places": places}
        return b"".join(_line(one) for one in (head, *(_told(*change) for change in self.changes)))

    @classmethod
    def of(cls, number: int, body: bytes) -> Round:
        """Read what `body` wrote."""
        head, *lines = (json.loads(line) for line in body.splitlines())
        until = datetime.fromisoformat(head["until"]) if head["until"] else None
        places = {shard: Place(*told) for shard, told in head["places"].items()}
        return cls(number, until, places, tuple((line["shard"], _change(line)) for line in lines))


@dataclass(frozen=True)
class Run:
    """One unbroken log of a table: the stream that it is of, and whether that tells both images."""

    id: str
    """Its name: the folder of its log."""
    stream: str
    """The stream that it is of."""
    both: bool
    """Whether that tells an item as it was, too."""


@dataclass(frozen=True)
class TableLog:
    """One run of a table's log in the vault."""

    vault: Vault
    store: str
    table: str
    run: Run

    @property
    def folder(self) -> str:
        """Where it is."""
        return f"{_place(self.store, self.table)}{self.run.id}/"

    def put(self, round_: Round) -> bool:
        """Store the next round; False where somebody else has stored one of that number. Raises VaultDown, AccessDenied."""
        try:
            self.vault.put_once(self._key(round_.number), packed(round_.body()), TYPE)
        except AlreadyThere:
            return False
        return True

    def last(self) -> Round:
        """Give the last round. Raises LogShort where there is none."""
        folders = [one for one in self.vault.folders(self.folder)]
        if not folders:
            raise LogShort(f"{self.store}: the log of {self.table} has no round in {self.folder}. Take a base now.")
        return self.read(_number(self.vault.list(folders[-1])[-1]))

    def until(self, begins: int) -> datetime | None:
        """Tell up to when all is in it, of what is behind a round; None where that is not known. Raises LogShort, Damaged."""
        number = self.last().number
        while number >= begins:
            if until := self.read(number).until:
                return until
            number -= 1
        return None

    def read(self, number: int) -> Round:
        """Read one. Raises NoSuchKey, Damaged, VaultDown."""
        key = self._key(number)
        try:
            return Round.of(number, unpacked(self.vault.get(key)))
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise Damaged(f"s3://{self.vault.bucket}/{key} cannot be read ({error}). Keep it as evidence.") from error

    def since(self, number: int) -> Iterator[Round]:
        """Give every round from a number on, in order. Raises LogShort once it comes to one that is missing, Damaged, VaultDown.

        Behind an old base that is kept for itself the log ends once that is consistent: whoever needs no more reads no more.
        """
        numbers = [one for one in map(_number, self._keys(number)) if one >= number]
        with ThreadPoolExecutor(AHEAD) as pool:
            for start in range(0, len(numbers), AHEAD):
                there, wanted = numbers[start : start + AHEAD], range(number + start, number + start + AHEAD)
                whole = [one for one, due in zip(there, wanted, strict=False) if one == due]
                yield from pool.map(self.read, whole)
                if len(whole) < len(there):
                    missing = wanted[len(whole)]
                    raise LogShort(
                        f"{self.store}: round {missing} of the log of {self.table} is not in the vault ({self._key(missing)}):"
                        " it is lost, or older than what is kept. Nothing behind it can be brought back from this base: restore"
                        " to an earlier moment; where it is lost, take a base now."
                    )

    @property
    def unbroken(self) -> int:
        """The number from which on nothing of it was let go. Raises VaultDown."""
        noted = self.vault.list(f"{self.folder}{UNBROKEN}")
        return max((int(key.rpartition("-")[2].removesuffix(".json")) for key in noted), default=0)

    def note_unbroken(self, number: int) -> None:
        """Note that all before a number may go. Safe to repeat. Raises VaultDown, AccessDenied."""
        self.vault.put_once(f"{self.folder}{UNBROKEN}{number:09}.json", b"{}", "application/json")

    def _keys(self, number: int) -> Iterator[str]:
        first = f"{self.folder}{number // FOLDER:06}/"
        for folder in self.vault.folders(self.folder):
            if folder >= first:
                yield from self.vault.list(folder)

    def _key(self, number: int) -> str:
        return f"{self.folder}{number // FOLDER:06}/{number:09}.zst"


@dataclass(frozen=True)
class Stretch:
    """What of a log goes with a backup: rounds from a number on, in which all is that was written since a moment."""

    log: TableLog
    begins: int
    since: datetime


def runs_of(vault: Vault, store: str, table: str) -> list[Run]:
    """Give the runs of a table's log, oldest first. Raises VaultDown."""
    folders = vault.folders(_place(store, table))
    return [Run(**json.loads(vault.get(f"{folder}run.json"))) for folder in folders]


def begin_run(vault: Vault, store: str, table: str, stream: str, both: bool) -> TableLog:
    """Begin another run. Raises AlreadyThere where somebody begins one of another stream at this moment, VaultDown."""
    run = Run(f"{len(vault.folders(_place(store, table))):06}", stream, both)
    log = TableLog(vault, store, table, run)
    vault.put_once(f"{log.folder}run.json", _line(asdict(run)), "application/json")
    return log


def _place(store: str, table: str) -> str:
    return f"{place_of(store)}/log/{table}/"


def _number(key: str) -> int:
    return int(key.rpartition("/")[2].removesuffix(".zst"))


def _line(told: Mapping[str, Any]) -> bytes:
    return json.dumps(told, separators=(",", ":")).encode() + b"\n"


def _told(shard: str, change: Change) -> dict[str, Any]:
    images = {
        name: plain_item(one) if one is not None else None for name, one in (("old", change.old), ("new", change.new))
    }
    who = {"expired": True} if change.expired else {}
    return {"shard": shard, "key": plain_item(change.key), "kind": change.kind, **images, "sequence": change.sequence,
            "at": change.at.astimezone(UTC).isoformat(), **who}  # fmt: skip


def _change(told: Mapping[str, Any]) -> Change:
    old, new = (_image(told[name]) for name in ("old", "new"))
    at = datetime.fromisoformat(told["at"])
    return Change(item_of(told["key"]), told["kind"], old, new, told["sequence"], at, told.get("expired", False))


def _image(told: Item | None) -> Item | None:
    return None if told is None else item_of(told)
