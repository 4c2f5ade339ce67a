"""The DynamoDB of our own, with streams. A store that matters is behind a connection: `dynamodb_tyler` is this one.

It holds everything in memory and writes it to disk when it is told to end: `stop` and start again lose no table and no
item, but the streams' records are gone, so a reader that had not read them is told that the stream is trimmed. **Killed,
it loses all since it was last stopped.** It removes expired items once a minute, without a record in the stream.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from sluice.local.ministack import Ministack


@dataclass(frozen=True)
class DocumentStore(Ministack):
    """A DynamoDB in `folder`, on 127.0.0.1:`port`."""

    name: ClassVar[str] = "dynamodb"
    title: ClassVar[str] = "DynamoDB"
    # It writes all it holds before it ends, and reads all before it begins: some ten thousand items a second. Cut short
    # in writing, it would come back as it was at the stop before.
    patience: ClassVar[float] = 300

    def streams(self) -> Any:
        """Give a boto3 client for its streams."""
        return self.client("dynamodbstreams")

    def _program(self) -> list[str]:
        # -P: what lies beside the script is not the engine's, least of all a module of its name.
        return ["-P", str(Path(__file__).with_name("ministack_scan.py"))]

    def _service(self) -> dict[str, str]:
        return {"SERVICES": "dynamodb,dynamodbstreams,iam,sts"}
