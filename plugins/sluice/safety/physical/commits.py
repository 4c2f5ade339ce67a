"""The commits of a stretch of the log, in the order in which the log has them: read by pg_waldump from what the vault holds.

A server's log is in the vault a moment after it was written. It is waited for, not asked of the server: what a restore will
replay is what is read here.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from sluice.errors import Transient
from sluice.safety.physical.log import LogFile, LogStore
from sluice.safety.physical.wal import Segment, as_text, position
from sluice.stores.binaries import client
from sluice.stores.objects import NoSuchKey

BELOW = 16 << 20
"""Bytes before the passage that are read at least: a commit that is in the log may wait for its disk, or a standby, that long."""
LOOK_EVERY = 0.2
"""Seconds between two looks into the vault."""
# rmgr: Transaction len (rec/tot): 34/34, tx: 745, lsn: 0/016F10B0, prev 0/016F1070, desc: COMMIT 2026-11-23 00:17:53 UTC
# The number of a prepared one stands behind the verb: COMMIT_PREPARED 745: 2026-…
_COMMIT = re.compile(
    r"^rmgr: Transaction .*?, tx: +(\d+), lsn: ([0-9A-F]+/[0-9A-F]+), prev [0-9A-F/]+, desc: COMMIT(?:_PREPARED (\d+):)? ",
    re.M,
)


class NotShipped(Transient):
    """The vault does not have a part of the log that was to be read."""


@dataclass(frozen=True)
class Commit:
    """A transaction's commit: where in the log its record begins, and the transaction's number, of 32 bits."""

    at: int
    xid: int


@dataclass
class Passage:
    """What a server has written in its log from one position `until` another."""

    log: LogStore
    timeline: int
    since: int
    until: int
    said: str = ""
    """What pg_waldump had to say last."""
    _fetched: set[LogFile] = field(default_factory=set)

    def commits(self, patience: timedelta) -> list[Commit]:
        """Give the commits of it, and of what lies `BELOW` it, as far as the vault has that.

        What the vault does not have yet is waited for, so long. Raises NotShipped, Damaged, VaultDown.
        """
        over = time.monotonic() + patience.total_seconds()
        with tempfile.TemporaryDirectory(prefix="sluice-log-") as folder:
            while (found := self._read(Path(folder))) is None:
                if time.monotonic() > over:
                    raise NotShipped(
                        f"{self.log.name}: the vault does not have its log up to {as_text(self.until)}, after"
                        f" {patience.total_seconds():.0f} s{self.said}. Nobody ships it, or who does is late: see that"
                        f" ship_log__{self.log.name} runs. It is tried again by itself."
                    )
                time.sleep(LOOK_EVERY)
        return found

    def _read(self, folder: Path) -> list[Commit] | None:
        """Read what there is; None where that is not all."""
        below = max(0, self.since - BELOW)
        first, noted, last = (
            Segment.at(at, self.timeline, self.log.size) for at in (below, self.since, self.until - 1)
        )
        with suppress(NoSuchKey):  # the shipper has put a newer state in its place
            for begin in (first, noted):  # a log that was begun just now has nothing below
                if files := self.log.between(begin, last):
                    new = [file for file in files if file not in self._fetched]
                    for file in new:
                        (folder / file.name).write_bytes(self.log.read(file))
                        self._fetched.add(file)
                    return self._dump(folder, begin) if new else None
        return None

    def _dump(self, folder: Path, first: Segment) -> list[Commit] | None:
        """Have PostgreSQL read it. It fails where the last file does not reach far enough yet."""
        # From a file's beginning on: further in, there may be nothing up to its end, where somebody has begun a new file.
        span = [f"--start={as_text(first.begins)}", f"--end={as_text(self.until)}", f"--timeline={self.timeline}"]
        command = [str(client("pg_waldump")), f"--path={folder}", "--rmgr=Transaction", *span]
        environment = {**os.environ, "LC_ALL": "C", "TZ": "UTC"}
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", env=environment)
        if done.returncode:
            self.said = f" ({done.stderr.strip()[-200:]})"
            return None
        return commits_told(done.stdout)


def commits_told(text: str) -> list[Commit]:
    """Read the commits of what pg_waldump has told, in order. Pure."""
    return [Commit(position(one[2]), int(one[3] or one[1])) for one in _COMMIT.finditer(text)]
