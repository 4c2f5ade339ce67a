"""What a source's stream has to tell: both images of each change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sluice.migration.engine.contract import Finding
from sluice.stores.dynamodb.client import speaking
from sluice.stores.dynamodb.tables import IMAGES


def about_stream(client: Any, table: str) -> Iterator[Finding]:
    """Say where a stream that is on already leaves one of them out."""
    with speaking("describe", table):
        told = client.describe_table(TableName=table)["Table"].get("StreamSpecification") or {}
    if told.get("StreamEnabled") and told.get("StreamViewType") != IMAGES:
        yield Finding(
            "stream_without_images",
            True,
            f"The stream of {table} holds {told.get('StreamViewType')}, and the old image is needed as well as the new.",
            f"Whoever reads it must agree to {IMAGES}: switch it off and on again with that.",
        )
