"""The log in pgBackRest's repository: what is there by its names, and each file as the server has written it.

    archive/<stanza>/<version>-<number>/<first 16 letters>/<file>-<sha1>.<how it is packed>

A name has the sha1 of what was archived, and we hold against it what `archive-get` gives: by itself that gives a damaged file
without an error, PostgreSQL takes it for the end of the log, and a store comes up older than it should, also without one.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sluice.safety.driver import Tell
from sluice.safety.pgbackrest.info import Kept
from sluice.safety.pgbackrest.program import Program
from sluice.safety.physical.log import LogMissing, unbroken
from sluice.safety.physical.wal import Segment, as_text, position
from sluice.stores.objects import Damaged

SIZES = tuple(1 << power for power in range(20, 31))
"""How long a file of the log may be: PostgreSQL's --wal-segsize."""
USUAL = 2**24
_FILE = re.compile(r"([0-9A-F]{24})-([0-9a-f]{40})(\.\w+)?")
_HISTORY = re.compile(r"[0-9A-F]{8}\.history")
LOOKS_EVERY = 2.0
"""Seconds."""


@dataclass(frozen=True)
class Archived:
    """A file of the log in the repository. `name` is PostgreSQL's."""

    name: str
    sha1: str | None
    """Of what the server gave; None of a history, whose name does not say it."""
    bytes: int
    """As it is stored."""
    at: datetime
    """When it was stored, by the repository's clock."""


@dataclass(frozen=True)
class Reach:
    """What a recovery from a backup may need: the log behind it, without a gap, and the histories of timelines."""

    histories: tuple[Archived, ...]
    files: tuple[Archived, ...]
    reaches: int
    """The position after its last file."""
    missing: str | None
    """The file that is not there, though the repository has more of this log behind it, or on a later timeline."""


@dataclass(frozen=True)
class Archive:
    """The log of one server."""

    program: Program
    folder: str
    """Version and number, such as 15-1."""
    size: int

    def files(self) -> list[Archived]:
        """List what there is, in order. Raises RepositoryBusy, PgBackRestFailed."""
        place = f"archive/{self.program.stanza}/{self.folder}"
        return read_listing(self.program.run("repo-ls", "--recurse", "--output=json", place))

    def since(self, backup: Kept) -> Reach:
        """Give the log from a backup on. Raises LogMissing where not even that is there which makes it consistent."""
        return reach_of(self.files(), backup, self.size)

    def wait_for(self, backup: Kept, place: int, within: timedelta, tell: Tell) -> Reach:
        """Give the log from a backup on, once it reaches a place and has no gap: what is on its way is waited for.

        Who archives in parallel may store one file before another. Raises LogMissing where the place is not reached.
        """
        until, told = time.monotonic() + within.total_seconds(), False
        while True:
            found = self.since(backup)
            if found.reaches >= place and not found.missing:
                return found
            if time.monotonic() > until:
                break
            if not told:
                tell(
                    f"{backup.store}: the log behind {backup.id} is waited for; it is there up to {as_text(found.reaches)}"
                )
                told = True
            time.sleep(LOOKS_EVERY)
        if found.reaches < place and not found.missing:
            raise LogMissing(
                f"pgBackRest's repository has the log of {backup.store} up to {as_text(found.reaches)}, and {as_text(place)} was"
                " asked for. A file is archived when it is full, or after archive_timeout: set that below the store's rpo."
            )
        return found

    def read(self, file: Archived, server: Path, into: Path) -> bytes:
        """Read a file, by way of the folder `into`; `server` is a data folder of this server's. Raises LogMissing, Damaged."""
        here = into / f"{file.name}.got"
        local = (
            f"--pg1-path={server}",
            "--reset-pg1-host",
            "--no-archive-async",
            f"--lock-path={into}",
            "--log-level-file=off",
        )
        if not self.program.finds("archive-get", *local, file.name, str(here), cwd=into):
            raise LogMissing(
                f"{file.name} was in the repository of stanza {self.program.stanza}, and is no longer there."
            )
        body = here.read_bytes()
        here.unlink()
        if file.sha1 and hashlib.sha1(body, usedforsecurity=False).hexdigest() != file.sha1:
            raise Damaged(
                f"{file.name} of the log of stanza {self.program.stanza}, repository {self.program.repo}, is not what was"
                " archived: its sha1 is not the one of its name. What lies behind it cannot be restored to: keep it as evidence,"
                " and take a full backup now."
            )
        return body


def read_listing(said: str) -> list[Archived]:
    """Read what `repo-ls` says. Pure."""
    found = []
    for path, told in json.loads(said).items():
        name, sha1 = path.rsplit("/", 1)[-1], None
        if file := _FILE.fullmatch(name):
            name, sha1 = file[1], file[2]
        elif not _HISTORY.fullmatch(name):
            continue
        found.append(Archived(name, sha1, told["size"], datetime.fromtimestamp(told["time"], UTC)))
    return sorted(found, key=lambda one: one.name)


def reach_of(found: Sequence[Archived], backup: Kept, size: int) -> Reach:
    """Give the log from a backup on. Pure. Raises LogMissing."""
    first = Segment.at(position(backup.begins), backup.timeline, size)
    segments = {one: file for file in found if (one := Segment.named(file.name, size))}
    whole = list(unbroken(segments, first))
    ahead = whole[-1].moved(1) if whole else first
    if ahead.begins < position(backup.ends):
        raise LogMissing(
            f"{backup.id} of {backup.store} needs the log up to {backup.ends}, and pgBackRest's repository has it without a gap"
            f" up to {as_text(ahead.begins)} alone: {ahead.name} is missing. Restore another backup; take a full one now."
        )
    histories = tuple(file for file in found if file.sha1 is None)
    more = any(one > ahead for one in segments)
    return Reach(histories, tuple(segments[one] for one in whole), ahead.begins, ahead.name if more else None)


def size_of(found: Sequence[tuple[str, str]]) -> int:
    """Tell how long a file of the log is, by positions and the files in which they lie. Pure.

    Behind the first file of 4 GB only one length fits; where no position lies there it is taken to be the usual one.
    """
    for place, name in found:
        fits = [size for size in SIZES if Segment.at(position(place), int(name[:8], 16), size).name == name]
        if len(fits) == 1:
            return fits[0]
    return USUAL
