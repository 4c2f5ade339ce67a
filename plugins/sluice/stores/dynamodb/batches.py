"""Puts and deletions without a condition, 25 to a request, several requests at once: for tables that nobody else writes to.

Not all or nothing: what the service leaves of a request is asked again until all is done. A repetition is harmless, as nobody
looks at what stood there before.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

from sluice.stores.dynamodb.actions import Delete, Put
from sluice.stores.dynamodb.client import Throttled, speaking
from sluice.stores.patience import PATIENT, Patience

MOST = 25
"""Of one request."""
THREADS, AT_ONCE = 4, 1000
"""Requests side by side, and actions that are in memory at once."""


def write_batches(client: Any, table: str, actions: Iterable[Put | Delete], patience: Patience = PATIENT) -> int:
    """Do all the actions, each of another key, in no order; gives how many. Safe to repeat.

    Raises Throttled when the table leaves all of a request, again and again; DynamoDown, NoSuchTable.
    """
    done = 0
    with ThreadPoolExecutor(THREADS) as pool:
        waiting = iter(actions)
        while some := list(islice(waiting, AT_ONCE)):
            list(pool.map(lambda batch: _write(client, table, batch, patience), _batches(some)))
            done += len(some)
    return done


def _write(client: Any, table: str, batch: list[dict[str, Any]], patience: Patience) -> None:
    waits = patience.waits(patience.until())
    left = batch
    while left:
        before = len(left)
        left = _some(client, table, left)
        if len(left) < before:
            waits = patience.waits(patience.until())  # it moves: only standing still uses patience up
        if left and (wait := next(waits, None)) is None:
            raise Throttled(
                f"Table {table} left {len(left)} writes of a batch undone, again and again. Give it more capacity."
            )
        if left:
            time.sleep(wait or 0)


def _some(client: Any, table: str, batch: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Ask once; give what was left."""
    try:
        with speaking(f"write {len(batch)} items to", table):
            answer = client.batch_write_item(RequestItems={table: batch})
    except Throttled:
        return batch
    left: list[dict[str, Any]] = (answer.get("UnprocessedItems") or {}).get(table, [])
    return left


def _batches(actions: list[Put | Delete]) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, len(actions), MOST):
        yield [_request(action) for action in actions[start : start + MOST]]


def _request(action: Put | Delete) -> dict[str, Any]:
    return {"PutRequest": {"Item": action.item}} if isinstance(action, Put) else {"DeleteRequest": {"Key": action.key}}
