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
from sluice.local.demo import stories
from sluice.local.demo.options import Options
from sluice.local.demo.report import Report
from sluice.local.settings import load


def main(options: Options) -> int:
    """Play the whole story; exit code 0 only if every promise was kept.

    Raises Terminal where another demo plays, KeyboardInterrupt after tidying up.
    """
    state, story = load().state_dir, stories.named(options.story)
    with alone(state):
        return _play(options, story, state / story.report)


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


def _play(options: Options, story: stories.Story, target: Path) -> int:
    was_up = all(part.pid for part in machine.status())
    began = time.monotonic()
    target.unlink(missing_ok=True)
    try:
        with story.prepared(options.keep or was_up):
            settings = machine.up()
            with story.stage(settings, options, began) as stage:
                report = story.play(stage)
            report = {"ok": not story.judged(report), **report}
            target.write_text(json.dumps(report, indent=2) + "\n")
            return _close(story, report, settings.airflow_url, target)
    finally:
        if not (options.keep or was_up):
            print("Taking everything down (--keep leaves it running) …", flush=True)
            machine.down()


def _close(story: stories.Story, report: Report, address: str, target: Path) -> int:
    broken = story.judged(report)
    print(f"\n{story.as_table(report)}\n\nThe same as JSON: {target}")
    print(f"Look in the UI: {address}/dags?search={story.search} (./sluice up prints the login)")
    for promise in broken:
        print(f"NOT KEPT: {promise}")
    return 1 if broken else 0
