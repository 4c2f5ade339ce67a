"""Wait for something to become true, and notice when those who should make it true have died."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from sluice.errors import Terminal
from sluice.local.processes import Process
from sluice.stores.cluster import tail


def wait_for(what: str, ready: Callable[[], bool], workers: Iterable[Process] = (), *, seconds: float) -> None:
    """Return as soon as `ready()`.

    Raises Terminal, with the end of its log, when one of `workers` dies first, or after `seconds`.
    """
    workers, deadline = list(workers), time.monotonic() + seconds
    while not ready():
        for worker in workers:
            if worker.pid() is None:
                raise Terminal(f"{worker.name} died while starting. The end of {worker.log}:\n{tail(worker.log)}")
        if time.monotonic() > deadline:
            logs = ", ".join(str(worker.log) for worker in workers)
            raise Terminal(f"{what} is not ready after {seconds:.0f} s. {f'Look into {logs}.' if logs else ''}")
        time.sleep(0.2)
