"""Places that are given up, so that what they stood for is read or copied from the beginning; only under the fence.

A worker whose time is over would take away what the next epoch has read, and a stream that is read from the beginning again looks
as if nothing of it had been lost.
"""

from __future__ import annotations

from datetime import datetime

from sluice.ledger.item_marks import ItemMarks
from sluice.migration.kinds.single_table.writing import finish
from sluice.stores.dynamodb.writes import MOST_ACTIONS, Check


def forget_places(marks: ItemMarks, kind: str, fence: Check) -> None:
    """Delete every place of a kind. Raises Fenced where the migration has gone on."""
    places = marks.forgetting(kind)
    for begin in range(0, len(places), MOST_ACTIONS - 1):
        finish(marks.client, lambda: [fence], places[begin : begin + MOST_ACTIONS - 1])


def begin_way(marks: ItemMarks, name: str, now: datetime, fence: Check) -> None:
    """Read a stream from the beginning again: what is left of it, and no day has gone by without a reader. Raises Fenced."""
    forget_places(marks, name, fence)
    finish(marks.client, lambda: [fence], [marks.looking(name, now)])
