"""Many items by their keys, in as few requests as the service allows."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

from sluice.stores.dynamodb.capacity import Units
from sluice.stores.dynamodb.client import Throttled, speaking
from sluice.stores.dynamodb.values import Item, Key, key_of, key_text
from sluice.stores.patience import PATIENT, Patience, patiently

MOST_KEYS = 100
"""That one request may name."""


def get_item(client: Any, table: str, key: Key, consistent: bool = True) -> Item | None:
    """Read one item. Raises Throttled, DynamoDown, NoSuchTable."""

    def ask() -> Any:
        with speaking(f"read {key_text(key)} of", table):
            return client.get_item(TableName=table, Key=key, ConsistentRead=consistent)

    found: Item | None = patiently(ask, Throttled).get("Item")
    return found


def get_items(
    client: Any,
    table: str,
    keys: Iterable[Key],
    consistent: bool = True,
    units: Units | None = None,
    patience: Patience = PATIENT,
) -> dict[str, Item]:
    """Read the items of `keys`, each asked for once however often it is named; by `key_text`, without those not there.

    What the service leaves unprocessed is asked for again until all is there. Raises Throttled when it leaves
    everything, again and again; DynamoDown, NoSuchTable.
    """
    wanted = {key_text(key): key for key in keys}
    found: dict[str, Item] = {}
    for part in _slices(list(wanted.values()), MOST_KEYS):
        names = tuple(part[0])
        for item in _all_of(client, table, part, consistent, units, patience):
            found[key_text(key_of(item, *names))] = item
    return found


def _all_of(
    client: Any, table: str, keys: Sequence[Key], consistent: bool, units: Units | None, patience: Patience
) -> list[Item]:
    found: list[Item] = []
    until = patience.until()
    waits = patience.waits(until)
    while keys:
        items, left = _some_of(client, table, keys, consistent, units, patience)
        found += items
        if left and len(left) < len(keys):
            waits = patience.waits(until)  # it moves: only standing still uses patience up
        if left and (wait := next(waits, None)) is None:
            raise Throttled(
                f"Table {table} left {len(left)} keys of a batch unread, again and again. Give it more capacity."
            )
        if left:
            time.sleep(wait or 0)
        keys = left
    return found


def _some_of(
    client: Any, table: str, keys: Sequence[Key], consistent: bool, units: Units | None, patience: Patience
) -> tuple[list[Item], Sequence[Key]]:
    """Ask once; give what came and the keys that were left."""
    request = {table: {"Keys": list(keys), "ConsistentRead": consistent}}
    try:
        with speaking(f"read {len(keys)} keys of", table):
            answer = client.batch_get_item(RequestItems=request, ReturnConsumedCapacity="TOTAL")
    except Throttled:
        if not patience.beyond_botocore:
            raise
        return [], keys
    if units:
        units.count(answer)
    left = (answer.get("UnprocessedKeys") or {}).get(table, {}).get("Keys", [])
    return answer.get("Responses", {}).get(table, []), left


def _slices(keys: Sequence[Key], size: int) -> list[Sequence[Key]]:
    return [keys[start : start + size] for start in range(0, len(keys), size)]
