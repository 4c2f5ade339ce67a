"""How far the log in the vault has come: what a backup needs of it, and up to when a store can be brought back."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sluice.safety.backup import Backup
from sluice.safety.driver import Tell
from sluice.safety.physical.log import LogFile, LogMissing, LogStore
from sluice.safety.physical.stretch import Held
from sluice.safety.physical.timelines import Line
from sluice.safety.physical.wal import Segment, position
from sluice.stores.postgres import Connection, one
from sluice.stores.statements import statement

LOOKS_EVERY = 1.0
"""Seconds."""


def wait_for_log(log: LogStore, backup: Backup, within: timedelta, tell: Tell) -> list[LogFile]:
    """Give the files of the log without which a backup is nothing consistent, once they are there. Raises LogMissing."""
    last = Segment.at(position(backup.ends), backup.timeline, log.size).name
    until, told = time.monotonic() + within.total_seconds(), False
    while True:
        try:
            return [file for file in log.since(backup).files if file.name <= last]
        except LogMissing as missing:
            if time.monotonic() > until:
                raise LogMissing(
                    f"{missing} It was waited for, {within.total_seconds():.0f} s: does anything ship the log of {log.name}?"
                    f" See the DAG ship_log__{log.name}."
                ) from missing
        if not told:
            tell(f"{log.name}: {backup.id} needs the log up to {backup.ends}, which is still on its way")
            told = True
        time.sleep(LOOKS_EVERY)


def reaches_until(c: Connection, log: LogStore) -> datetime | None:
    """Tell up to when the vault has all that was committed: now, or when its newest file was stored. None without a log.

    A server that was made anew writes another log, and one that was promoted goes its own way from a place that this one may
    never have had: neither says anything of what is in the vault.
    """
    server, found = one(c, statement("safety.find_server")), one(c, statement("safety.find_position"))
    newest = log.newest()
    if newest is None:
        return None
    now: datetime = found["now"].astimezone(UTC)
    same = (server["system"], server["timeline"]) == (log.system, newest.file.timeline)
    if same and newest.reaches >= position(found["position"]):
        return now
    return min(now, log.vault.stored_at(newest.file.key))


def first_followed(backups: Sequence[Backup], held: Held, line: Line) -> Backup:
    """Give the oldest backup of a server behind which no file of the log is missing, across its promotions. Pure.

    One that is kept for years has only what makes it consistent: the log between it and the next has gone. One of a way that a
    promotion has left is followed by nothing.
    """
    numbers = {one.number for one in held.whole if line.has(one)}
    unbroken = max(numbers, default=0)
    while unbroken - 1 in numbers:
        unbroken -= 1
    there = [one for one in backups if line.holds(one.timeline, position(one.ends))] or [backups[-1]]
    return next((one for one in there if position(one.begins) // held.size >= unbroken), there[-1])


def reaches_at_least(log: LogStore) -> datetime | None:
    """Tell up to when the vault has all that was committed, without asking the server: when its newest file was stored."""
    newest = log.newest()
    return log.vault.stored_at(newest.file.key) if newest else None
