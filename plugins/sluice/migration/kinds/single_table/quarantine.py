"""Source items that have no place on the other side: kept by key, with the reason, until a later image of theirs has one.

A poisoned item never stops the others of its shard. What its last good image wrote stays, stale, and the note remembers
which records these are: the first good image, or the item's deletion, takes them away.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from sluice.ledger.item_marks import ItemMarks
from sluice.ledger.items_aside import Poison
from sluice.migration.kinds.single_table.settling import is_followed
from sluice.migration.kinds.single_table.sides import Sides
from sluice.migration.kinds.single_table.wishes import Mishap, Wish, Wishes
from sluice.migration.kinds.single_table.writing import Guard, Overtaken, finish
from sluice.stores.dynamodb.values import key_from_text
from sluice.stores.dynamodb.writes import Condition


def heal(marks: ItemMarks, asked: Wishes) -> None:
    """Where a good image follows bad ones, let it also remove what the last good one had written."""
    for mishap in asked.mishaps.values():
        if mishap.reason is not None:
            continue
        poison = marks.aside.poison(mishap.key)
        for table, key in poison.stale if poison else ():
            came_from = f"{marks.name}/{mishap.key}"
            if not asked.asks_for(table, key, came_from):
                asked.add(Wish(table, key_from_text(key), None, came_from, mishap.token))


def note(client: Any, marks: ItemMarks, mishaps: Iterable[Mishap], guard: Guard) -> None:
    """Keep what became of each key. An older note never replaces a newer one. Raises Fenced."""
    for mishap in mishaps:
        before = marks.aside.poison(mishap.key)
        if mishap.reason is None and before is None:
            continue
        with suppress(Overtaken):  # a younger image has had its say
            finish(client, guard, [marks.aside.quarantine(_poison(mishap, before))])


def release(client: Any, marks: ItemMarks, sides: Sides, guard: Guard) -> None:
    """Let go of every key that has its place by now: it is looked at, since no change may tell of that. Raises Fenced.

    A place may have been free only later, an item been mended while nobody followed, or before a slow copy had noted it.
    """
    for poison in marks.aside.quarantined():
        stale = [(table, key_from_text(key)) for table, key in poison.stale]
        if is_followed(sides, key_from_text(poison.key), stale):
            unchanged = Condition("#token = :token", {"#token": "token"}, {":token": {"S": poison.token}})
            healed = marks.aside.quarantine(Poison(poison.key, "", poison.token, healed=True))
            with suppress(Overtaken):  # it is poisoned anew
                finish(client, guard, [replace(healed, condition=unchanged)])


def _poison(mishap: Mishap, before: Poison | None) -> Poison:
    if mishap.reason is None:
        return Poison(mishap.key, "", mishap.token, healed=True)
    stale = before.stale if before and not before.healed else ()
    return Poison(mishap.key, mishap.reason, mishap.token, stale=tuple(dict.fromkeys((*stale, *mishap.stale))))
