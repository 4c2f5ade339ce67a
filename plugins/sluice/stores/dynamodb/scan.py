"""One page of a parallel scan, always read consistently.

An eventually consistent page may lack a write that the stream has told of already: the copy would then put an old item
beside a new one and nobody would ever mend it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sluice.stores.dynamodb.client import Throttled, speaking
from sluice.stores.dynamodb.values import Item, Key
from sluice.stores.patience import PATIENT, Patience, patiently


@dataclass(frozen=True)
class Page:
    """Items of one segment. `next_key` None: the segment is at its end. `units` are the read units it cost."""

    items: tuple[Item, ...]
    next_key: Key | None
    units: float


def scan_page(
    client: Any,
    table: str,
    segment: int = 0,
    of: int = 1,
    after: Key | None = None,
    limit: int | None = None,
    patience: Patience = PATIENT,
) -> Page:
    """Read the page of `segment` (0 to `of` - 1) that follows `after`: up to `limit` items, or 1 MB.

    A page may be empty and not be the last. Raises Throttled when patience ends, DynamoDown, NoSuchTable.
    """
    asked: dict[str, Any] = {
        "TableName": table, "Segment": segment, "TotalSegments": of,
        "ConsistentRead": True, "ReturnConsumedCapacity": "TOTAL",
    }  # fmt: skip
    asked |= {"ExclusiveStartKey": after} if after else {}
    asked |= {"Limit": limit} if limit else {}

    def ask() -> Any:
        with speaking(f"scan segment {segment} of {of} of", table):
            return client.scan(**asked)

    answer = patiently(ask, Throttled, patience)
    units = answer.get("ConsumedCapacity", {}).get("CapacityUnits", 0.0)
    return Page(tuple(answer["Items"]), answer.get("LastEvaluatedKey"), float(units))
