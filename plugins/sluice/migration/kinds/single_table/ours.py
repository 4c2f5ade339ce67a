"""What Sluice writes on an item beside the data: who it came from, in which order, and whether it is gone.

Every write of ours changes `_token`. So in a stream a change without that is an application's. With it, it is ours or an
application put back what it had read; what ours asks for stands on the other side already, and so neither direction brings back
what the other one brought.
"""

from __future__ import annotations

from sluice.migration.kinds.dynamodb_source.canary import is_canary
from sluice.migration.kinds.dynamodb_source.tokens import TOKEN_FORM
from sluice.records import MARKS, OURS, Unmappable
from sluice.stores.dynamodb.streams import Change
from sluice.stores.dynamodb.values import Item, Key, same
from sluice.stores.dynamodb.writes import Condition

TOKEN, FROM, GONE = "_token", "_from", "_gone"


def without_marks(item: Item) -> Item:
    """Give an item as its application knows it."""
    return {name: value for name, value in item.items() if name not in MARKS}


def not_ours(item: Item, migration: str) -> list[str]:
    """Name the attributes of a source item that have names of ours, and are none that this migration has written."""
    taken = OURS.intersection(item)
    came_from, at = item.get(FROM, {}).get("S", ""), item.get(TOKEN, {}).get("S", "")
    # What came back from the records has just these two; applications may have kept them when they wrote it again.
    written = {FROM, TOKEN} if came_from.startswith(f"{migration}/") and TOKEN_FORM.fullmatch(at) else set()
    return sorted(taken - written)


def as_applications_know(item: Item, migration: str) -> Item:
    """Give a source item without our attributes. Raises Unmappable where one of them is an application's own."""
    if OURS.isdisjoint(item):
        return item
    if taken := not_ours(item, migration):
        raise Unmappable(
            "in_the_way", taken[0], "the name is kept for what Sluice writes itself: give it another in the table"
        )
    return without_marks(item)


def as_known(migration: str, item: Item) -> Item | None:
    """An item as its application knows it: without what this migration wrote on it, and None for what is nobody's.

    An attribute of the application's own that only bears a name of ours stays: what is exported is all that there will be.
    """
    if is_canary(item) or is_gone(item):
        return None
    own = not_ours(item, migration)
    return {**without_marks(item), **{name: item[name] for name in own}}


def is_gone(item: Item | None) -> bool:
    """Tell whether there is no item, or only our note that there was one."""
    return item is None or (GONE in item and TOKEN in item)


def is_ours(change: Change, epoch: int, since: int | None = None) -> bool:
    """Tell whether Sluice made this change in this epoch, or since an earlier one. What came before is read like anybody's.

    Its tokens rise: one that falls is an older image that an application put back, token and all.
    """
    if change.new is None:
        return change.old is not None and GONE in change.old
    made, before = change.new.get(TOKEN), (change.old or {}).get(TOKEN)
    if made is None or not f"{since or epoch:010}#" <= made["S"] < f"{epoch + 1:010}#":
        return False
    other = change.new.get(FROM) != (change.old or {}).get(FROM)
    return before is None or other or made["S"] > before["S"]


def changes_marks_only(change: Change) -> bool:
    """Tell whether a change is a tombstone's coming or going, or of nothing but our attributes: it asks for nothing."""
    if any(image is not None and is_gone(image) for image in (change.old, change.new)):
        return True
    return None not in (change.old, change.new) and same(
        without_marks(change.old or {}), without_marks(change.new or {})
    )


def marked(item: Item, came_from: str, at: str) -> Item:
    """Give an item with our attributes on it."""
    return {**item, TOKEN: {"S": at}, FROM: {"S": came_from}}


def tombstone(key: Key, came_from: str, at: str) -> Item:
    """Give what stands where an item was, so that no late copy brings it back; it is in no index."""
    return {**marked(key, came_from, at), GONE: {"BOOL": True}}


def newer(key: Key, came_from: str, at: str) -> Condition:
    """What must hold for a live write: nothing there, or something older of the same origin.

    Where another origin's item is gone, the place is free. What has no token is nobody's that this condition knows: who is
    refused by it looks whose it is (`claims.py`).
    """
    return Condition(
        "attribute_not_exists(#key) OR (#from = :from AND #token < :token)"
        " OR (#from <> :from AND attribute_exists(#gone))",
        {"#key": next(iter(key)), "#token": TOKEN, "#from": FROM, "#gone": GONE},
        {":from": {"S": came_from}, ":token": {"S": at}},
    )


def absent(key: Key) -> Condition:
    """What must hold for a first copy: nothing there. The live path always wins, and whoever else was there before."""
    return Condition("attribute_not_exists(#key)", {"#key": next(iter(key))})


def unchanged(key: Key, stood: Item) -> Condition:
    """What must hold to take the place of what stood there: nobody of ours has written it since."""
    if TOKEN in stood:
        return Condition("#token = :stood", {"#token": TOKEN}, {":stood": stood[TOKEN]})
    names = {"#key": next(iter(key)), "#token": TOKEN}
    return Condition("attribute_exists(#key) AND attribute_not_exists(#token)", names)
