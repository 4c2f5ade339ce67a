"""A table's stream of changes: its shards, and their records in order, from any position on.

A record is kept for 24 hours. Records of one key are in order, and a shard is read only when its parents are finished,
because a key's later records may be in a child.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

from sluice.errors import Terminal
from sluice.stores.aws import code_of
from sluice.stores.dynamodb.client import NoSuchTable, Throttled, speaking
from sluice.stores.dynamodb.tables import IMAGES
from sluice.stores.dynamodb.values import Item, Key
from sluice.stores.patience import PATIENT, Patience, patiently

Kind = Literal["INSERT", "MODIFY", "REMOVE"]
KEPT = timedelta(hours=23)
"""How long what nobody has read is sure to be there still: a stream keeps a day."""
_DIGITS = 40
_EXPIRY = "dynamodb.amazonaws.com"


class Trimmed(Terminal):
    """What follows the position is no longer there: changes were lost to the reader, and the gap must be copied again."""


class StreamGone(Terminal):
    """The stream was switched off, or its table is gone."""


class ImagesLacking(Terminal):
    """The stream leaves an image out: a reader would take a change for another, and one of its own for nobody's."""


def padded(sequence: str) -> str:
    """Give a sequence number as text that sorts like the number. As the service gives it, "9" sorts after "10"."""
    return sequence.zfill(_DIGITS)


@dataclass(frozen=True)
class Change:
    """One change of one item. `at` is when it was made, to the second; `expired`: the table's TTL did it, nobody else."""

    key: Key
    kind: Kind
    old: Item | None
    new: Item | None
    sequence: str
    at: datetime
    expired: bool = False

    @property
    def order(self) -> str:
        """Its place among the changes of its key, as text that sorts."""
        return padded(self.sequence)


@dataclass(frozen=True)
class Shard:
    """A part of a stream. `ended`: nothing is added to it any more; what it holds may be unread yet."""

    id: str
    parent: str | None = None
    ended: bool = False


@dataclass(frozen=True)
class StreamPage:
    """Changes of one shard in order. Read on from `position`; `ended`: the shard holds no more and never will."""

    changes: tuple[Change, ...]
    position: str | None
    ended: bool


class Stream(Protocol):
    """What a reader of changes needs, and all that it needs."""

    @property
    def arn(self) -> str:
        """The stream's identity: one that was switched off and on again has another."""

    def shards(self) -> tuple[Shard, ...]:
        """Give every shard that is there now."""

    def read(self, shard_id: str, after: str | None, limit: int = 1000) -> StreamPage:
        """Read on after a sequence number; None is the oldest record there is. A page may be empty and not the last.

        Raises Trimmed, StreamGone, Throttled, DynamoDown.
        """

    def from_now(self, shard_id: str) -> Callable[[], StreamPage]:
        """Give what reads on, page after page, after all that a shard holds at this moment.

        What it gives raises StreamGone, Throttled, DynamoDown.
        """


def readable(shards: Sequence[Shard], finished: Collection[str]) -> tuple[Shard, ...]:
    """Give the shards that may be read now: not finished, and their parents finished or trimmed away."""
    there = {shard.id for shard in shards}
    waiting = there - set(finished)
    return tuple(shard for shard in shards if shard.id in waiting and shard.parent not in waiting)


def lost_shards(shards: Sequence[Shard], finished: Mapping[str, bool]) -> list[str]:
    """Name the shards of which something was never read and is gone. `finished` tells of those that a reader knows.

    A known one that is there no more; and one that came and went unread, of which its child alone tells. The parent of a shard
    that is known was gone before that, as every stream's is that is older than a day, and is missed by nobody.
    """
    there = {shard.id for shard in shards}
    fresh = [shard.parent for shard in shards if shard.id not in finished and shard.parent]
    gone = [name for name, over in finished.items() if not over and name not in there]
    return sorted({*gone, *(parent for parent in fresh if parent not in there and parent not in finished)})


def is_forgotten(stream: Stream, shard_id: str, after: str | None) -> bool:
    """Tell whether a shard no longer has what followed a sequence number."""
    try:
        stream.read(shard_id, after)
    except Trimmed:
        return True
    return False


def open_stream(client: Any, streams: Any, table: str) -> TableStream:
    """Give the stream of a table. Raises StreamGone when it has none, ImagesLacking, NoSuchTable, DynamoDown."""
    with speaking("describe", table):
        found = client.describe_table(TableName=table)["Table"]
    told = found.get("StreamSpecification") or {}
    if not told.get("StreamEnabled"):
        raise StreamGone(f"Table {table} has no stream. Turn on one with new and old images, and capture anew.")
    if lacking := images_lacking(table, told):
        raise ImagesLacking(" ".join(lacking))
    return TableStream(streams, table, found["LatestStreamArn"])


def images_lacking(table: str, told: Mapping[str, Any]) -> tuple[str, str] | None:
    """Say what a stream that is on leaves out, by its `StreamSpecification`, and what to do; None where it tells both images."""
    if not told.get("StreamEnabled") or told.get("StreamViewType") == IMAGES:
        return None
    return (
        f"The stream of {table} holds {told.get('StreamViewType')}, and the old image is needed as well as the new.",
        f"Whoever reads it must agree to {IMAGES}: switch it off and on again with that.",
    )


@dataclass
class TableStream:
    """The stream of a DynamoDB table, through a `dynamodbstreams` client. One thread reads a shard at a time."""

    client: Any
    table: str
    arn: str
    patience: Patience = PATIENT
    # Where the service would read on, by shard: asking for an iterator anew costs a request, and on a long stream more.
    _next: dict[str, tuple[str | None, str]] = field(default_factory=dict)

    def shards(self) -> tuple[Shard, ...]:
        """Give every shard that is there now."""
        found: list[Shard] = []
        asked: dict[str, Any] = {"StreamArn": self.arn}
        while True:
            answer = self._asked("describe_stream", "list the shards of the stream of", **asked)["StreamDescription"]
            found += [_shard(one) for one in answer["Shards"]]
            if not (last := answer.get("LastEvaluatedShardId")):
                return tuple(found)
            asked["ExclusiveStartShardId"] = last

    def read(self, shard_id: str, after: str | None, limit: int = 1000) -> StreamPage:
        """Read on after a sequence number; None is the oldest record there is."""
        position, iterator = self._next.pop(shard_id, (after, None))
        if iterator is None or position != after:
            iterator = self._iterator(shard_id, after)
        try:
            answer = self._records(iterator, limit)
        except _Expired:
            answer = self._records(self._iterator(shard_id, after), limit)
        changes = tuple(_change(record) for record in answer["Records"])
        position = changes[-1].sequence if changes else after
        following = answer.get("NextShardIterator")
        if following:
            self._next[shard_id] = position, following
        return StreamPage(changes, position, ended=not following)

    def from_now(self, shard_id: str) -> Callable[[], StreamPage]:
        """Give what reads on after all that a shard holds at this moment; a quarter of an hour after a page, no more."""
        iterator: str | None = self._asked_iterator(shard_id, ShardIteratorType="LATEST")

        def read() -> StreamPage:
            nonlocal iterator
            if iterator is None:
                return StreamPage((), None, ended=True)
            answer = self._records(iterator, 1000)
            iterator = answer.get("NextShardIterator")
            changes = tuple(map(_change, answer["Records"]))
            return StreamPage(changes, changes[-1].sequence if changes else None, ended=iterator is None)

        return read

    def _iterator(self, shard_id: str, after: str | None) -> str:
        if after is None:
            return self._asked_iterator(shard_id, ShardIteratorType="TRIM_HORIZON")
        return self._asked_iterator(shard_id, ShardIteratorType="AFTER_SEQUENCE_NUMBER", SequenceNumber=after)

    def _asked_iterator(self, shard_id: str, **where: str) -> str:
        asked = {"StreamArn": self.arn, "ShardId": shard_id, **where}
        try:
            answer = self._asked("get_shard_iterator", f"read shard {shard_id} of the stream of", **asked)
        except StreamGone as error:
            if shard_id not in {shard.id for shard in self.shards()}:
                raise Trimmed(f"Shard {shard_id} of the stream of {self.table} is trimmed away. {_MEND}") from error
            raise
        return str(answer["ShardIterator"])

    def _records(self, iterator: str, limit: int) -> Any:
        return self._asked("get_records", "read the stream of", ShardIterator=iterator, Limit=limit)

    def _asked(self, call: str, doing: str, **asked: Any) -> Any:
        """Call the service, waiting out throttling, and tell what is lost from what is only late."""
        return patiently(lambda: self._ask(call, doing, asked), Throttled, self.patience)

    def _ask(self, call: str, doing: str, asked: dict[str, Any]) -> Any:
        from botocore.exceptions import ClientError

        try:
            with speaking(doing, self.table):
                try:
                    return getattr(self.client, call)(**asked)
                except ClientError as error:
                    if code_of(error) == "TrimmedDataAccessException":
                        raise Trimmed(f"The stream of {self.table} is trimmed past the position. {_MEND}") from error
                    if code_of(error) == "ExpiredIteratorException":
                        raise _Expired(f"An iterator of the stream of {self.table} has expired.") from error
                    raise
        except NoSuchTable as error:
            raise StreamGone(f"The stream {self.arn} is gone. Turn it on again, and capture and copy anew.") from error


_MEND = "Changes were lost to this reader: copy the gap again, a retry is not enough."


class _Expired(Terminal):
    """An iterator lives a quarter of an hour."""


def _shard(told: dict[str, Any]) -> Shard:
    ended = bool(told.get("SequenceNumberRange", {}).get("EndingSequenceNumber"))
    return Shard(told["ShardId"], told.get("ParentShardId"), ended)


def _change(record: dict[str, Any]) -> Change:
    told = record["dynamodb"]
    who = record.get("userIdentity") or {}
    return Change(
        key=told["Keys"],
        kind=record["eventName"],
        old=told.get("OldImage"),
        new=told.get("NewImage"),
        sequence=told["SequenceNumber"],
        at=told["ApproximateCreationDateTime"],
        expired=who.get("Type") == "Service" and who.get("PrincipalId") == _EXPIRY,
    )
