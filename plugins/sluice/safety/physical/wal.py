"""Positions in the write-ahead log, and the names of its files: arithmetic alone.

https://www.postgresql.org/docs/18/wal-internals.html: a file is called by its timeline and its number, both in hexadecimal, the
number in two halves of which the lower counts the files of 4 GB.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = re.compile(r"[0-9A-F]{24}")


def position(text: str) -> int:
    """Read a position (pg_lsn), as `1/2A000028`, as a number of bytes. Raises ValueError."""
    high, low = text.split("/")
    return int(high, 16) << 32 | int(low, 16)


def as_text(place: int) -> str:
    """Write a position as PostgreSQL does."""
    return f"{place >> 32:X}/{place & 0xFFFFFFFF:X}"


@dataclass(frozen=True, order=True)
class Segment:
    """One file of the log, `size` bytes long."""

    timeline: int
    number: int
    size: int

    @classmethod
    def at(cls, place: int, timeline: int, size: int) -> Segment:
        """Give the file that holds a position."""
        return cls(timeline, place // size, size)

    @classmethod
    def named(cls, name: str, size: int) -> Segment | None:
        """Read a file's name; None for what is no whole file of the log (a history, an unfinished one)."""
        if not _NAME.fullmatch(name):
            return None
        per_round = 2**32 // size
        return cls(int(name[:8], 16), int(name[8:16], 16) * per_round + int(name[16:], 16), size)

    @property
    def name(self) -> str:
        """The file's name."""
        rounds, rest = divmod(self.number, 2**32 // self.size)
        return f"{self.timeline:08X}{rounds:08X}{rest:08X}"

    @property
    def begins(self) -> int:
        """The position of its first byte."""
        return self.number * self.size

    @property
    def ends(self) -> int:
        """The position after its last byte."""
        return self.begins + self.size

    def moved(self, by: int) -> Segment:
        """Give the one that many further on, on the same timeline."""
        return Segment(self.timeline, self.number + by, self.size)
