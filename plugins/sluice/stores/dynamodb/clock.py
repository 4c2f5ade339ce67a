"""What time it is at the store: ages are measured by one clock, and never by that of whoever happens to ask."""

from __future__ import annotations

from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from sluice.stores.dynamodb.client import speaking


def store_clock(client: Any, table: str) -> datetime:
    """Give the time, to the second, by the head of an answer of the service. Raises DynamoDown, NoSuchTable."""
    with speaking("ask for the time of", table):
        answer = client.describe_table(TableName=table)
    return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
