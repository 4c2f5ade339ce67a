"""Stores asked at the same time, each in a thread of its own: one that hangs holds up no other, all have the same few seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from threading import Thread
from typing import Generic, TypeVar

Answer = TypeVar("Answer")
PATIENCE = timedelta(seconds=30)
"""What asking all stores may take: a look has four minutes, and asks twice."""


def at_once(asks: Mapping[str, Callable[[], Answer]], patience: timedelta = PATIENCE) -> dict[str, Answer]:
    """Run all at once and give what came back in time, by name. Raises what one of them raised."""
    runs = {name: _Run(name, ask) for name, ask in asks.items()}
    for run in runs.values():
        run.start()
    until = time.monotonic() + patience.total_seconds()
    for run in runs.values():
        run.join(max(0.0, until - time.monotonic()))
    back = [run for run in runs.values() if not run.is_alive()]
    if failed := next((run.failed for run in back if run.failed), None):
        raise failed
    return {run.store: run.answer for run in back if run.answer is not None}


class _Run(Thread, Generic[Answer]):
    def __init__(self, store: str, ask: Callable[[], Answer]) -> None:
        super().__init__(name=f"ask {store}", daemon=True)  # whoever hangs for good holds up no exit either
        self.store, self.ask = store, ask
        self.answer: Answer | None = None
        self.failed: Exception | None = None

    def run(self) -> None:
        """Ask, and note what became of it."""
        try:
            self.answer = self.ask()
        except Exception as error:  # of whatever sort: it is raised where all are waited for
            self.failed = error
