"""Writers of a sample's application: let go and stopped together, hurried, and marked with the phase that it is."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any, Protocol

from sluice.errors import Terminal
from sluice.local.certify.acknowledged import Acknowledged
from sluice.local.certify.tally import Snapshot, Tally

GRACE = 10.0  # seconds that a writer has to finish its transaction


class WorkloadStuck(Terminal):
    """A writer does not come back, or a burst makes no progress."""


class Runs(Protocol):
    """One writer: `run` is a thread's whole life."""

    def run(self, stopping: Event, hurry: Event) -> None:
        """Write at the writer's rate, or without a pause while `hurry` is set, until `stopping`."""

    def cancel(self) -> None:
        """Break off what the writer waits for, from another thread."""


class Crew:
    """Threads that write. `acknowledged` holds what users were told. `start` and `stop` may alternate."""

    def __init__(self, writers: Sequence[Runs], acknowledged: Acknowledged, tally: Tally) -> None:
        self.acknowledged = acknowledged
        self._tally = tally
        self._writers = writers
        self._threads: list[Thread] = []
        self._stopping = Event()
        self._hurry = Event()

    def __enter__(self) -> Crew:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Let the writers go; nothing happens if they are going. Raises whatever `reach` raises."""
        if self._threads:
            return
        self.reach()
        self._stopping.clear()
        self._threads = [
            Thread(
                target=writer.run,
                args=(self._stopping, self._hurry),
                name=f"writer-{number}",
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
            raise WorkloadStuck("a writer does not come back. Does its store answer?")
        self._threads = []

    def reach(self) -> None:
        """Raise where the store cannot be reached: only later losses are waited out."""

    def measured(self) -> dict[str, Any]:
        """Give what else was measured, as plain values."""
        return {}

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
