"""Ship a table's stream into the vault, round after round.

A round reads each shard until it has told what was written when the round began: it gave a later change, or came to its end, or
was silent. Silence is AWS's word only ("it might take multiple calls"), so it is asked for several times in a row, and what a
shard would have held back even then is found by the next census: that reads the table itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sluice.errors import Terminal, Transient
from sluice.failpoints import failpoint
from sluice.safety.documents.log import LogShort, Place, Round, TableLog, begin_run, runs_of
from sluice.safety.documents.tables import YOUNGER, Streamed, Tables
from sluice.safety.driver import LogLost, Tell
from sluice.stores.dynamodb.streams import (
    KEPT,
    Change,
    ImagesLacking,
    Shard,
    Stream,
    StreamGone,
    StreamPage,
    Trimmed,
    lost_shards,
    readable,
)
from sluice.stores.objects import Vault

SILENT = 3
"""Empty pages in a row after which a shard is taken for read."""
MOST = 32
"""Pages with changes after which a round is stored, though shards have more: each has 1 MB at most."""
AT_ONCE = 8
"""Shards that are read side by side."""
ANEW = "Nothing behind it can be restored to: take a base now, that begins another log."


class NoLog(Terminal):
    """A table whose log nobody has begun."""


class LogLate(Transient):
    """The stream has not told yet what was written up to a moment."""


@dataclass
class TableShipper:
    """Ships one table."""

    tables: Tables
    vault: Vault
    table: str
    tell: Tell
    opened: Callable[[str], Streamed] | None = None
    """How its stream is opened; by `Tables.stream` unless told."""
    _streamed: Streamed | None = None
    _log: TableLog | None = None
    _last: Round | None = None

    def begin(self) -> TableLog:
        """Go on with the log that there is, or begin one: the first, or another where the old one is lost. Safe to repeat."""
        try:
            self.step()
        except (LogLost, NoLog) as why:
            self.tell(f"{self.tables.store}: {why} Another log is begun.")
            streamed = self._open()
            log = begin_run(self.vault, self.tables.store, self.table, streamed.arn, streamed.both)
            failpoint("documents.log_begun")
            # A stream that is older than a day names parents that it has no more: nobody misses them here.
            log.put(Round(0, None, {shard.id: Place(parent=shard.parent) for shard in streamed.stream.shards()}, ()))
            self._forget()
            self.step()
        return self.log

    @property
    def log(self) -> TableLog:
        """The log that is shipped."""
        self._take_up()
        assert self._log is not None
        return self._log

    @property
    def next(self) -> int:
        """The number of the round that comes next."""
        self._take_up()
        assert self._last is not None
        return self._last.number + 1

    def step(self) -> Round | None:
        """Read a round and store it; None where somebody else was faster. Safe to repeat, and to kill.

        Raises LogLost, NoLog, ImagesLacking, Throttled, DynamoDown, VaultDown.
        """
        try:
            self._take_up()
            assert self._last is not None
            round_ = self._read(self._last)
        except (Trimmed, StreamGone) as error:
            self._forget()
            raise LogLost(f"{self.table}: {error} {ANEW}") from error
        except LogLost:
            self._forget()  # a base may have begun another by the next time
            raise
        failpoint("documents.round_read")
        if not self.log.put(round_):
            self._forget()
            return None
        failpoint("documents.round_stored")
        self._last = round_
        return round_

    def reach(self, moment: datetime, seconds: float = 60) -> None:
        """Ship until all that was written up to a moment is in the vault. Raises LogLate, LogLost, NoLog."""
        deadline = time.monotonic() + seconds
        while True:
            round_ = self.step()
            if round_ and round_.until and round_.until >= moment:
                return
            if time.monotonic() > deadline:
                raise LogLate(
                    f"{self.table}: in {seconds:.0f} s its stream did not tell what was written up to {moment}. It is tried"
                    " again by itself; see that its log is shipped."
                )
            behind = (moment - round_.until).total_seconds() if round_ and round_.until else 0.1
            time.sleep(min(max(behind, 0.1), 0.5))

    def _take_up(self) -> None:
        """Find where the vault stands. Raises NoLog, LogLost where the stream is another than the log's."""
        if self._last is not None:
            return
        runs = runs_of(self.vault, self.tables.store, self.table)
        if not runs:
            raise NoLog(f"{self.table} has no log in the vault yet: take a base.")
        log = TableLog(self.vault, self.tables.store, self.table, runs[-1])
        try:
            self._last = log.last()
        except LogShort as error:  # whoever began it was killed before its first round
            raise NoLog(f"The log of {self.table} in the vault was never begun: take a base.") from error
        self._log = log

    def _open(self) -> Streamed:
        """Give its stream as it is now: the same object as long as it is the same stream, which knows where it would read on."""
        found = (self.opened or self.tables.stream)(self.table)
        if self._streamed is None or self._streamed.arn != found.arn:
            self._streamed = found
        return self._streamed

    def _forget(self) -> None:
        self._log = self._last = None

    def _read(self, last: Round) -> Round:
        streamed, begun = self._open(), self.tables.now()
        if streamed.arn != self.log.run.stream:
            # An old stream can be read for a day, and tells nothing new: it would look as if nothing were written.
            raise LogLost(
                f"{self.table}: its stream was switched off and on again, or the table is another one (it is {streamed.arn}, the"
                f" log is of {self.log.run.stream}): what was written between is in neither. {ANEW}"
            )
        reading = Reading(streamed.stream, dict(last.places), begun)
        reading.check(self.table, last.until)
        # What is told in whole seconds may be written in the second of the round's beginning, and behind its reading.
        until = begun - YOUNGER if reading.read() else None
        return Round(last.number + 1, until, reading.places, tuple(reading.changes))


@dataclass
class Reading:
    """One round of reading."""

    stream: Stream
    places: dict[str, Place]
    begun: datetime
    changes: list[tuple[str, Change]] = field(default_factory=list)
    _silent: dict[str, int] = field(default_factory=dict)
    _full: int = 0
    _listed: tuple[Shard, ...] | None = None

    def check(self, table: str, until: datetime | None) -> None:
        """Raise LogLost where something is gone that was never read. A shard that was read says so itself, when it is read on."""
        there = self._shards()
        if lost := lost_shards(there, {shard: place.done for shard, place in self.places.items()}):
            raise LogLost(
                f"{table}: shard {lost[0]} of its stream was trimmed away before it was read to its end. {ANEW}"
            )
        places = {one.id: self.places.get(one.id, Place()) for one in there}
        unread = [shard for shard, place in places.items() if place.after is None and not place.done]
        if unread and until and self.begun - until > KEPT:
            raise LogLost(
                f"{table}: nobody has shipped its stream since {until:%Y-%m-%d %H:%M} UTC, and a stream keeps a day: what shard"
                f" {unread[0]} told first may be gone. {ANEW}"
            )

    def read(self) -> bool:
        """Read every shard up to when the round began; False where it was cut short."""
        while True:
            shards = self._shards()
            for shard in shards:
                self.places.setdefault(shard.id, Place(parent=shard.parent))
            over = {name for name, place in self.places.items() if place.done}
            waiting = [shard.id for shard in readable(shards, over) if not self._came(shard.id)]
            if not waiting:
                # One that has ended and is nobody's parent has a child that is not listed yet.
                parents = {shard.parent for shard in shards}
                settled = all(shard.id in parents for shard in shards if shard.id in over)
                self._forget(shards, parents)
                return settled
            with ThreadPoolExecutor(AT_ONCE) as pool:
                for start in range(0, len(waiting), AT_ONCE):
                    some = waiting[start : start + AT_ONCE]
                    for shard_id, page in zip(some, pool.map(self._read_page, some), strict=True):
                        self._take_in(shard_id, page)
                    if self._full >= MOST:
                        return False

    def _shards(self) -> tuple[Shard, ...]:
        """List them, again only where one has ended: others come as children of such, and the service bears few listings."""
        if self._listed is None:
            self._listed = self.stream.shards()
        return self._listed

    def _read_page(self, shard: str) -> StreamPage:
        return self.stream.read(shard, self.places[shard].after)

    def _take_in(self, shard: str, page: StreamPage) -> None:
        place = self.places[shard]
        self._full += bool(page.changes)
        if page.ended:
            self._listed = None
        fresh = [change for change in page.changes if place.after is None or int(change.sequence) > int(place.after)]
        self.changes += ((shard, change) for change in fresh)
        self.places[shard] = Place(page.position, page.ended, place.parent)
        late = bool(fresh) and fresh[-1].at > self.begun
        self._silent[shard] = SILENT if late else 0 if fresh else self._silent.get(shard, 0) + 1

    def _forget(self, shards: Sequence[Shard], parents: set[str | None]) -> None:
        """Forget shards that were read to their end and are trimmed by now, once their children are known."""
        there = {shard.id for shard in shards}
        known = parents | {place.parent for place in self.places.values()}
        for name in [one for one, place in self.places.items() if place.done and one not in there and one in known]:
            del self.places[name]

    def _came(self, shard: str) -> bool:
        return self._silent.get(shard, 0) >= SILENT


def shippers_of(
    tables: Tables, vault: Vault, tell: Tell, opened: Callable[[str], Streamed] | None = None
) -> dict[str, TableShipper]:
    """Give what ships each table of a store."""
    return {table: TableShipper(tables, vault, table, tell, opened) for table in tables.names}


@dataclass
class Shipper:
    """Ships every table of a store."""

    shippers: tuple[TableShipper, ...]
    every: timedelta
    """How often each is read: what can be lost is that long."""

    def run(self, lasts: timedelta, over: Callable[[], bool] = lambda: False) -> None:
        """Ship for so long, or until it is `over`. Safe to repeat, and to kill.

        Raises LogLost, NoLog, Throttled, DynamoDown, VaultDown: of the first table that has it, when the others were shipped.
        """
        until = time.monotonic() + lasts.total_seconds()
        while True:
            failed = [error for error in (_tried(one, until) for one in self.shippers) if error]
            if failed:
                raise failed[0]
            if over() or time.monotonic() + self.every.total_seconds() >= until:
                return
            time.sleep(self.every.total_seconds())


def _tried(shipper: TableShipper, until: float) -> LogLost | NoLog | ImagesLacking | None:
    try:
        # What was cut short goes on at once.
        while (round_ := shipper.step()) and round_.changes and round_.until is None and time.monotonic() < until:
            pass
    except (LogLost, NoLog, ImagesLacking) as error:
        return error
    return None
