"""A reader who never stops, in a process of its own, so that nobody else's Python colours its waiting times.

The address comes in the environment. At the end of its input it says, as one line of JSON, when each slow read was asked and
answered (the machine's monotonic clock, which all processes share), and how many reads there were.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psycopg
from sluice.stores.statements import as_text, statement

ROOT = Path(__file__).resolve().parents[1]
VARIABLE = "SLUICE_BENCH_READER"
SLOW = 0.0005
REST = 0.001


class Reader:
    """Reads in a child process between `with` and its end; `longest` is asked afterwards."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._slow: list[tuple[float, float]] = []
        self.reads = 0
        self.errors: list[str] = []

    def __enter__(self) -> Reader:
        path = os.pathsep.join((str(ROOT / "plugins"), str(ROOT)))
        self._child: subprocess.Popen[str] = subprocess.Popen(
            [sys.executable, "-m", "benchmarks._reader"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path, VARIABLE: self._dsn},
        )
        return self

    def __exit__(self, *_: object) -> None:
        said, _nothing = self._child.communicate(timeout=60)
        told: dict[str, Any] = json.loads(said)
        self._slow = [(began, ended) for began, ended in told["slow"]]
        self.reads, self.errors = told["reads"], told["errors"]

    def longest(self, since: float, until: float) -> float:
        """Seconds of the longest read that was under way between two moments."""
        return max((ended - began for began, ended in self._slow if began < until and ended > since), default=SLOW)


def read(stopping: Event) -> dict[str, Any]:
    """Read one row after another until told to stop. A read that fails is asked again: its reader goes on waiting."""
    slow: list[tuple[float, float]] = []
    errors: list[str] = []
    reads, query = 0, as_text(statement("bench.read_session"))
    with psycopg.connect(os.environ[VARIABLE], autocommit=True, application_name="a reader") as c:
        while not stopping.wait(REST):
            began = time.monotonic()
            while True:
                try:
                    c.execute(query, {"id": reads % 100_000 + 1}).fetchall()
                    break
                except (psycopg.errors.QueryCanceled, psycopg.errors.SerializationFailure) as error:
                    errors.append(str(error).splitlines()[0])
            ended = time.monotonic()
            reads += 1
            if ended - began > SLOW:
                slow.append((began, ended))
    return {"reads": reads, "slow": slow, "errors": errors}


def _until_the_input_ends(stopping: Event) -> None:
    sys.stdin.read()
    stopping.set()


def main() -> None:
    """Read until the input ends."""
    stopping = Event()
    Thread(target=_until_the_input_ends, args=[stopping], daemon=True).start()
    print(json.dumps(read(stopping)), flush=True)


if __name__ == "__main__":
    main()
