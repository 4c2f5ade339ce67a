"""What a source's stream has to tell: both images of each change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sluice.migration.engine.contract import Finding
from sluice.stores.dynamodb.client import speaking
from sluice.stores.dynamodb.streams import images_lacking


def about_stream(client: Any, table: str) -> Iterator[Finding]:
    """Say where a stream that is on already leaves one of them out."""
    with speaking("describe", table):
        told = client.describe_table(TableName=table)["Table"].get("StreamSpecification") or {}
    if lacking := images_lacking(table, told):
        yield Finding("stream_without_images", True, *lacking)
