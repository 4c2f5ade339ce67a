"""What of a log lies behind a backup, without a gap, across promotions. Pure.

Of the file in which a timeline was left only the newer one's is given: PostgreSQL would replay the older one's to its end, which
is more than ever became of it. Where the vault does not have the newer one's, the log ends on the older timeline.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sluice.safety.physical.timelines import Line
from sluice.safety.physical.wal import Segment, position

if TYPE_CHECKING:
    from sluice.safety.backup import Backup
    from sluice.safety.physical.log import LogFile


@dataclass(frozen=True)
class Stretch:
    """A log without a gap."""

    histories: tuple[LogFile, ...]
    files: tuple[LogFile, ...]
    """In order. The last may be one that was being written."""
    reaches: int
    """The position after its last file."""
    missing: str | None
    """What is not there, though the vault has more of this log behind it, or on a later timeline."""
    timeline: int
    """The one on which it ends."""


@dataclass(frozen=True)
class Held:
    """What the vault holds of a log."""

    histories: tuple[LogFile, ...]
    whole: Mapping[Segment, LogFile]
    begun: Mapping[Segment, LogFile]
    """Those that were being written, one of each timeline at most."""
    size: int
    """How long a file is."""

    @property
    def timelines(self) -> list[int]:
        """Those of which there is a file, the newest first: of a history alone nothing can be replayed."""
        return sorted({one.timeline for one in (*self.whole, *self.begun)}, reverse=True)

    def behind(self, backup: Backup, lines: Sequence[Line]) -> Stretch:
        """Give what lies behind a backup. `lines`: of each timeline, the newest first."""
        own = [line for line in lines if line.holds(backup.timeline, position(backup.ends))]
        found = [self._along(line, backup) for line in own] or [self._along(Line.alone(backup.timeline), backup)]
        # One that comes to no file of its last timeline ends before: on the one that was left.
        there = next((one for one in found if one.files and one.files[-1].timeline == one.timeline), found[-1])
        if there.missing or not lines or lines[0].timeline <= there.timeline:
            return there
        missing = found[0].missing if own and own[0] is lines[0] else None
        missing = missing or f"the way from timeline {there.timeline} to {lines[0].timeline}"
        return Stretch(there.histories, there.files, there.reaches, missing, there.timeline)

    def _along(self, line: Line, backup: Backup) -> Stretch:
        first = position(backup.begins) // self.size
        found = list(self._unbroken(line, first))
        ahead = found[-1][0].moved(1) if found else Segment(backup.timeline, first, self.size)
        later = any(one.number >= ahead.number and line.has(one) for one in (*self.whole, *self.begun))
        missing = next(line.files(ahead.number, self.size)).name if later else None
        return Stretch(self.histories, tuple(file for _, file in found), ahead.begins, missing, line.timeline)

    def _unbroken(self, line: Line, number: int) -> Iterator[tuple[Segment, LogFile]]:
        """Give file after file, of each number the newest timeline's; one that was being written is the last."""
        while (segment := next(line.files(number, self.size))) in self.whole:
            yield segment, self.whole[segment]
            number += 1
        if segment in self.begun:
            yield segment, self.begun[segment]
