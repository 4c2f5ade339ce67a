"""Room on the disk where stores are brought back: the log of those that live is received on it, and must go on.

Nothing is begun that would not leave some room, nothing goes on that leaves none, and one drills at a time.
"""

from __future__ import annotations

import fcntl
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sluice.errors import Terminal
from sluice.safety.driver import Tell

LEFT = 1 << 30
"""Bytes that stay free: the log of a busy server for some minutes."""
EVERY = 1.0
"""Seconds between two looks whether it is our turn."""
LOCK = "drill.lock"


class NoFolder(Terminal):
    """The folder in which stores are brought back cannot be made."""


class NoRoom(Terminal):
    """The disk has no room for what is to be brought back."""


def check_free(what: str, needs: int, folder: Path) -> None:
    """Raise NoRoom unless the disk below `folder` has room for that many bytes, and some are left."""
    free = shutil.disk_usage(folder).free
    if free < needs + LEFT:
        raise NoRoom(
            f"{what} needs {needs / 1e9:,.1f} GB in {folder}, and {free / 1e9:,.1f} GB are free, of which {LEFT / 1e9:.0f} GB"
            " stay so: the log of stores is received there. Nothing was fetched: make room, or name another folder as"
            " `backup.scratch`."
        )


def check_left(folder: Path) -> None:
    """Raise NoRoom where what is being brought back has grown until next to nothing is left."""
    free = shutil.disk_usage(folder).free
    if free < LEFT:
        raise NoRoom(
            f"{folder} has grown until {free / 1e9:,.1f} GB were free on its disk, of which {LEFT / 1e9:.0f} GB stay so: the log"
            " of stores is received there. It is taken away again: make room, or name another folder as `backup.scratch`."
        )


def make_folder(folder: Path, store: str) -> Path:
    """Make a folder below a store's `backup.scratch`. Raises NoFolder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NoFolder(
            f"{folder} of {store} cannot be made on this worker: {error.strerror}. Nothing was done: name another folder as"
            " `backup.scratch`, or let Airflow's user write there."
        ) from error
    return folder


@contextmanager
def one_at_a_time(folder: Path, tell: Tell) -> Iterator[None]:
    """Wait until nobody else drills in a folder, which is there; have others wait meanwhile. Whoever is killed lets go."""
    with (folder / LOCK).open("a") as held:
        waits = False
        while not _taken(held.fileno()):
            if not waits:
                tell(f"Something else is being brought back in {folder}: this one waits for its end")
            waits = True
            time.sleep(EVERY)
        yield


@contextmanager
def first(folder: Path) -> Iterator[None]:
    """Have drills in a folder wait for as long as the block lasts, and wait for nobody: people wait for this."""
    with (folder / LOCK).open("a") as held:
        _taken(held.fileno())
        yield


def _taken(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
