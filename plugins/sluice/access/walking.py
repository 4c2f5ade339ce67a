"""Walking through partitions in order, several side by side, from any place in between.

One list is spread over hash buckets, so that no partition is hot; its reader merges them. A *place* is what must be
remembered to go on: the sort value of the last item given, and, of each bucket that gave one with that value, its last
key. Nothing is remembered of items, so what is inserted, changed or deleted meanwhile cannot shift the others: an item
that stays, and keeps its sort value, is given once. It holds with any order in which the service keeps equal sort
values, as long as it keeps one.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from sluice.access.store import Consistency, Store
from sluice.stores.dynamodb.values import Item, Key, Value

MOST_AT_ONCE = 500
MOST_STAGES = 16


@dataclass(frozen=True)
class Index:
    """A table or one of its indexes: the attribute that partitions it and the one that orders it."""

    table: str
    partition: str
    sort: str
    name: str | None = None
    """The index; None is the table itself."""
    table_key: tuple[str, ...] = ("PK", "SK")


@dataclass(frozen=True)
class Question:
    """What is walked through. `stages` come one after the other (months); a stage's partitions side by side (buckets)."""

    index: Index
    stages: tuple[tuple[str, ...], ...]
    low: Value | None = None
    """The least sort value, included."""
    high: Value | None = None
    """The greatest, included."""
    newest_first: bool = False
    """Whether from the greatest to the least; the stages are then given in that order, too."""
    where: Item = field(default_factory=dict)
    """Attributes that must be equal. What is not costs a read all the same."""
    consistency: Consistency = "eventual"


@dataclass(frozen=True)
class Place:
    """Where a walk stands."""

    stage: int = 0
    at: Value | None = None
    keys: dict[int, list[Value]] = field(default_factory=dict)

    def past(self, bucket: int, item: Item, index: Index) -> Place:
        """Give the place behind `item` of `bucket`."""
        at, key = item[index.sort], [item[name] for name in index.table_key]
        same = self.at is not None and order(at) == order(self.at)
        return Place(self.stage, at, {**self.keys, bucket: key} if same else {bucket: key})

    def told(self) -> list[Any]:
        """Give it as JSON knows it."""
        return [self.stage, self.at, {str(bucket): key for bucket, key in self.keys.items()}]

    @classmethod
    def read(cls, told: list[Any]) -> Place:
        """Read what `told` gave."""
        return cls(told[0], told[1], {int(bucket): key for bucket, key in told[2].items()})


def walk(store: Store, question: Question, place: Place, ahead: int) -> Iterator[tuple[Item, Place]]:
    """Give each item behind `place`, and the place behind it. About `ahead` items are read at a time, over all buckets.

    Where nothing was found the stages after it are begun side by side, twice as many each time: a time with little in it is
    many stages, and each costs a round.
    """
    stage, together = place.stage, 1
    while stage < len(question.stages):
        places = [
            place if one == place.stage else Place(one)
            for one in range(stage, min(stage + together, len(question.stages)))
        ]
        found = False
        for here, merged in zip(places, _begun(store, question, places, ahead), strict=True):
            for bucket, item in merged:
                found, here = True, here.past(bucket, item, question.index)
                yield item, here
        stage, together = stage + len(places), 1 if found else min(2 * together, MOST_STAGES)


def order(value: Value) -> Any:
    """Give what sorts as DynamoDB sorts: text by its UTF-8 bytes (so do Python's code points), numbers by value."""
    ((form, content),) = value.items()
    return Decimal(content) if form == "N" else content


def _begun(store: Store, question: Question, places: list[Place], ahead: int) -> Iterator[Iterator[tuple[int, Item]]]:
    """Begin to read each place's stage, all side by side; give the items of each in order."""
    stages = []
    for place in places:
        buckets = range(len(question.stages[place.stage]))
        size = min(MOST_AT_ONCE, ahead * 5 // (4 * len(buckets)) + 2)
        stages.append([_Head(store, _asked(question, place, one, size), question.consistency) for one in buckets])
    store.side_by_side([head.fill for heads in stages for head in heads])
    return (_merged(question, heads) for heads in stages)


def _merged(question: Question, heads: list[_Head]) -> Iterator[tuple[int, Item]]:
    return heapq.merge(
        *(head.numbered(bucket) for bucket, head in enumerate(heads)),
        key=lambda found: order(found[1][question.index.sort]),
        reverse=question.newest_first,
    )


class _Head:
    """One partition, read a piece at a time."""

    def __init__(self, store: Store, asked: dict[str, Any], consistency: Consistency) -> None:
        self._store, self._asked, self._consistency = store, asked, consistency
        self._items: deque[Item] = deque()
        self._done = False

    def fill(self) -> None:
        """Read until there is an item, or no more."""
        while not self._items and not self._done:
            answer = self._store.query(self._asked, self._consistency)
            self._items.extend(answer["Items"])
            # A piece may be empty and not the last: all of it was filtered away.
            self._asked = self._asked | {"ExclusiveStartKey": answer.get("LastEvaluatedKey")}
            self._done = "LastEvaluatedKey" not in answer

    def numbered(self, bucket: int) -> Iterator[tuple[int, Item]]:
        """Give the items, each with the bucket's number."""
        while self._items or not self._done:
            self.fill()
            while self._items:
                yield bucket, self._items.popleft()


def _asked(question: Question, place: Place, bucket: int, size: int) -> dict[str, Any]:
    """Give the Query of one partition: what is behind `place`."""
    index, partition = question.index, question.stages[place.stage][bucket]
    span = _narrowed(question, place.at)
    names, values = {"#p": index.partition}, {":p": {"S": partition}}
    condition = "#p = :p"
    if bounds := _bounds(span):
        condition += f" AND #s {bounds}"
        names["#s"] = index.sort
        values |= {name: value for name, value in ((":low", span.low), (":high", span.high)) if value}
    asked: dict[str, Any] = {"TableName": index.table, "ScanIndexForward": not question.newest_first, "Limit": size}
    asked |= {"IndexName": index.name} if index.name else {}
    asked |= {"ExclusiveStartKey": _start(index, partition, place, bucket)} if bucket in place.keys else {}
    filters = []
    for number, (name, value) in enumerate(sorted(question.where.items())):
        filters.append(f"#f{number} = :f{number}")
        names[f"#f{number}"], values[f":f{number}"] = name, value
    asked |= {"FilterExpression": " AND ".join(filters)} if filters else {}
    return asked | {
        "KeyConditionExpression": condition,
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
    }


def _narrowed(question: Question, at: Value | None) -> Question:
    if at is None:
        return question
    return replace(question, high=at) if question.newest_first else replace(question, low=at)


def _bounds(span: Question) -> str:
    if span.low and span.high:
        return "BETWEEN :low AND :high"
    return ">= :low" if span.low else "<= :high" if span.high else ""


def _start(index: Index, partition: str, place: Place, bucket: int) -> Key:
    key = dict(zip(index.table_key, place.keys[bucket], strict=True))
    assert place.at is not None
    return {**key, index.partition: {"S": partition}, index.sort: place.at}
