"""How far a long piece of work is: so many bytes, and when it will be done where it is known how many there are."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sluice.safety.driver import Tell
from sluice.stores.programs import Running

EVERY = 10.0
"""Seconds between two lines of a log."""
LOOKS = 0.2
"""Seconds within which the end of a program is noticed."""


@dataclass
class Progress:
    """Tells how far it is, now and then."""

    tell: Tell
    what: str
    whole: int | None
    """How many bytes there will be, as far as that is known."""
    every: float = EVERY
    _begun: float = field(default_factory=time.monotonic)
    _told: float = field(default_factory=time.monotonic)

    def at(self, done: Callable[[], int]) -> None:
        """Tell how many bytes are done, where it is time for it: only then it is looked."""
        if (now := time.monotonic()) - self._told >= self.every:
            self._told = now
            self.tell(f"{self.what}: {told(done(), self.whole, now - self._begun)}")


def told(done: int, whole: int | None, seconds: float) -> str:
    """Say how far it is. Pure."""
    if not whole or not done:
        return f"{done:,} bytes"
    left = max(0.0, seconds * (whole - done) / done)
    return f"{done:,} of about {whole:,} bytes, about {left / 60:.0f} min left"


def attend(run: Running, done: Callable[[], int], progress: Progress) -> None:
    """Wait for a program to end, and tell how far it is. What stops us ends it first, and its workers with it."""
    try:
        while run.process.poll() is None:
            progress.at(done)
            try:
                run.process.wait(LOOKS)
            except subprocess.TimeoutExpired:
                continue
    except BaseException:
        run.end()
        raise


def bytes_in(folder: Path) -> int:
    """Count the bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
