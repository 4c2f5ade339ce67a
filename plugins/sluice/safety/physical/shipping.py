"""Ship the log into the vault as it is written: pg_receivewal receives it, we store each file, and only then the server lets go.

pg_receivewal would tell the server what it has on *its* disk, and the server would throw away what the vault never had. So it
streams without a slot; the slot is ours, and is moved on when a file is in the vault. Where it begins again is said by the vault
too: whoever comes next, on another machine, goes on behind the last file that is there.

The file that is being written is stored as well, every few seconds, as it is by then: what can be lost is that long, not 16 MB.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from sluice.failpoints import failpoint
from sluice.safety.backup import backups_of
from sluice.safety.driver import LogLost, Tell
from sluice.safety.physical.log import LogStore
from sluice.safety.physical.wal import Segment, as_text, position
from sluice.stores.cluster import processes_in
from sluice.stores.postgres import Connection, LockBusy, connect, one, rows, translated
from sluice.stores.programs import running
from sluice.stores.statements import statement

PARTIAL = ".partial"


@dataclass
class Shipper:
    """Ships the log of one server."""

    dsn: str
    log: LogStore
    slot: str
    folder: Path
    """Where files are received, on a disk of ours, for us alone. It is emptied first: the vault says where to go on."""
    every: timedelta
    """How often the file that is being written is stored."""
    tell: Tell
    shipped: Segment | None = None
    """The last whole file that the vault has."""
    _seen: tuple[str, int] = ("", 0)
    _next_look: float = 0.0

    def run(
        self, lasts: timedelta, over: Callable[[], bool] = lambda: False, beside: Callable[[], None] = lambda: None
    ) -> None:
        """Ship for so long, or until it is `over`; `beside` is called in between. Safe to repeat, and to kill.

        Raises LogLost, SplitLog, LockBusy, ProgramFailed, StoreDown, VaultDown.
        """
        with (
            connect(self.dsn, purpose=f"log of {self.log.name}") as c,
            translated(f"shipping the log of {self.log.name}"),
        ):
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
        shipped, there = 0, sorted(folder.iterdir())
        # Of two the later one is written: the server was promoted meanwhile, and the other stays as it is.
        written = max((path.name for path in there if path.suffix == PARTIAL), default="")
        for path in there:
            segment = Segment.named(path.name, self.log.size)
            if segment and (self.shipped is None or segment > self.shipped):
                self.log.put(path.name, path.read_bytes())
                failpoint("log.stored")
                c.execute(statement("safety.advance_slot"), {"slot": self.slot, "to": as_text(segment.ends)})
                failpoint("log.let_go")
                self.shipped, shipped = segment, shipped + 1
                path.unlink()
            elif path.suffix == ".history":
                self.log.put(path.name, path.read_bytes())
                path.unlink()
            elif path.name == written and time.monotonic() >= self._next_look:
                with suppress(FileNotFoundError):  # it has become a whole file this moment
                    self._store_now(path)
        return shipped

    def _store_now(self, path: Path) -> None:
        """Store the file that is being written, if anything came to it."""
        self._next_look = time.monotonic() + self.every.total_seconds()
        if (seen := (path.name, path.stat().st_mtime_ns)) == self._seen:
            return
        self.log.put_now(path.name.removesuffix(PARTIAL), path.read_bytes())
        self._seen = seen
        failpoint("log.stored_now")

    def _begin(self, c: Connection) -> Path:
        """Find where to go on, and make pg_receivewal begin there: at the file that stands unfinished in its folder."""
        server: dict[str, Any] = one(c, statement("safety.find_server"))
        last = self.log.last()
        first = Segment.at(self._keeps(c), server["timeline"], self.log.size)
        wanted = self.log.goes_on_at()
        if wanted is not None and wanted < first.begins and not self._taken_behind(first, server["system"]):
            raise LogLost(
                f"{self.log.name}: the vault has the log up to {as_text(wanted)}, and the server no longer has what follows:"
                f" it keeps it from {as_text(first.begins)} on. Nothing between can be restored to: take a backup now,"
                " and it goes on behind that."
            )
        self.shipped = last if last and last >= first.moved(-1) else first.moved(-1)
        folder = self._own_folder()
        # Not the last whole file: behind one with the number 0, pg_receivewal begins where the server is by now.
        (folder / f"{self.shipped.moved(1).name}{PARTIAL}").touch()
        self.tell(f"{self.log.name}: the log goes on at {as_text(self.shipped.ends)}")
        return folder

    def _keeps(self, c: Connection) -> int:
        """Give the position from which on the server keeps its log for us; from now on it does."""
        found = rows(c, statement("safety.find_slot"), slot=self.slot)
        if found and found[0]["keeps"] is None:  # it has outgrown max_slot_wal_keep_size, and keeps nothing any more
            c.execute(statement("safety.drop_slot"), {"slot": self.slot})
            found = []
        return position((found or [one(c, statement("safety.create_slot"), slot=self.slot)])[0]["keeps"])

    def _taken_behind(self, first: Segment, system: str) -> bool:
        """Whether a backup was taken behind the gap: what is in it can be restored to no more, and what follows can."""
        backups = backups_of(self.log.vault, self.log.name)
        return any(one.system == system and position(one.begins) >= first.begins for one in backups)

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
