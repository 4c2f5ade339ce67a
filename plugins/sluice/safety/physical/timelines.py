"""How timelines follow one another: a server that is promoted writes on on one of its own, from a place in another's log.

https://www.postgresql.org/docs/18/continuous-archiving.html#BACKUP-TIMELINES: the file `00000003.history` says of timeline 3
which ones came before, and where each was left. The file of the log in which one was left is begun anew by the next, with all
that was in it up to there. So of that file the newer timeline's counts; what the older one wrote on leads nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sluice.safety.physical.wal import Segment, position


@dataclass(frozen=True)
class Era:
    """A timeline, as long as a log followed it."""

    timeline: int
    begins: int
    """The position at which it left the one before."""
    ends: int | None
    """The position at which it was left; None for the last."""


@dataclass(frozen=True)
class Line:
    """The timelines of one log, oldest first: each position is written by one of them."""

    eras: tuple[Era, ...]

    @classmethod
    def alone(cls, timeline: int) -> Line:
        """Give that of a timeline of which nothing is known."""
        return cls((Era(timeline, 0, None),))

    @property
    def timeline(self) -> int:
        """The last one."""
        return self.eras[-1].timeline

    def holds(self, timeline: int, until: int) -> bool:
        """Whether all that a timeline wrote up to a position belongs to it."""
        return any(one.timeline == timeline and (one.ends is None or until <= one.ends) for one in self.eras)

    def at(self, place: int) -> int:
        """Give the timeline that wrote what stands behind a position."""
        return next(one.timeline for one in self.eras if one.ends is None or place < one.ends)

    def files(self, number: int, size: int) -> Iterator[Segment]:
        """Give the files of a number that hold a part of it: the newest timeline's, which counts, first."""
        for one in reversed(self.eras):
            if one.begins // size <= number and (one.ends is None or number * size < one.ends):
                yield Segment(one.timeline, number, size)

    def has(self, segment: Segment) -> bool:
        """Whether a file is the one of its number that counts: with what the timelines before had written in it."""
        return segment == next(self.files(segment.number, segment.size))


def read_line(timeline: int, history: str) -> Line:
    """Read a timeline's history, as PostgreSQL writes it: `1\\t0/3000148\\treason` for each before. Pure. Raises ValueError."""
    eras, begins = [], 0
    for line in history.splitlines():
        if words := line.split("#")[0].split():
            ends = position(words[1])
            eras.append(Era(int(words[0]), begins, ends))
            begins = ends
    return Line((*eras, Era(timeline, begins, None)))
