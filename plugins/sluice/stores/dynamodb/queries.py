"""All items of one partition, page after page: of a table, read consistently, or of an index, as far as it has followed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from sluice.stores.dynamodb.client import Throttled, speaking
from sluice.stores.dynamodb.values import Item, Key
from sluice.stores.patience import PATIENT, Patience, patiently


def query_items(
    client: Any, table: str, partition: Key, sort: str, prefix: str, patience: Patience = PATIENT
) -> Iterator[Item]:
    """Give the items of `partition` whose attribute `sort` begins with `prefix`, in order.

    Raises Throttled when patience ends, DynamoDown, NoSuchTable.
    """
    ((name, value),) = partition.items()
    asked: dict[str, Any] = {
        "TableName": table,
        "KeyConditionExpression": "#partition = :partition AND begins_with(#sort, :prefix)",
        "ExpressionAttributeNames": {"#partition": name, "#sort": sort},
        "ExpressionAttributeValues": {":partition": value, ":prefix": {"S": prefix}},
        "ConsistentRead": True,
    }
    return _all_pages(client, asked, patience)


def query_index(
    client: Any, table: str, index: str, partition: Key, most: int | None = None, patience: Patience = PATIENT
) -> Iterator[Item]:
    """Give what an index has of `partition`, in order, `most` items to a page. It follows the table, so it may be behind.

    Raises Throttled when patience ends, DynamoDown, NoSuchTable.
    """
    ((name, value),) = partition.items()
    asked: dict[str, Any] = {
        "TableName": table,
        "IndexName": index,
        "KeyConditionExpression": "#partition = :partition",
        "ExpressionAttributeNames": {"#partition": name},
        "ExpressionAttributeValues": {":partition": value},
    }
    return _all_pages(client, asked | ({"Limit": most} if most else {}), patience)


def _all_pages(client: Any, asked: dict[str, Any], patience: Patience) -> Iterator[Item]:
    while True:
        answer = patiently(partial(_ask, client, asked), Throttled, patience)
        yield from answer["Items"]
        if not (last := answer.get("LastEvaluatedKey")):
            return
        asked = {**asked, "ExclusiveStartKey": last}


def _ask(client: Any, asked: dict[str, Any]) -> Any:
    with speaking("query", asked["TableName"]):
        return client.query(**asked)
