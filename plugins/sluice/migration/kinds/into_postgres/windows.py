"""A window of history again, by the record's own time: its partitions, its holes, and the proof.

A row that is filled in carries the floor of its epoch, as a copy does: whatever the stream tells of that item, before or
afterwards, is younger and stays. So windows run beside the follower, beside the copy and beside one another, and undo nothing.
"""

from __future__ import annotations

from sluice.failpoints import failpoint
from sluice.migration.engine.contract import COPIES_IN, Fence, NotYet, Window, WindowResult
from sluice.migration.kinds.dynamodb_source.tokens import token
from sluice.migration.kinds.into_postgres import expanding, proving
from sluice.migration.kinds.into_postgres.applying import apply
from sluice.migration.kinds.into_postgres.fencing import working
from sluice.migration.kinds.into_postgres.parts import Parts
from sluice.migration.kinds.into_postgres.wishes import Asked, inside, of_items


def fill_and_compare(parts: Parts, window: Window) -> WindowResult:
    """Fill the window's holes, make its partitions where items have none, and compare it. Raises NotYet without windows."""
    cut = parts.migration.target.partition
    if cut is None or cut.range_of is None:
        raise NotYet(f"{parts.name} has no windows of time: its table is not cut by `range`.")
    parts.check_mapping()
    position = parts.position()
    filled = fill(parts, Fence(position.epoch), window, cut.range_of)
    return WindowResult(filled, proving.compare_sides(parts, position, window, cut.range_of))


def fill(parts: Parts, fence: Fence, window: Window, column: str) -> int:
    """Write the rows of a window that are not there; gives how many. Every item is read: DynamoDB has no order by time."""
    place, filled, covered = parts.shape.names.index(column), 0, False
    for items in parts.source.pages():
        asked = of_items(items, parts.source.key_names, parts.shape, token(fence.epoch))
        failpoint("rows.window_read")
        _keep_within(asked, window, place)
        if asked.wished and not covered:
            expanding.cover(parts.c, parts.marks, parts.migration, parts.shape, window)
            covered = True
        with working(parts.c, parts.marks, fence, *COPIES_IN):
            filled += apply(parts.c, parts.marks, parts.target, asked).written
            failpoint("rows.window_filled")
    return filled


def _keep_within(asked: Asked, window: Window, place: int) -> None:
    """Forget the rows of other windows. What can be no row is noted whatever its time: it may have none."""
    for where, wish in list(asked.wished.items()):
        if wish.values is None or not inside(window, wish.values[place]):
            del asked.wished[where]
            asked.good.pop(wish.origin, None)
