"""A stream that was trimmed before it was read: changes were lost, and only a new copy mends that, in a new epoch.

All of the new epoch is younger than all of the old one, so the copy goes over what is stale, and what it did not come by was
deleted in the gap: it is swept when the copy is done.
"""

from __future__ import annotations

from sluice.errors import Terminal
from sluice.failpoints import failpoint
from sluice.ledger.marks import Marks
from sluice.migration.engine.contract import COPIES_IN, Fence, Phase
from sluice.migration.kinds.into_postgres.fencing import working
from sluice.migration.kinds.into_postgres.following import Follower
from sluice.stores.dynamodb.streams import Stream, StreamGone, Trimmed, is_forgotten
from sluice.stores.postgres import Connection, Row, rows
from sluice.stores.statements import statement


class Gap(Terminal):
    """Changes of the source were lost before they were read."""


def begin_gap(c: Connection, marks: Marks, fence: Fence, lost: Trimmed | StreamGone) -> Gap:
    """Begin the epoch in which the copy is made anew; give the error that tells a person of it."""
    with marks.alone(c):
        row = marks.row(c)
        if row["phase"] == Phase.CUT_OVER:
            return Gap(f"{lost} {marks.name} was cut over meanwhile: the next reader goes on with what is left.")
        if row["epoch"] == fence.epoch and marks.move(c, *COPIES_IN, to=Phase.CAPTURING, epochs=1):
            c.execute(statement("into_postgres.forget_places"), {"name": marks.name})
            marks.execute(c, "delete_chunks")
            c.execute(statement("into_postgres.clear_proof"), {"name": marks.name})
            failpoint("rows.gap_noted")
    return Gap(
        f"{lost} {marks.name} is capturing again, in a new epoch: run migrate__{marks.name} onward, which copies and compares"
        " anew."
    )


def begin_again(c: Connection, stream: Stream, follower: Follower) -> None:
    """Go on with what is left of a stream after the cutover; what was counted until then stays counted. Raises Fenced."""
    shards = [shard.id for shard in stream.shards()]
    named = {"name": follower.marks.name, "epoch": follower.fence.epoch}
    with working(c, follower.marks, follower.fence, *follower.phases):
        places = rows(c, statement("into_postgres.list_places"), **named)
        lost = [place["shard"] for place in places if place["shard"] in shards and _is_behind(stream, place)]
        again = {"stream": stream.arn, "shards": shards, "lost": lost, **named}
        c.execute(statement("into_postgres.begin_again"), again)
        c.execute(statement("into_postgres.add_places"), again)


def _is_behind(stream: Stream, place: Row) -> bool:
    """Whether what followed a place is there no more."""
    unread = not place["done"] and place["position"] is not None
    return unread and is_forgotten(stream, place["shard"], place["position"])
