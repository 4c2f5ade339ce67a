"""Fill the five legacy tables, a batch after another on a few threads."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sluice.errors import Terminal
from sluice.local.tyler.dirt import legacy_item, poisons
from sluice.local.tyler.shape import LEGACY
from sluice.stores.dynamodb.applying import apply_tables
from sluice.stores.dynamodb.client import speaking
from sluice.stores.dynamodb.tables import TableDefinition
from sluice.stores.dynamodb.values import Item, size_of

BATCH, THREADS, TRIES = 25, 3, 100
SAY_EVERY = 5.0
Say = Callable[[str], None]


class NotSeeded(Terminal):
    """The store leaves items of a batch undone, again and again."""


def counts_of(items: int) -> dict[str, int]:
    """Give how many items each table has of so many, poisoned ones apart."""
    return {table: max(10, round(items * legacy.share)) for table, legacy in LEGACY.items()}


def seeded_counts(client: Any) -> dict[str, int]:
    """Give how many numbered items each table was seeded with, by the service's own count."""
    poisoned = Counter(poison.table for poison in poisons())
    told = {table: client.describe_table(TableName=table)["Table"]["ItemCount"] for table in LEGACY}
    return {table: count - poisoned[table] for table, count in told.items()}


def make_tables(client: Any) -> None:
    """Make the legacy tables: no stream, no index, as they always were."""
    apply_tables(client, tuple(TableDefinition(legacy.table, legacy.key) for legacy in LEGACY.values()))


def seed(client: Any, items: int, say: Say) -> int:
    """Put the items; gives how many. Raises NotSeeded, Throttled, DynamoDown."""
    counts = counts_of(items)
    total, began, spoke = sum(counts.values()), time.monotonic(), time.monotonic()
    done = 0
    with ThreadPoolExecutor(THREADS) as pool:
        for put in pool.map(lambda batch: _put(client, *batch), _batches(counts)):
            done += put
            if time.monotonic() - spoke > SAY_EVERY:
                spoke, rate = time.monotonic(), done / (time.monotonic() - began)
                say(f"  seeded {done:,} of {total:,} items, {rate:,.0f} a second, ETA {(total - done) / rate:.0f} s")
    for poison in poisons():
        client.put_item(TableName=poison.table, Item=poison.item)
    say(f"{total:,} items seeded in {time.monotonic() - began:.0f} s, and {len(poisons())} that cannot be mapped")
    return total + len(poisons())


def _batches(counts: dict[str, int]) -> Iterator[tuple[str, range]]:
    for table, count in counts.items():
        for start in range(0, count, BATCH):
            yield table, range(start, min(start + BATCH, count))


def _put(client: Any, table: str, numbers: Sequence[int]) -> int:
    left = [{"PutRequest": {"Item": item}} for item in _fitting(table, numbers)]
    for attempt in range(TRIES):
        with speaking("write to", table):
            left = client.batch_write_item(RequestItems={table: left}).get("UnprocessedItems", {}).get(table, [])
        if not left:
            return len(numbers)
        time.sleep(min(0.02 * 2**attempt, 1.0))
    raise NotSeeded(f"{table} left {len(left)} items of a batch unwritten, {TRIES} times. Is there room?")


def _fitting(table: str, numbers: Sequence[int]) -> list[Item]:
    items = [legacy_item(table, number) for number in numbers]
    assert sum(map(size_of, items)) < 16_000_000  # what one batch may have
    return items
