"""The last look at an old table's stream before that is deleted: has anybody written past the route since it was compared?

It begins where the followers stood when the comparison began, and reads each shard on until that has told a canary of this look,
or anything younger. What it finds is kept as a sum over keys and sequences, and the next look begins behind it: so strays are
told of until somebody has seen to them, also when the stream has long forgotten them. A person says so by the word of just these.
Who says nothing, such as a task that is tried again, deletes nothing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from hashlib import blake2b

from sluice.errors import Transient
from sluice.migration.kinds.dynamodb_source.canary import Canaries, is_canary, named
from sluice.stores.dynamodb.streams import KEPT, Change, Shard, Stream, Trimmed, padded, readable
from sluice.stores.dynamodb.values import key_text

PAGE = 1000
PATIENCE_SECONDS = 30.0
"""How long shards may tell nothing at all before the look is given up."""
NAMED = 5


class NotReadToEnd(Transient):
    """Somebody may have written to the old table, and what the stream tells of it has not come yet."""


@dataclass(frozen=True)
class Looked:
    """How far the old table's stream was looked at, and what came past the route until there. Kept as text."""

    at: str = ""
    """When, by the store's clock."""
    stream: str = ""
    """Which stream; where it was off, by which export its items are known."""
    places: Mapping[str, str | None] = field(default_factory=dict)
    """How far each shard was read that was not finished."""
    finished: tuple[str, ...] = ()
    strays: int = 0
    sum: int = 0
    """Of their keys and sequences."""
    named: tuple[str, ...] = ()

    @property
    def word(self) -> str:
        """What a person says who has seen to just these strays; empty where there are none."""
        return f"strays-{self.strays}-{self.sum:016x}" if self.strays else ""

    def text(self) -> str:
        """Give it as text."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def of(cls, text: str) -> Looked:
        """Read what `text` wrote; of nothing, that nobody knows what came."""
        told = json.loads(text or "{}")
        return cls(**{**told, **{name: tuple(told[name]) for name in ("finished", "named") if name in told}})

    def with_stray(self, name: str) -> Looked:
        """The same with one more stray."""
        number = int.from_bytes(blake2b(name.encode(), digest_size=8).digest())
        few = (*self.named, name)[:NAMED]
        return replace(self, strays=self.strays + 1, sum=(self.sum + number) % 2**64, named=few)


def is_stray(change: Change) -> bool:
    """Whether somebody made a change, and neither the table's own TTL nor a canary's owner."""
    return not (change.expired or is_canary(change.new) or is_canary(change.old))


@dataclass
class LastLook:
    """One look: `canaries` are let go into the old table, `is_stray` tells whose change came past the route."""

    canaries: Canaries
    is_stray: Callable[[Change], bool]

    def on(self, stream: Stream | None, before: Looked, now: datetime, export: str) -> Looked:
        """Look on from where it was looked before. Raises NotReadToEnd, Throttled, DynamoDown: nothing is known then.

        Where the stream is off, only another `export` tells that something was written: a word is for one of them.
        """
        if stream is None:
            off = Looked(now.isoformat(), f"off, {export}", {}, (), before.strays, before.sum, before.named)
            told = f"its stream is off, and nothing tells who wrote since {before.at} (export {export})"
            return off if before.stream == off.stream else off.with_stray(told)
        shards = stream.shards()
        found = replace(before, at=now.isoformat(), stream=stream.arn)
        if lost := _lost(before, stream.arn, shards, now):
            found = found.with_stray(lost)
        there = {shard.id for shard in shards}
        try:
            self.canaries.let_go()
            return self._read(stream, replace(found, places={k: v for k, v in found.places.items() if k in there}))
        finally:
            self.canaries.call_back()

    def _read(self, stream: Stream, found: Looked) -> Looked:
        """Read each shard on, parents first, until none is silent."""
        heard = time.monotonic()
        while True:
            shards = stream.shards()
            for shard in readable(shards, found.finished):
                before, found = found, self._page(stream, shard.id, found)
                heard = heard if found == before else time.monotonic()
            silent = self.canaries.silent(shards, found.finished)
            if not silent:
                there = {shard.id for shard in shards}
                return replace(found, finished=tuple(one for one in found.finished if one in there))
            if time.monotonic() - heard > PATIENCE_SECONDS:
                raise NotReadToEnd(
                    f"The stream of {self.canaries.table.name} is {named(silent)}. Whether anybody wrote past the route is not"
                    " known, and nothing was deleted. This task is tried again by itself."
                )
            self.canaries.let_more_go()

    def _page(self, stream: Stream, shard: str, found: Looked) -> Looked:
        at = found.places.get(shard)
        try:
            page = stream.read(shard, at, PAGE)
        except Trimmed:
            if at is None:
                return replace(found, finished=(*found.finished, shard))  # it is gone
            return replace(
                found.with_stray(f"what shard {shard} told after {at}"), places={**found.places, shard: None}
            )
        self.canaries.watch(shard, page.changes)
        new = (change for change in page.changes if at is None or change.order > padded(at))
        for change in filter(self.is_stray, new):
            found = found.with_stray(f"{key_text(change.key)} at {change.at:%Y-%m-%d %H:%M:%S} ({change.sequence})")
        if page.ended:
            rest = {name: position for name, position in found.places.items() if name != shard}
            return replace(found, places=rest, finished=(*found.finished, shard))
        return found if page.position == at else replace(found, places={**found.places, shard: page.position})


def _lost(before: Looked, arn: str, shards: Collection[Shard], now: datetime) -> str:
    """Say what cannot be read any more of the time since the look before; nothing if all can."""
    there, known = {shard.id for shard in shards}, {*before.places, *before.finished}
    since = f"what was written since {before.at or 'the comparison'}"
    if before.stream != arn:
        return f"{since}: the stream is another one"
    gone = any(name not in there for name in before.places)
    unseen = any(shard.parent and shard.parent not in {*there, *known} for shard in shards if shard.id not in known)
    unread = any(shard.id not in before.finished and before.places.get(shard.id) is None for shard in shards)
    if gone or unseen or (unread and now - datetime.fromisoformat(before.at) > KEPT):
        return f"{since}: some of it the stream has forgotten"
    return ""
