"""What Sluice writes on an item beside the data: who it came from, in which order, and whether it is gone.

Every write of ours changes `_token`. So in a stream a change is ours when the token changed with it, and an application's
when it did not: neither direction brings back what the other one brought.
"""

from __future__ import annotations

from sluice.stores.dynamodb.streams import Change
from sluice.stores.dynamodb.values import Item, Key
from sluice.stores.dynamodb.writes import Condition

TOKEN, FROM, GONE = "_token", "_from", "_gone"
MARKS = (TOKEN, FROM, GONE, "_write")
"""What is ours and no part of an item; `_write` is the access library's, by which it knows its own lost answers."""
FLOOR = "0" * 40
"""The sequence of what was copied: older than every change of its epoch, younger than any epoch before."""
SWEPT = "1".zfill(40)
"""The sequence of what nobody led to after a copy: younger than the copy, older than every change."""


def token(epoch: int, order: str = FLOOR) -> str:
    """Give the place of a write among all of its key, as text that sorts. `order` has 40 digits."""
    return f"{epoch:010}#{order}"


def without_marks(item: Item) -> Item:
    """Give an item as its application knows it."""
    return {name: value for name, value in item.items() if name not in MARKS}


def is_gone(item: Item | None) -> bool:
    """Tell whether there is no item, or only our note that there was one."""
    return item is None or GONE in item


def is_ours(change: Change, epoch: int) -> bool:
    """Tell whether Sluice made this change in this epoch. What it made in an earlier one is read again like anybody's."""
    if change.new is None:
        return change.old is not None and GONE in change.old
    made = change.new.get(TOKEN)
    return made is not None and made != (change.old or {}).get(TOKEN) and made["S"].startswith(f"{epoch:010}#")


def marked(item: Item, came_from: str, at: str) -> Item:
    """Give an item with our attributes on it."""
    return {**item, TOKEN: {"S": at}, FROM: {"S": came_from}}


def tombstone(key: Key, came_from: str, at: str) -> Item:
    """Give what stands where an item was, so that no late copy brings it back; it is in no index."""
    return {**marked(key, came_from, at), GONE: {"BOOL": True}}


def newer(key: Key, came_from: str, at: str) -> Condition:
    """What must hold for a live write: nothing there, or something older of the same origin.

    What no token stands on was written by the application while it wrote here itself: the origin's next write follows it.
    Where another origin's item is gone, the place is free; where it is not, two items want one key, and nobody's is lost.
    """
    return Condition(
        "attribute_not_exists(#key) OR attribute_not_exists(#token) OR (#from = :from AND #token < :token)"
        " OR (#from <> :from AND attribute_exists(#gone))",
        {"#key": next(iter(key)), "#token": TOKEN, "#from": FROM, "#gone": GONE},
        {":from": {"S": came_from}, ":token": {"S": at}},
    )


def absent(key: Key, came_from: str, at: str) -> Condition:
    """What must hold for a copy: nothing there, or something of an epoch gone by. The live path always wins."""
    return Condition(
        "attribute_not_exists(#key) OR (#from = :from AND #token < :token)"
        " OR (#from <> :from AND attribute_exists(#gone))",
        {"#key": next(iter(key)), "#token": TOKEN, "#from": FROM, "#gone": GONE},
        {":from": {"S": came_from}, ":token": {"S": at}},
    )
