"""The endpoint that an application talks to, and beside it, if there is one, a faster one for reads that may be old.

A DAX cluster is such a second endpoint: its client has boto3's calls. Whatever it cannot answer, the first one can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from sluice.access.breaker import Breaker, BreakerOpen
from sluice.stores.dynamodb.client import DynamoDown, Throttled, speaking
from sluice.stores.dynamodb.reads import get_items
from sluice.stores.dynamodb.values import Item, Key
from sluice.stores.dynamodb.writes import Action, Put, write_one, write_together
from sluice.stores.patience import Patience

Consistency = Literal["strong", "eventual"]
T = TypeVar("T")

# A person is waiting. What is throttled as a whole, or not answered, botocore has tried three times, and nobody tries it again.
# What it does not try, keys left unprocessed and conflicts, is tried six times more, and never when a second is over.
BRIEF = Patience(again=6, first=0.02, longest=0.4, within=1.0, beyond_botocore=False)
SIDE_BY_SIDE = 16


@dataclass(frozen=True)
class Endpoint:
    """A boto3 DynamoDB client (`stores.dynamodb.client.dynamodb_client`: three tries a call) and its breaker."""

    client: Any
    breaker: Breaker = field(default_factory=Breaker)

    def get(self, table: str, keys: Iterable[Key], consistent: bool) -> dict[str, Item]:
        """Read items by key, in batches of at most 100; by `key_text`, without those not there."""
        wanted = list(keys)
        return self.breaker.call(lambda: get_items(self.client, table, wanted, consistent, patience=BRIEF))

    def query(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Ask one Query. Raises Throttled, DynamoDown, NoSuchTable, BreakerOpen."""

        def ask() -> dict[str, Any]:
            with speaking("query", f"{asked['TableName']} {asked.get('IndexName', '')}".strip()):
                answer: dict[str, Any] = self.client.query(**asked)
                return answer

        return self.breaker.call(ask)

    def write(self, actions: Sequence[Action]) -> None:
        """Do all or none. Raises Cancelled for a condition, and after DynamoDown it may have been done."""
        self.breaker.call(lambda: write_together(self.client, actions, patience=BRIEF))

    def put(self, put: Put) -> None:
        """Write one item, at half a transaction's price. Raises as `write` does."""
        self.breaker.call(lambda: write_one(self.client, put, patience=BRIEF))


@dataclass(frozen=True)
class Store:
    """What the parts of this room read and write through. Threads may share it."""

    main: Endpoint
    fast: Endpoint | None = None
    """Another endpoint for eventually consistent reads, such as DAX."""
    _pool: list[ThreadPoolExecutor] = field(default_factory=list, repr=False, compare=False)

    def get(self, table: str, keys: Iterable[Key], consistency: Consistency) -> dict[str, Item]:
        """Read items by key."""
        wanted = list(keys)
        return self._read(consistency, lambda end: end.get(table, wanted, consistency == "strong"))

    def query(self, asked: dict[str, Any], consistency: Consistency) -> dict[str, Any]:
        """Ask one Query. An index knows eventual consistency only, and the service says so."""
        told = asked | {"ConsistentRead": consistency == "strong"}
        return self._read(consistency, lambda end: end.query(told))

    def write(self, actions: Sequence[Action]) -> None:
        """Do all or none, at the main endpoint."""
        self.main.write(actions)

    def put(self, put: Put) -> None:
        """Write one item, at the main endpoint."""
        self.main.put(put)

    def side_by_side(self, calls: Sequence[Callable[[], T]]) -> list[T]:
        """Make several calls at once, and give their results in order; the first error is raised."""
        if len(calls) < 2:
            return [call() for call in calls]
        if not self._pool:
            self._pool.append(ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="sluice-access"))
        return list(self._pool[0].map(lambda call: call(), calls))

    def _read(self, consistency: Consistency, read: Callable[[Endpoint], T]) -> T:
        if self.fast is None or consistency == "strong":
            return read(self.main)
        try:
            return read(self.fast)
        except (DynamoDown, Throttled, BreakerOpen):
            return read(self.main)
