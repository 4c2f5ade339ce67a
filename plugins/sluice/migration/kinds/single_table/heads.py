"""Begin to follow a stream at its head. What it told before is never read, however much that is.

While the source leads nobody writes the records but migrations, all that share the table: hundreds of millions of changes that
say nothing about the way back. So that begins with the first change that each shard tells from now on. Canaries see to it that
each does.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from datetime import datetime

from sluice.failpoints import failpoint
from sluice.ledger.item_marks import ItemMarks, Place
from sluice.migration.kinds.dynamodb_source.arriving import NotSettled
from sluice.migration.kinds.dynamodb_source.canary import Canaries, named
from sluice.migration.kinds.single_table.places import forget_places, move_places
from sluice.migration.kinds.single_table.writing import finish
from sluice.stores.dynamodb.streams import Stream
from sluice.stores.dynamodb.writes import Check

PATIENCE_SECONDS = 60.0
REST_SECONDS = 0.1


def begin_at_head(marks: ItemMarks, way: str, stream: Stream, canaries: Canaries, now: datetime, fence: Check) -> Check:
    """Put every place of a way at the head of its shard. Raises NotSettled where a shard tells nothing, Fenced.

    A shard that comes later is read from its oldest record, as ever. The check that is given refuses a switch once somebody
    else has begun the way: without its places a stream is read from its beginning, and what applications wrote when the records
    led before would be brought back.
    """
    shards = stream.shards()
    places = [Place(f"{way}#{shard.id}").moved(None, done=True) for shard in shards if shard.ended]
    places += _heads(way, stream, [shard.id for shard in shards if not shard.ended], canaries)
    failpoint("heads.found")
    mine = uuid.uuid4().hex
    finish(marks.client, lambda: [fence], [marks.looking(way, now, by=mine)])  # before anybody's places are given up
    forget_places(marks, way, fence)
    move_places(marks, [(Place(place.name), place) for place in places], fence)
    failpoint("heads.noted")
    return marks.looking_still(way, mine)


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
