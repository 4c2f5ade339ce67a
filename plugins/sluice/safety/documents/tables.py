"""The tables of a store, how they are reached, and the stream of each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sluice.stores.dynamodb.client import speaking
from sluice.stores.dynamodb.clock import store_clock
from sluice.stores.dynamodb.streams import ImagesLacking, Stream, StreamGone, TableStream

BOTH, NEW = "NEW_AND_OLD_IMAGES", "NEW_IMAGE"
YOUNGER = timedelta(seconds=2)
"""How much later than a read a moment is by which it was surely over: clock and stream both tell whole seconds."""


@dataclass(frozen=True)
class Clients:
    """The services that know something of a table. None: there is no such service here."""

    dynamodb: Any
    streams: Any
    scaling: Any = None
    """boto3's for `application-autoscaling`."""
    alarms: Any = None
    """boto3's for `cloudwatch`."""


@dataclass(frozen=True)
class Tables:
    """The tables of one store of the estate."""

    store: str
    names: tuple[str, ...]
    clients: Clients

    def now(self) -> datetime:
        """What time it is at the service, to the second. Raises DynamoDown, NoSuchTable."""
        return store_clock(self.clients.dynamodb, self.names[0])

    def described(self, table: str) -> dict[str, Any]:
        """Give what DescribeTable says. Raises NoSuchTable, DynamoDown."""
        with speaking("describe", table):
            found: dict[str, Any] = self.clients.dynamodb.describe_table(TableName=table)["Table"]
        return found

    def stream(self, table: str) -> Streamed:
        """Give the stream of a table. Raises StreamGone where it is off, ImagesLacking, NoSuchTable."""
        found = self.described(table)
        told = found.get("StreamSpecification") or {}
        if not told.get("StreamEnabled"):
            raise StreamGone(
                f"Table {table} has no stream, and its backups need the log of one: switch it on with {BOTH}, then take a backup."
            )
        if (images := told.get("StreamViewType")) not in (BOTH, NEW):
            raise ImagesLacking(
                f"The stream of {table} tells {images}, and what an item became cannot be read out of that: switch it off and on"
                f" again with {BOTH} (whoever reads it must agree), then take a backup."
            )
        arn = found["LatestStreamArn"]
        return Streamed(TableStream(self.clients.streams, table, arn), arn, images == BOTH)


@dataclass(frozen=True)
class Streamed:
    """A stream that can be shipped."""

    stream: Stream
    arn: str
    both: bool
    """Whether it tells what an item was as well as what it became."""
