"""Where reading stands: begun, begun again behind what was lost, or given up, so that all of it is read; only under the fence.

A worker whose time is over would take away what the next epoch has read, and a stream that is read from the beginning again looks
as if nothing of it had been lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sluice.ledger.item_marks import ItemMarks, Place
from sluice.migration.kinds.single_table.writing import finish
from sluice.stores.dynamodb.streams import Stream, is_forgotten
from sluice.stores.dynamodb.writes import MOST_ACTIONS, Action, Check


def forget_places(marks: ItemMarks, kind: str, fence: Check) -> None:
    """Delete every place of a kind. Raises Fenced where the migration has gone on."""
    _in_packs(marks, marks.forgetting(kind), fence)


def begin_way(marks: ItemMarks, name: str, now: datetime, fence: Check) -> None:
    """Read a stream from the beginning again: what is left of it, and no day has gone by without a reader. Raises Fenced."""
    forget_places(marks, name, fence)
    finish(marks.client, lambda: [fence], [marks.looking(name, now)])


def forget_strays(marks: ItemMarks, fence: Check) -> None:
    """Forget which items were written past the route, as the records begin to lead. Raises Fenced."""
    _in_packs(marks, marks.aside.forgetting_strays(), fence)


def move_places(marks: ItemMarks, moves: Iterable[tuple[Place, Place]], fence: Check) -> None:
    """Move places from where they were seen. Raises Fenced, and Overtaken where somebody else has moved one."""
    _in_packs(marks, [marks.step(before, after) for before, after in moves], fence)


def note_shards(marks: ItemMarks, way: str, shards: Iterable[str], fence: Check) -> None:
    """Note shards that are to be read from their oldest record. Raises Fenced, Overtaken.

    A stream that is older than a day names parents that it has no more. Of a shard that was there when its way began, the parent
    is missed by nobody.
    """
    fresh = [Place(f"{way}#{shard}") for shard in shards]
    move_places(marks, [(place, place.moved(None)) for place in fresh], fence)


def begin_again(marks: ItemMarks, way: str, stream: Stream, now: datetime, fence: Check) -> None:
    """Go on with what is left of a stream that forgot some of it; what was counted stays counted. Raises Fenced, Overtaken."""
    there, places = {shard.id for shard in stream.shards()}, marks.places(way)
    moves = [
        (place, place.moved(None, done=shard not in there))
        for shard, place in places.items()
        if not place.done and (shard not in there or is_forgotten(stream, shard, place.at))
    ]
    move_places(marks, moves, fence)
    note_shards(marks, way, there - places.keys(), fence)
    finish(marks.client, lambda: [fence], [marks.looking(way, now)])


def _in_packs(marks: ItemMarks, actions: Sequence[Action], fence: Check) -> None:
    for begin in range(0, len(actions), MOST_ACTIONS - 1):
        finish(marks.client, lambda: [fence], actions[begin : begin + MOST_ACTIONS - 1])
