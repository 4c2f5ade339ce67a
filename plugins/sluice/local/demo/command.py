"""The demo's command: bring up, play, print the report, take down."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sluice.errors import Terminal
from sluice.local import machine
from sluice.local.demo.options import Options
from sluice.local.demo.report import Report, as_table, judged
from sluice.local.demo.stage import Stage
from sluice.local.demo.story import play
from sluice.local.settings import load

REPORT = "demo.json"


def main(options: Options) -> int:
    """Play the whole story; exit code 0 only if every promise was kept.

    Raises Terminal where another demo plays, KeyboardInterrupt after tidying up.
    """
    state = load().state_dir
    with alone(state):
        return _play(options, state / REPORT)


@contextmanager
def alone(state: Path) -> Iterator[None]:
    """Keep a second demo out of this state folder. The lock goes with the process, however it ends. Raises Terminal."""
    with (state / "playing.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise Terminal(
                f"A demo is already running (pid {lock.read().strip()}): two would drop each other's tables. Wait for it or"
                " end it, or play beside it with a SLUICE_STATE_DIR and ports of its own."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _play(options: Options, target: Path) -> int:
    was_up = all(part.pid for part in machine.status())
    began = time.monotonic()
    target.unlink(missing_ok=True)
    try:
        settings = machine.up()
        with Stage(settings, options, began) as stage:
            report = play(stage)
        target.write_text(json.dumps(report, indent=2) + "\n")
        return _close(report, settings.airflow_url, target)
    finally:
        if not (options.keep or was_up):
            print("Taking everything down (--keep leaves it running) …", flush=True)
            machine.down()


def _close(report: Report, address: str, target: Path) -> int:
    broken = judged(report)
    print(f"\n{as_table(report)}\n\nThe same as JSON: {target}")
    print(f"Look in the UI: {address}/dags?search=migrate (./sluice up prints the login)")
    for promise in broken:
        print(f"NOT KEPT: {promise}")
    return 1 if broken else 0
