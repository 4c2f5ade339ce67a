"""Delete from the table what the vault holds: each record for its own line, just read back, and only while it still is that.

The condition of a delete names every attribute that was stored. What was changed since stays in the table, and goes into another
round. DynamoDB has no condition for "and has no other attribute", so each record is looked at once more before its own delete.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeAlias

from sluice.failpoints import failpoint
from sluice.stores.dynamodb.capacity import AdaptiveRate
from sluice.stores.dynamodb.reads import get_item
from sluice.stores.dynamodb.values import Item, key_of, same
from sluice.stores.dynamodb.writes import Cancelled, Condition, Delete, write_one
from sluice.stores.objects import Vault
from sluice.upkeep.items.place import Place
from sluice.upkeep.items.reading_back import read_part
from sluice.upkeep.items.rounds import Part, Round

THREADS, AT_ONCE = 8, 200
Counted: TypeAlias = Mapping[str, int]


def delete_month(place: Place, round_: Round, check: Callable[[], object]) -> Round:
    """Delete the records of a round, and note what became of each file's. Safe to repeat.

    `check` is called before each lot, and raises where it is not to go on. Raises Damaged, NoSuchKey, VaultDown, Throttled,
    DynamoDown.
    """
    rate = AdaptiveRate()
    parts = round_.manifest.parts
    for part in parts:
        if not round_.has(round_.name(part)):
            counted = _delete_file(place, round_.vault, part, rate, check)
            failpoint("items.file_deleted")
            round_ = round_.note(round_.name(part), dict(counted))
    whole: Counter[str] = Counter()
    for part in parts:
        whole.update(round_.read(round_.name(part)))
    return round_.note("done", {"deleted": 0, "gone": 0, "changed": 0, **whole})


def _delete_file(
    place: Place, vault: Vault, part: Part, rate: AdaptiveRate, check: Callable[[], object]
) -> Counter[str]:
    counted: Counter[str] = Counter()
    left = iter(read_part(vault, part))
    failpoint("items.deleting")
    with ThreadPoolExecutor(THREADS) as pool:
        while some := list(islice(left, AT_ONCE)):
            check()
            counted.update(pool.map(lambda stored: _delete(place, rate, stored), some))
            failpoint("items.deleted")
    return counted


def _delete(place: Place, rate: AdaptiveRate, stored: Item) -> str:
    """Delete one record; tell what became of it: `deleted`, `gone` before, or `changed` and left alone."""
    key = key_of(stored, *place.key_names)
    now = get_item(place.client, place.table, key)
    if now is None:
        return "gone"
    if not same(stored, now):
        return "changed"
    try:
        write_one(place.client, Delete(place.table, key, unchanged(stored)), rate=rate)
    except Cancelled as cancelled:
        if not cancelled.only_conditions:
            raise
        return "changed" if cancelled.refused[0].item else "gone"
    return "deleted"


def unchanged(item: Item) -> Condition:
    """Give the condition that a record has every attribute as it was stored."""
    names = {f"#a{number}": name for number, name in enumerate(item)}
    values: dict[str, Any] = {f":a{number}": value for number, value in enumerate(item.values())}
    parts = []
    for number, value in enumerate(item.values()):
        if "NULL" in value:
            parts.append(f"attribute_type(#a{number}, :a{number})")
            values[f":a{number}"] = {"S": "NULL"}
        else:
            parts.append(f"#a{number} = :a{number}")
    return Condition(" AND ".join(parts), names, values)
