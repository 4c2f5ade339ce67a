"""Bring a table back from its export in the vault: what it takes to make it, and its items put into it.

Where the service has ImportTable it reads the same files, and is faster; this works on any engine, and needs no bucket policy.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

from sluice.errors import Terminal
from sluice.migration.kinds.dynamodb_source.exporting import data_files
from sluice.stores.dynamodb.client import speaking
from sluice.stores.dynamodb.export_lines import items_in
from sluice.stores.dynamodb.identity import identify
from sluice.stores.dynamodb.values import Item, same
from sluice.stores.dynamodb.writes import Cancelled, Condition, Put, write_one
from sluice.stores.objects import Vault

THREADS, AT_ONCE = 8, 1000
"""Writers side by side, and items that are in memory at once."""


class NotEmpty(Terminal):
    """A table of that name is there, and holds another item under the key of one that was to be brought back."""


def creation_of(described: Mapping[str, Any], *, local: bool = False) -> dict[str, Any]:
    """Give what ImportTable and CreateTable want to make such a table, from what DescribeTable says. Pure.

    `local` indexes are left out unless asked for: ImportTable does not make them, and they come with their table or never.
    """
    kinds = ["GlobalSecondaryIndexes", *(["LocalSecondaryIndexes"] if local else [])]
    indexes = {kind: [_index(one) for one in described.get(kind, [])] for kind in kinds}
    keyed = [described, *(index for found in indexes.values() for index in found)]
    keys = {key["AttributeName"] for one in keyed for key in one["KeySchema"]}
    made: dict[str, Any] = {
        "TableName": described["TableName"],
        "AttributeDefinitions": [one for one in described["AttributeDefinitions"] if one["AttributeName"] in keys],
        "KeySchema": described["KeySchema"],
        "BillingMode": "PAY_PER_REQUEST",
    }
    return made | {kind: found for kind, found in indexes.items() if found}


def _index(described: Mapping[str, Any]) -> dict[str, Any]:
    return {name: described[name] for name in ("IndexName", "KeySchema", "Projection")}


def bring_back(client: Any, vault: Vault, folder: str, table: str | None = None) -> int:
    """Make the table whose export lies in `folder` (under the name `table`, if given) and put its items in; say how many.

    Safe to repeat: what is there already is left alone. Raises NotEmpty, NoSuchKey, Throttled, DynamoDown.
    """
    creation = creation_of(json.loads(vault.get(f"{folder}/described.json"))["Table"], local=True)
    name = creation["TableName"] = table or creation["TableName"]
    if identify(client, name) is None:
        with speaking("make", name):
            client.create_table(**creation)
            client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    absent = Condition("attribute_not_exists(#key)", {"#key": creation["KeySchema"][0]["AttributeName"]})
    summary = json.loads(vault.get(f"{folder}/manifest-summary.json"))

    def put(item: Item) -> None:
        try:
            write_one(client, Put(name, item, absent))
        except Cancelled as cancelled:
            if not same(cancelled.refused[0].item, item):
                raise NotEmpty(f"{name} holds another item already: give the table another name.") from cancelled

    count = 0
    with ThreadPoolExecutor(THREADS) as pool:
        for file in data_files(vault, summary):
            items = items_in(vault.get(file["dataFileS3Key"]))
            while some := list(islice(items, AT_ONCE)):
                count += sum(1 for _ in pool.map(put, some))
    return count
