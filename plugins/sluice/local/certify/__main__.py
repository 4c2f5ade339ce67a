"""The workload as a process: a command a line in, one JSON answer each out, and progress once a second.

Commands: `phase NAME`, `burst N [TIMEOUT]`, `snapshot`, `pause`, `resume`, `stop`. The end of input is a stop
as well: the workload does not outlive whoever started it.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

from sluice.local.certify.acknowledged import Acknowledged
from sluice.local.certify.crew import Crew, WorkloadStuck
from sluice.local.certify.process import DSN_VARIABLE
from sluice.local.certify.workload import Workload


class Server:
    """A Workload at the end of a pipe."""

    def __init__(self, workload: Crew, ledger: Path | None) -> None:
        self._workload = workload
        self._ledger = ledger
        self._commands: queue.Queue[list[str]] = queue.Queue()
        self._out = Lock()
        self._over = Event()

    def serve(self, seconds: float | None) -> None:
        """Answer until `stop`, the end of input, or `seconds` have passed; then stop and write the ledger."""
        deadline = time.monotonic() + (seconds if seconds is not None else float("inf"))
        for target in (self._listen, self._progress):
            Thread(target=target, daemon=True).start()
        try:
            self._workload.start()
            self._say("started")
            while self._answer(self._next(deadline)):
                pass
        finally:
            self._over.set()
            self._rest()
            told = {"snapshot": self._workload.snapshot().as_json(), "measured": self._workload.measured()}
            self._say("stopped", keys=len(self._workload.acknowledged), **told)

    def _next(self, deadline: float) -> list[str]:
        left = deadline - time.monotonic()
        try:
            return self._commands.get(timeout=None if left == float("inf") else max(0.0, left))
        except queue.Empty:
            return ["stop"]

    def _answer(self, command: list[str]) -> bool:
        match command:
            case ["phase", name]:
                self._workload.mark(name)
                self._say("phase", name=name)
            case ["burst", writes, *timeout]:
                self._burst(int(writes), *map(float, timeout))
            case ["snapshot"]:
                self._say("snapshot", snapshot=self._workload.snapshot().as_json())
            case ["pause"]:
                self._rest()
                self._say("paused", keys=len(self._workload.acknowledged))
            case ["resume"]:
                self._workload.start()
                self._say("resumed")
            case ["stop"]:
                return False
            case _:
                self._say("refused", command=command)
        return True

    def _burst(self, writes: int, timeout: float = 300.0) -> None:
        try:
            self._say("burst", writes=writes, seconds=self._workload.burst(writes, timeout))
        except WorkloadStuck as error:
            self._say("refused", error=str(error))

    def _rest(self) -> None:
        self._workload.stop()
        if self._ledger is not None:
            self._workload.acknowledged.dump(self._ledger)

    def _listen(self) -> None:
        # Unbuffered: a thread waiting in a buffered read holds a lock that the interpreter wants at its end.
        with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as lines:
            for line in lines:
                self._commands.put(line.decode().split())
        self._commands.put(["stop"])

    def _progress(self) -> None:
        while not self._over.wait(1.0):
            self._say("progress", snapshot=self._workload.snapshot().as_json())

    def _say(self, event: str, **values: Any) -> None:
        with self._out:
            print(json.dumps({"event": event, **values}), flush=True)


def main(application: Callable[..., Crew] = Workload) -> None:
    """Run a sample's workload as a process."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--dsn", default=os.environ.get(DSN_VARIABLE), help=f"or in {DSN_VARIABLE}, unseen by `ps`")
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--ledger", type=Path, help="where to write what was acknowledged (JSON lines)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--writers", type=int, default=4)
    parser.add_argument("--rate", type=float, default=200.0, help="transactions a second, all writers together")
    parser.add_argument("--since", help="leave alone what is older")
    given = parser.parse_args()
    if given.dsn is None:
        parser.error(f"--dsn or {DSN_VARIABLE} is needed")
    earlier = Acknowledged.load(given.ledger) if given.ledger and given.ledger.exists() else None
    told = {"since": given.since} if given.since else {}
    workload = application(
        given.dsn, seed=given.seed, writers=given.writers, rate=given.rate, acknowledged=earlier, **told
    )
    with suppress(KeyboardInterrupt):
        Server(workload, given.ledger).serve(given.seconds)


if __name__ == "__main__":
    main()
