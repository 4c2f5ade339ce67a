"""How long a copy will take, and how far its follower will fall behind, before anything is begun. A stream keeps a day.

A forecast and no promise: sizes are the service's (up to six hours old), rates are a few timed pages, and what a table bears is
what it was given. Each number says where it is from. Pure but for `probe_reads` and `probe_changes`, which only read.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sluice.estate.single_table import Replication
from sluice.migration.engine.contract import Finding
from sluice.stores.dynamodb.identity import identify
from sluice.stores.dynamodb.scan import scan_page
from sluice.stores.dynamodb.streams import ImagesLacking, StreamGone, open_stream
from sluice.stores.dynamodb.values import Item, size_of

KEPT = timedelta(hours=24)
"""How long a stream keeps a change."""
NEW_ON_DEMAND = 4000.0
"""Write units a second that the service promises a new on-demand table at once; more comes as it is used."""
PROBED_PAGES, PROBED_SHARDS = 3, 8
UNIT = 1024
"""Bytes of an item that one write unit writes; a transaction costs two."""


@dataclass(frozen=True)
class Rate:
    """So many a second, and where the number is from."""

    each_second: float
    source: str

    def __str__(self) -> str:
        return f"{self.each_second:,.0f}/s ({self.source})"


@dataclass(frozen=True)
class Forecast:
    """What a migration is about to meet. `units_an_item` are the write units of all that one item becomes.

    While it copies, up to half of what the tables bear goes to the changes that come meanwhile.
    """

    items: int
    size: int
    reading: Rate
    """Items read."""
    bearing: Rate | None
    """Write units that the tables bear; None where what is written has none, and nobody knows what it bears."""
    units_an_item: float
    changes: Rate | None
    """Changes that applications make; None where nobody knows."""

    @property
    def copying(self) -> Rate:
        """Items copied: as fast as they are read, or as fast as they can be written."""
        waiting = self.changes.each_second if self.changes else 0.0
        written = self._writable - min(waiting, self._writable / 2)
        if self.bearing and written < self.reading.each_second:
            return Rate(written, f"writing, {self.units_an_item:.1f} units an item, {self.bearing.source}")
        return Rate(self.reading.each_second, f"reading, {self.reading.source}")

    @property
    def duration(self) -> timedelta:
        """How long the copy takes."""
        return _lasting(self.items, self.copying.each_second)

    @property
    def behind(self) -> timedelta | None:
        """How far the follower will have fallen behind when the copy ends; None where that cannot be told."""
        if self.changes is None or self.bearing is None:
            return None
        delivered = self._writable / 2 / max(self.changes.each_second, 1e-9)
        return self.duration * max(0.0, 1 - delivered)

    @property
    def caught_up(self) -> timedelta | None:
        """How long after the copy it has caught up; None where it never does, or nobody knows."""
        if self.changes is None or self.behind is None:
            return None
        spare = self._writable - self.changes.each_second
        waiting = self.behind.total_seconds() * self.changes.each_second
        return timedelta(0) if not waiting else _lasting(waiting, spare) if spare > 0 else None

    @property
    def _writable(self) -> float:
        """Items a second, or changes, where nothing else is written."""
        return self.bearing.each_second / max(self.units_an_item, 0.5) if self.bearing else math.inf

    def __str__(self) -> str:
        lines = [
            f"{self.items:,} items, {self.size / 1e6:,.1f} MB (as the service knows it, up to six hours old)",
            f"copied in about {_told(self.duration)}, {self.copying}",
        ]
        if self.changes is None:
            lines.append(
                "how many changes come is not known: the stream is off, or lacks images, and"
                " `replication: {changes_per_second}` unsaid"
            )
        elif self.behind is None:
            lines.append(f"{self.changes} changes; how fast they are delivered shows once it copies")
        else:
            caught = "never, at that rate" if self.caught_up is None else f"{_told(self.caught_up)} later"
            lines.append(
                f"{self.changes} changes; about {_told(self.behind)} behind at the end of the copy, caught up {caught}"
            )
        lines.append(f"a stream keeps {_told(KEPT)}: that long may replicate_changes stand still")
        return "\n".join(f"headroom: {line}" for line in lines)


def findings(forecast: Forecast, limits: Replication) -> Iterator[Finding]:
    """Say where the follower would fall too far behind: a warning, or a refusal that a person may accept."""
    behind, way_on = forecast.behind, "Give the tables more units, or copy when less is written."
    told = f"The copy would take {_told(forecast.duration)}"
    if behind is not None and behind > limits.stop_behind:
        what = f"{told}, and leave it {_told(behind)} behind; at {_told(limits.stop_behind)} it stops, and after 24 h is lost."
        yield Finding("falls_behind", True, what, f"{way_on} Or accept it.", acceptable=True)
    elif behind is not None and behind > limits.warn_behind:
        what = f"{told}, and leave it {_told(behind)} behind."
        yield Finding("falls_behind", False, what, way_on)
    elif behind is None and forecast.duration > limits.stop_behind:
        yield Finding(
            "long_copy",
            False,
            f"{told}, and a stream keeps 24 h.",
            "Let replicate_changes run all the while: what nobody reads for a day is copied again.",
        )


@dataclass(frozen=True)
class Looked:
    """A first look at a table: some of its items, how many and how large they are, how fast it is read, and what changes."""

    some: tuple[Item, ...]
    items: int
    size: int
    reading: Rate
    changes: Rate | None

    def forecast(self, bearing: Rate | None, units_an_item: float) -> Forecast:
        """Say what its copy is about to meet."""
        return Forecast(self.items, self.size, self.reading, bearing, units_an_item, self.changes)


def look(client: Any, streams: Any, table: str, lanes: int, declared: int | None, measured: float = 0.0) -> Looked:
    """Look at a few pages. `declared` are changes a second, `measured` what a copy under way does, in items a second."""
    reading, items = probe_reads(client, table, lanes)
    if measured:
        reading = Rate(measured, "measured in this copy")
    known = identify(client, table)
    changes = probe_changes(client, streams, table) if declared is None else Rate(declared, "declared")
    count, size = (known.items, known.size) if known else (0, 0)
    return Looked(items, max(count, len(items)), size, reading, changes)


def probe_reads(client: Any, table: str, lanes: int) -> tuple[Rate, tuple[Item, ...]]:
    """Read a few pages by the clock: items a second for so many lanes, and the items of the first page."""
    items: list[Item] = []
    started = time.monotonic()
    after, first = None, 0
    for _ in range(PROBED_PAGES):
        page = scan_page(client, table, after=after, limit=1000)
        first = first or len(page.items)
        items += page.items
        if (after := page.next_key) is None:
            break
    seconds = max(time.monotonic() - started, 1e-3)
    lanes_said = f", times {lanes} lanes" if lanes > 1 else ""
    rate = Rate(max(len(items), 1) / seconds * lanes, f"{len(items):,} read in {seconds:.2f} s just now{lanes_said}")
    return rate, tuple(items[:first])


def probe_changes(client: Any, streams: Any, table: str) -> Rate | None:
    """Look how densely changes lie in the table's stream, at its beginning; None where it has none that can be followed."""
    try:
        stream = open_stream(client, streams, table)
    except (StreamGone, ImagesLacking):
        return None
    there, total = stream.shards(), 0.0
    shards = there[-PROBED_SHARDS:]
    for shard in shards:
        changes = stream.read(shard.id, None).changes
        if len(changes) > 1:
            total += len(changes) / max((changes[-1].at - changes[0].at).total_seconds(), 1.0)
    total *= len(there) / max(len(shards), 1)
    return Rate(total, f"from the beginning of {len(shards)} of {len(there)} shards of its stream")


def units_of(written: Sequence[Sequence[tuple[Item, int]]]) -> float:
    """Give the write units of one item on average: of each, its records with the number of indexes that each is in.

    A transaction writes the record twice; an index once, and all attributes.
    """
    if not written:
        return 2.0
    units = sum(math.ceil(size_of(item) / UNIT) * (2 + indexes) for records in written for item, indexes in records)
    return units / len(written)


def _lasting(number: float, each_second: float) -> timedelta:
    return timedelta(seconds=min(number / max(each_second, 1e-9), 10 * 365 * 86_400))


def _told(duration: timedelta) -> str:
    seconds = duration.total_seconds()
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
