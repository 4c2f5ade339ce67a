"""Begin to follow a stream at its head. What it told before is never read, however much that is.

Before the records lead nobody but us writes them, and other migrations may into the same table: hundreds of millions of changes
that say nothing about the way back. So that begins with the first change that each shard tells from now on. Canaries see to it
that each does.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime

from sluice.failpoints import failpoint
from sluice.ledger.item_marks import ItemMarks, Place
from sluice.migration.kinds.dynamodb_source.arriving import NotSettled
from sluice.migration.kinds.dynamodb_source.canary import Canaries, named
from sluice.migration.kinds.single_table.places import begin_way
from sluice.migration.kinds.single_table.writing import finish
from sluice.stores.dynamodb.streams import Stream
from sluice.stores.dynamodb.writes import MOST_ACTIONS, Check

PATIENCE_SECONDS = 60.0
REST_SECONDS = 0.1


def begin_at_head(marks: ItemMarks, way: str, stream: Stream, canaries: Canaries, now: datetime, fence: Check) -> None:
    """Put every place of a way at the head of its shard. Raises NotSettled where a shard tells nothing, Fenced.

    A shard that comes later is read from its oldest record, as ever.
    """
    shards = stream.shards()
    places = [Place(f"{way}#{shard.id}").moved(None, done=True) for shard in shards if shard.ended]
    places += _heads(way, stream, [shard.id for shard in shards if not shard.ended], canaries)
    failpoint("heads.found")
    begin_way(marks, way, now, fence)
    for begin in range(0, len(places), MOST_ACTIONS - 1):
        few = places[begin : begin + MOST_ACTIONS - 1]
        finish(marks.client, lambda: [fence], [marks.step(Place(place.name), place) for place in few])
    failpoint("heads.noted")


def _heads(way: str, stream: Stream, shards: Sequence[str], canaries: Canaries) -> list[Place]:
    """Wait until each shard has told something, and give the places behind that."""
    heads = {shard: stream.from_now(shard) for shard in shards}
    found: dict[str, Place] = {}
    deadline = time.monotonic() + PATIENCE_SECONDS
    try:
        canaries.let_go()
        while True:
            for shard, read in heads.items():  # all of them: who is not read on does not see its canaries home
                page = read()
                canaries.watch(shard, page.changes)
                if shard not in found and (page.changes or page.ended):
                    at = page.changes[0].sequence if page.changes else None
                    found[shard] = Place(f"{way}#{shard}").moved(at, done=at is None)
            silent = [shard for shard in shards if shard not in found]
            if not silent:
                return list(found.values())
            if time.monotonic() >= deadline:
                raise NotSettled(
                    f"The stream of {canaries.table.name} is {named(silent)}, and from there the way back begins. Nothing was"
                    " switched. It is tried again by itself."
                )
            canaries.let_more_go()
            time.sleep(REST_SECONDS)
    finally:
        canaries.call_back()
