"""The application of `certify`, alive: writers that never stop while tables are swapped under them.

    with Workload(dsn) as workload:
        with workload.phase("cutover"):
            …
        workload.burst(10_000)
    print(workload.snapshot().phases["cutover"].longest_gap_ms)

`python -m sluice.local.certify` runs it as a process of its own, which WorkloadProcess talks to. One at a
time: it takes the rows of all tenants for its own.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import psycopg

from sluice.errors import Terminal
from sluice.local.certify.acknowledged import Acknowledged
from sluice.local.certify.tally import Snapshot, Tally
from sluice.local.certify.writer import Writer

GRACE = 10.0  # seconds that a writer has to finish its transaction


class WorkloadStuck(Terminal):
    """A writer does not come back, or a burst makes no progress."""


class Workload:
    """Threads that write, together `rate` transactions a second, as the role that `dsn` names (certify_app).

    `acknowledged` holds what users were told; give an earlier one to go on from it.
    `start` and `stop` may alternate.
    """

    def __init__(
        self,
        dsn: str,
        *,
        seed: int = 1,
        writers: int = 4,
        rate: float = 200.0,
        acknowledged: Acknowledged | None = None,
    ) -> None:
        self.acknowledged = Acknowledged() if acknowledged is None else acknowledged
        self._dsn = dsn
        self._tally = Tally()
        self._writers = [
            Writer(number, writers, dsn, seed, rate / writers, self.acknowledged, self._tally)
            for number in range(writers)
        ]
        self._threads: list[Thread] = []
        self._stopping = Event()
        self._hurry = Event()

    def __enter__(self) -> Workload:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Let the writers go; nothing happens if they are going.

        Raises psycopg.OperationalError when the database cannot be reached: only later losses are waited out.
        """
        if self._threads:
            return
        psycopg.connect(self._dsn, connect_timeout=5).close()
        self._stopping.clear()
        self._threads = [
            Thread(
                target=writer.run,
                args=(self._stopping, self._hurry),
                name=f"certify-writer-{number}",
                daemon=True,
            )
            for number, writer in enumerate(self._writers)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let each writer finish its transaction and wait for it; one that hangs is cancelled.

        Raises WorkloadStuck.
        """
        self._stopping.set()
        if not (self._joined(GRACE) or self._cancelled(GRACE)):
            raise WorkloadStuck("a writer of schema app does not come back. Is the database answering?")
        self._threads = []

    def run_for(self, seconds: float) -> Snapshot:
        """Start, let `seconds` pass, stop, report."""
        with self:
            time.sleep(seconds)
        return self.snapshot()

    def burst(self, writes: int, timeout: float = 300.0) -> float:
        """Have at least `writes` more acknowledged, as fast as they go. Gives the seconds it took.

        Raises WorkloadStuck.
        """
        began, wanted = time.monotonic(), self._tally.writes + writes
        self._hurry.set()
        try:
            while self._tally.writes < wanted:
                if not any(thread.is_alive() for thread in self._threads) or time.monotonic() > began + timeout:
                    missing = wanted - self._tally.writes
                    raise WorkloadStuck(f"a burst of {writes} writes lacks {missing}. Is the workload started?")
                time.sleep(0.005)
        finally:
            self._hurry.clear()
        return time.monotonic() - began

    def mark(self, name: str) -> None:
        """From now on it is phase `name`."""
        self._tally.mark(name)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Be in phase `name` for a while, then in the one before."""
        before = self._tally.phase
        self.mark(name)
        try:
            yield
        finally:
            self.mark(before)

    def snapshot(self) -> Snapshot:
        """Report as it stands; from any thread."""
        return self._tally.snapshot()

    def _cancelled(self, seconds: float) -> bool:
        # Again and again: a cancel that comes between two statements goes unheard.
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for writer in self._writers:
                writer.cancel()
            if self._joined(0.2):
                return True
        return False

    def _joined(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)
