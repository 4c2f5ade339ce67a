"""Ship the log into the vault as it is written: pg_receivewal receives it, we store each file, and only then the server lets go.

pg_receivewal would tell the server what it has on *its* disk, and the server would throw away what the vault never had. So it
streams without a slot; the slot is ours, and is moved on when a file is in the vault. Where it begins again is said by the vault
too: whoever comes next, on another machine, goes on behind the last file that is there.

The file that is being written is stored as well, every few seconds, as it is by then: what can be lost is that long, not 16 MB.

Each run receives the last file again that the vault has, and holds it against that: so the server keeps one more. One that was
rolled back, by a snapshot of its machine, and writes another log under the old names is seen by that, and nothing is joined. One
that was promoted is followed onto its new timeline, from where it left the one that the vault has.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from sluice.failpoints import failpoint
from sluice.safety.backup import backups_of
from sluice.safety.driver import LogLost, Tell
from sluice.safety.physical.log import WHY_SPLIT, LogStore, SplitLog
from sluice.safety.physical.rights import check_may_replicate
from sluice.safety.physical.source import Source, ask, still_has
from sluice.safety.physical.wal import Segment, as_text, position
from sluice.stores.cluster import processes_in
from sluice.stores.postgres import Connection, LockBusy, StoreDown, connect, one, rows, translated
from sluice.stores.programs import running
from sluice.stores.statements import statement

PARTIAL = ".partial"


@dataclass
class Shipper:
    """Ships the log of one server."""

    dsn: str = field(repr=False)
    log: LogStore
    slot: str
    folder: Path
    """Where files are received, on a disk of ours, for us alone. It is emptied first: the vault says where to go on."""
    every: timedelta
    """How often the file that is being written is stored."""
    tell: Tell
    shipped: Segment | None = None
    """The last whole file that the vault has."""
    _keeps_from: int = 0
    """The position from which on the server keeps its log for us."""
    _begun: dict[str, bytes] = field(default_factory=dict)
    """Files that were being written, as the vault had them when this run began: what comes must go on in them."""
    _seen: dict[str, int] = field(default_factory=dict)
    _next_look: float = 0.0

    def run(
        self, lasts: timedelta, over: Callable[[], bool] = lambda: False, beside: Callable[[], None] = lambda: None
    ) -> None:
        """Ship for so long, or until it is `over`; `beside` is called in between. Safe to repeat, and to kill.

        Raises MayNotReplicate, LogLost, SplitLog, LockBusy, ProgramFailed, StoreDown, VaultDown.
        """
        with (
            connect(self.dsn, purpose=f"log of {self.log.name}") as c,
            translated(f"shipping the log of {self.log.name}"),
        ):
            check_may_replicate(self.log.name, one(c, statement("safety.find_server")))
            if not one(c, statement("safety.lock_log"), slot=self.slot)["held"]:
                raise LockBusy(f"Somebody else ships the log of {self.log.name}. It is tried again by itself.")
            folder = self._begin(c)
            until = time.monotonic() + lasts.total_seconds()
            how = [f"--directory={folder}", "--no-loop", "--synchronous", "--status-interval=1"]
            with running("pg_receivewal", self.dsn, how, cwd=folder) as run:
                while time.monotonic() < until and not over() and run.process.poll() is None:
                    beside()
                    if not self.step(c, folder):
                        time.sleep(0.1)
                run.end()
            self._next_look = 0.0
            self.step(c, folder)

    def step(self, c: Connection, folder: Path) -> int:
        """Store what is in the folder by now; gives how many whole files."""
        shipped, due = 0, time.monotonic() >= self._next_look
        for path in sorted(folder.iterdir()):
            segment = Segment.named(path.name, self.log.size)
            if segment and self.shipped and segment <= self.shipped:
                self.log.put(path.name, path.read_bytes())  # the vault has it: it must be the same
                path.unlink()
            elif segment:
                self._store(c, path, segment)
                shipped += 1
            elif path.suffix == ".history":
                self.log.put(path.name, path.read_bytes())
                path.unlink()
            elif path.suffix == PARTIAL and due:
                with suppress(FileNotFoundError):  # it has become a whole file this moment
                    self._store_now(path)
        return shipped

    def _store(self, c: Connection, path: Path, segment: Segment) -> None:
        """Store a whole file; then the server may let go of what lies before it."""
        body = path.read_bytes()
        self._check_goes_on(path.name, body)
        self.log.put(path.name, body)
        failpoint("log.stored")
        if segment.begins > self._keeps_from:
            c.execute(statement("safety.advance_slot"), {"slot": self.slot, "to": as_text(segment.begins)})
            self._keeps_from = segment.begins
        failpoint("log.let_go")
        self.shipped = segment
        path.unlink()

    def _store_now(self, path: Path) -> None:
        """Store a file that is being written, if anything came to it; one too that was left unfinished by a promotion."""
        self._next_look = time.monotonic() + self.every.total_seconds()
        if (seen := path.stat().st_mtime_ns) == self._seen.get(path.name):
            return
        name, body = path.name.removesuffix(PARTIAL), path.read_bytes()
        if len(body.rstrip(bytes(1))) >= len(self._begun.get(name, b"")):
            self._check_goes_on(name, body)
            self.log.put_now(name, body)
        self._seen[path.name] = seen
        failpoint("log.stored_now")

    def _check_goes_on(self, name: str, body: bytes) -> None:
        """Raise SplitLog where a file does not begin with what the vault had of it."""
        if not body.startswith(self._begun.pop(name, b"")):
            raise SplitLog(f"{self.log.name}: the vault has the beginning of {name} with other content. {WHY_SPLIT}")

    def _begin(self, c: Connection) -> Path:
        """Find where to go on, and make pg_receivewal begin there: at the file that stands unfinished in its folder."""
        source, there = self._source(c), self.log.begun()
        size, last = self.log.size, self._last(source, there)
        begun = [one.number for one in there if one in source.line.files(one.number, size)]
        self._keeps_from = self._keeps(c)
        wanted = last.number + 1 if last else min(begun, default=None)
        first = self._first(source, ([last.number] if last else []) + ([wanted] if wanted is not None else []))
        if wanted is not None and wanted < first and not self._taken_behind(first * size, source.system):
            raise LogLost(
                f"{self.log.name}: the vault has the log up to {as_text(wanted * size)}, and the server no longer has what"
                f" follows: it keeps it from {as_text(first * size)} on. Nothing between can be restored to: take a backup now,"
                " and it goes on behind that."
            )
        number = max(first, last.number) if last else first
        self.shipped = last if last and last.number >= number - 1 else self._named(source, number - 1)
        self._begun = {file.name: self.log.read(file).rstrip(bytes(1)) for file in there.values()}
        folder = self._own_folder()
        # Not the file before: behind one with the number 0, pg_receivewal begins where the server is by now.
        (folder / f"{self._named(source, number).name}{PARTIAL}").touch()
        self.tell(f"{self.log.name}: the log goes on at {as_text(number * size)} of timeline {source.line.timeline}")
        return folder

    def _last(self, source: Source, begun: Iterable[Segment]) -> Segment | None:
        """Give the last whole file of the server's log that the vault has. Raises VaultDown."""
        # A file of the timeline that is written lies behind all of those before: the others are not even listed.
        newest = [one for one in self.log.tail(source.line.timeline, begun) if source.line.has(one)]
        found = newest or [one for one in self.log.held().whole if source.line.has(one)]
        return max(found, key=lambda one: one.number, default=None)

    def _first(self, source: Source, wanted: Sequence[int]) -> int:
        """Give the first file that the server has for us: that which the slot keeps, or an older one that is there still.

        The slot of a server that was promoted is new, and begins where that server's last checkpoint was.
        """
        kept = self._keeps_from // self.log.size
        for number in (number for number in wanted if number < kept):
            if still_has(self.dsn, self._named(source, number), f"looking for the log of {self.log.name}"):
                return number
        return kept

    def _source(self, c: Connection) -> Source:
        """Ask the server who it is: the one whose log the vault has, no younger than that. Raises SplitLog, StoreDown."""
        newest = self.log.newest()
        source = ask(self.dsn, f"shipping the log of {self.log.name}")
        if source.system != self.log.system:
            raise StoreDown(f"{self.log.name}: another server answers than a moment ago. It is tried again by itself.")
        if newest is None or one(c, statement("safety.find_server"))["in_recovery"]:
            return source  # who follows another may be late
        there, here = newest.file.timeline, source.line.timeline
        if there > here or (there == here and source.reaches < newest.reaches):
            raise SplitLog(
                f"{self.log.name}: the vault has its log up to {as_text(newest.reaches)} of timeline {there}, and the server is"
                f" at {as_text(source.reaches)} of timeline {here}: it was rolled back, or another one leads. {WHY_SPLIT}"
            )
        return source

    def _named(self, source: Source, number: int) -> Segment:
        """Give a file of the server's log: of the timeline on which it begins, though a later one may have begun it anew."""
        return Segment(source.line.at(number * self.log.size), number, self.log.size)

    def _keeps(self, c: Connection) -> int:
        """Give the position from which on the server keeps its log for us; from now on it does."""
        found = rows(c, statement("safety.find_slot"), slot=self.slot)
        if found and found[0]["keeps"] is None:  # it has outgrown max_slot_wal_keep_size, and keeps nothing any more
            c.execute(statement("safety.drop_slot"), {"slot": self.slot})
            found = []
        return position((found or [one(c, statement("safety.create_slot"), slot=self.slot)])[0]["keeps"])

    def _taken_behind(self, first: int, system: str) -> bool:
        """Whether a backup was taken behind the gap: what is in it can be restored to no more, and what follows can."""
        backups = backups_of(self.log.vault, self.log.name)
        return any(one.system == system and position(one.begins) >= first for one in backups)

    def _own_folder(self) -> Path:
        """Make a folder for this run. A receiver whose master was killed lives on, and would write among ours: it is ended."""
        self.folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        for old in self.folder.iterdir():
            for orphan in processes_in(old):
                os.kill(orphan, signal.SIGKILL)
            shutil.rmtree(old)
        return Path(tempfile.mkdtemp(dir=self.folder))


def stop_shipping(c: Connection, slot: str) -> None:
    """Let a server go of the log that it keeps for us: one whose log nobody ships fills its disk. Safe to repeat."""
    if rows(c, statement("safety.find_slot"), slot=slot):
        c.execute(statement("safety.drop_slot"), {"slot": slot})
