"""Bring a server back to a moment: a chain of backups out of the vault, the log after it, and proof of where it stopped.

What PostgreSQL does not say by itself is asked here: a moment before the backup was whole is never reached, without an error; a
server that has reached its moment may stay read-only for ever.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from sluice.failpoints import failpoint
from sluice.safety.backup import Backup, noting_damage
from sluice.safety.driver import Clock, Tell
from sluice.safety.physical.feeding import Feeder
from sluice.safety.physical.fetching import check_room, combine, unpack, verify_unpacked
from sluice.safety.physical.log import LogMissing, LogStore
from sluice.safety.physical.scratch import NotRecovered, Scratch, tell_lacks
from sluice.safety.physical.wal import as_text, position
from sluice.safety.target import Target
from sluice.stores.postgres import StoreDown, connect, one, translated
from sluice.stores.statements import statement

COMES_UP = 20.0
"""Seconds within which a server that was started is there at all."""
DIFFERS = timedelta(minutes=1)
"""How far two clocks may differ, and how far behind the last commit a time may be that a person names: the end is meant."""


@dataclass(frozen=True)
class Reached:
    """Where a recovery has stopped."""

    position: str
    timeline: int
    last_commit: datetime | None
    """Of the last transaction that was replayed; None where there was none after the backup."""


def recover(
    chain: Sequence[Backup], log: LogStore, target: Target, scratch: Scratch, clock: Clock, tell: Tell
) -> Reached:
    """Bring the server in `scratch` up as of `target`.

    Raises NotRecovered, LogMissing, Damaged, NoSuchKey, NoRoom, NotUnpacked, VaultDown.
    """
    last = chain[-1]
    inputs = [scratch.folder / backup.id for backup in chain] if len(chain) > 1 else [scratch.data]
    stretch = log.since(last)
    check_reachable(last, stretch, target, until=log.stored_until(stretch) if target.kind == "time" else None)
    check_room(chain, scratch.folder)
    files = [(file.name, partial(log.read, file)) for file in (*stretch.histories, *stretch.files)]
    feeder = Feeder(files, scratch.folder / "log")
    with feeder:
        for backup, folder in zip(chain, inputs, strict=True):
            with noting_damage(log.vault, backup, tell):
                unpack(backup, log.vault, folder, scratch.identity)
            tell(f"{backup.id} is unpacked: {backup.size:,} bytes")
        clock.note("fetched")
        for backup, folder in zip(chain, inputs, strict=True):
            verify_unpacked(backup, folder, scratch.identity)
        clock.note("verified inputs")
        if len(chain) > 1:
            combine(inputs, scratch.data, scratch.identity, last.major)
            clock.note("combined")
        # By its number: the newest history in the vault may be of a timeline to which no way leads from here.
        onto = "current" if stretch.timeline == last.timeline else str(stretch.timeline)
        told = {
            "recovery_target_timeline": onto,
            "restore_command": feeder.command,
            "hot_standby": "off",  # with it, a setting that grew since the backup would be waited for, for ever
        }
        tell_lacks(last.id, scratch.configure({**last.settings, **target.settings, **told}, last.elsewhere), tell)
        (scratch.data / "recovery.signal").touch()
        scratch.identity.give(scratch.data / "recovery.signal")
        failpoint("restore.configured")
        scratch.start()
        address = scratch.dsn(last.database, last.superuser)
        reached = wait_until_reached(scratch, address, feeder, target, clock, tell, gap=stretch.missing)
    tell(f"it is up, at {reached.position} of timeline {reached.timeline}")
    return reached


class Whole(Protocol):
    """A backup, as far as a moment is held against it."""

    @property
    def id(self) -> str:
        """Its name."""

    @property
    def store(self) -> str:
        """Whose it is."""

    @property
    def ends(self) -> str:
        """The position before which it is nothing consistent."""

    @property
    def ended(self) -> datetime:
        """When it was whole."""


class Behind(Protocol):
    """The log behind a backup, as far as a moment is held against it."""

    @property
    def reaches(self) -> int:
        """The position up to which it has no gap."""

    @property
    def missing(self) -> str | None:
        """The file that is not there, though there is more behind it."""


def check_reachable(
    backup: Whole, log: Behind, target: Target, kept_in: str = "the vault", until: datetime | None = None
) -> None:
    """Raise NotRecovered where the moment lies before the backup was whole: PostgreSQL would give a later one, without an error;
    and where it lies behind all of the log, of which the last was stored at `until`: that would be found out at the end.

    Raise LogMissing where it lies behind a gap in the log.
    """
    at = position(target.value) if target.kind == "position" else None
    moment = datetime.fromisoformat(target.value) if target.kind == "time" else None
    early = at is not None and at < position(backup.ends)
    if early or (moment is not None and moment <= backup.ended):
        raise NotRecovered(
            f"{backup.id} of {backup.store} was whole at {backup.ends}, {backup.ended:%Y-%m-%d %H:%M:%S} UTC, not by {target}:"
            " restore an older backup."
        )
    late = moment is not None and until is not None and moment > until + DIFFERS
    behind = target.kind == "latest" or late or (at is not None and at > log.reaches)
    if log.missing and behind:
        raise LogMissing(
            f"{log.missing} of the log of {backup.store} is missing in {kept_in}, and there is more behind it, or"
            f" on a later timeline: {target} is not reached from {backup.id}. What is before it can be restored: name a moment,"
            f" or the position {as_text(log.reaches)}. A full backup since the promotion reaches what came after."
        )
    if late and until:
        raise NotRecovered(
            f"The newest of the log of {backup.store} in {kept_in} is of {until:%Y-%m-%d %H:%M:%S} UTC: nobody knows what was"
            f" committed by {target}. Nothing was fetched. Restore to the latest moment, which has all that has come, or to one"
            " before; where the server still writes, see that its log is shipped."
        )


def ended_before(scratch: Scratch) -> str | None:
    """Give the last commit of the log where the server stopped because that ended before the time that was asked for."""
    if "before configured recovery target" not in scratch.said():
        return None
    last = re.findall(r"last completed transaction was at log time (.+)", scratch.log.read_text(errors="replace"))
    return last[-1] if last else None


def wait_until_reached(
    scratch: Scratch, address: str, feeder: Feeder, target: Target, clock: Clock, tell: Tell, gap: str | None
) -> Reached:
    """Wait until the server is writable: only then it has reached its moment. Raises NotRecovered, and what the feeder met.

    A time behind the last commit of a log without a `gap` is all that there is: the server goes on from where it is, to there.
    """
    seen, until, all_there_is = False, time.monotonic() + COMES_UP, target.kind != "time" or gap is not None
    while True:
        with suppress(StoreDown), connect(address, purpose="drill") as c, translated("looking how far it is"):
            found = one(c, statement("safety.find_reached"))
            if not found["in_recovery"]:
                clock.note("available")
                return Reached(found["position"], found["timeline"], found["last_commit"])
        seen = seen or scratch.runs()
        if not scratch.runs() and (seen or time.monotonic() > until):
            if feeder.failed:
                raise feeder.failed
            last = ended_before(scratch)
            if last is None or all_there_is:
                told = f". The last commit before that is of {last}: restore to that" if last else ""
                raise NotRecovered(f"The server stopped on its way to {target}: {scratch.said()}{told}")
            tell(f"the log ends before {target}: its last commit is of {last}. What it has until then comes back")
            scratch.add({"recovery_target_time": ""})
            scratch.start()
            seen, until, all_there_is = False, time.monotonic() + COMES_UP, True
        time.sleep(0.05)
