"""What the engine owes: the semantics of DynamoDB that everything here leans on, asked of whichever is configured.

A release that lies is found here, and so is an endpoint that is not good enough: see tests/documents.py.
"""

from __future__ import annotations

import os
import time
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError
from sluice.local.documents import DocumentStore
from sluice.local.ports import free_port
from sluice.stores.dynamodb.streams import Trimmed, open_stream, padded
from sluice.stores.dynamodb.tables import Index
from sluice.stores.dynamodb.values import key_from_text, key_text


@pytest.fixture(scope="module")
def client(documents):
    return documents.client()


@pytest.fixture(scope="module")
def streams(documents):
    return documents.streams()


@pytest.fixture
def table(make_table) -> str:
    return make_table("PK", "SK")


def key(pk: str, sk: str = "METADATA") -> dict:
    return {"PK": {"S": pk}, "SK": {"S": sk}}


def item(pk: str, sk: str = "METADATA", **attributes) -> dict:
    return {**key(pk, sk), **attributes}


def stored(client, table, *pk_sk: str) -> dict | None:
    return client.get_item(TableName=table, Key=key(*pk_sk), ConsistentRead=True).get("Item")


def code_of(refused) -> str:
    return refused.value.response["Error"]["Code"]


def put(table: str, what: dict, **rest) -> dict:
    return {"Put": {"TableName": table, "Item": what, **rest}}


ABSENT = {"ConditionExpression": "attribute_not_exists(PK)", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}


def test_a_conditional_put_is_refused_and_shows_what_stood_in_the_way(client, table) -> None:
    client.put_item(TableName=table, Item=item("a", n={"N": "1"}), **ABSENT)
    with pytest.raises(ClientError) as refused:
        client.put_item(TableName=table, Item=item("a", n={"N": "2"}), **ABSENT)
    assert code_of(refused) == "ConditionalCheckFailedException"
    assert refused.value.response["Item"] == item("a", n={"N": "1"}) == stored(client, table, "a")


def test_a_token_only_rises_and_an_item_without_one_is_never_older(client, table) -> None:
    """Why the copy stamps a token of zeros: `token < :t` is false where there is none."""

    def write(token: str) -> None:
        client.put_item(
            TableName=table, Item=item("a", t={"S": token}), ConditionExpression="attribute_not_exists(PK) OR t < :t",
            ExpressionAttributeValues={":t": {"S": token}},
        )  # fmt: skip

    write("0#5")
    write("0#6")
    for late in ("0#6", "0#5"):
        with pytest.raises(ClientError):
            write(late)
    client.put_item(TableName=table, Item=item("a"))
    with pytest.raises(ClientError):
        write("9#9")


def test_a_transaction_is_all_or_nothing_and_says_which_action_failed(client, table) -> None:
    client.put_item(TableName=table, Item=item("there", n={"N": "1"}))
    actions = [put(table, item("new"), **ABSENT), put(table, item("there"), **ABSENT), put(table, item("other"))]
    with pytest.raises(ClientError) as refused:
        client.transact_write_items(TransactItems=actions)
    assert code_of(refused) == "TransactionCanceledException"
    reasons = refused.value.response["CancellationReasons"]
    assert [reason["Code"] for reason in reasons] == ["None", "ConditionalCheckFailed", "None"]
    assert reasons[1]["Item"] == item("there", n={"N": "1"})
    assert stored(client, table, "new") is stored(client, table, "other") is None


def test_a_check_writes_nothing_and_holds_the_transaction(client, table) -> None:
    check = {"ConditionCheck": {"TableName": table, "Key": key("fence"), "ConditionExpression": "epoch = :e",
                                "ExpressionAttributeValues": {":e": {"N": "1"}}}}  # fmt: skip
    client.put_item(TableName=table, Item=item("fence", epoch={"N": "1"}))
    client.transact_write_items(TransactItems=[check, put(table, item("a"))])
    client.put_item(TableName=table, Item=item("fence", epoch={"N": "2"}))
    with pytest.raises(ClientError):
        client.transact_write_items(TransactItems=[check, put(table, item("b"))])
    assert stored(client, table, "a") and not stored(client, table, "b")


def test_a_transaction_with_one_token_is_done_once(client, table) -> None:
    add = {"Update": {"TableName": table, "Key": key("count"), "UpdateExpression": "ADD n :one",
                      "ExpressionAttributeValues": {":one": {"N": "1"}}}}  # fmt: skip
    token = str(uuid4())
    for _ in range(3):
        client.transact_write_items(TransactItems=[add], ClientRequestToken=token)
    assert stored(client, table, "count")["n"] == {"N": "1"}
    with pytest.raises(ClientError) as refused:
        client.transact_write_items(TransactItems=[put(table, item("x"))], ClientRequestToken=token)
    assert code_of(refused) == "IdempotentParameterMismatchException"


def test_a_transaction_holds_a_hundred_actions_one_an_item(client, table) -> None:
    hundred = [put(table, item(f"i{number}")) for number in range(100)]
    client.transact_write_items(TransactItems=hundred)
    for too_many in ([*hundred, put(table, item("more"))], [put(table, item("a")), put(table, item("a"))]):
        with pytest.raises(ClientError) as refused:
            client.transact_write_items(TransactItems=too_many)
        assert code_of(refused) == "ValidationException"


def test_an_item_holds_400_kilobytes_names_included(client, table) -> None:
    most = 400 * 1024 - len("PKbSKMETADATA") - len("v")
    client.put_item(TableName=table, Item=item("b", v={"S": "x" * most}))
    for write in (client.put_item, lambda **asked: client.transact_write_items(TransactItems=[{"Put": asked}])):
        with pytest.raises(ClientError) as refused:
            write(TableName=table, Item=item("b", v={"S": "x" * (most + 1)}))
        assert code_of(refused) == "ValidationException"


def test_values_come_back_as_they_went_in(client, table) -> None:
    values = {
        "number": {"N": "-1234567890123456789012345678901234567.8"},
        "small": {"N": "0.00000000000000000000000000000000000001"},
        "empty": {"S": ""},
        "null": {"NULL": True},
        "binary": {"B": b"\x00\xff"},
        "deep": {"M": {"list": {"L": [{"S": "a"}, {"NULL": True}, {"M": {}}]}}},
    }
    client.put_item(TableName=table, Item=item("v", **values, set={"SS": ["b", "a"]}, numbers={"NS": ["2", "1"]}))
    found = stored(client, table, "v")
    assert {name: found[name] for name in values} == values
    assert (set(found["set"]["SS"]), set(found["numbers"]["NS"])) == ({"a", "b"}, {"1", "2"})


REFUSED_VALUES = [{"N": "1" * 39}, {"SS": []}, {"SS": ["a", "a"]}, {"N": "NaN"}]


@pytest.mark.parametrize("value", REFUSED_VALUES, ids=str)
def test_values_that_it_must_not_take(client, table, value) -> None:
    with pytest.raises(ClientError) as refused:
        client.put_item(TableName=table, Item=item("v", value=value))
    assert code_of(refused) == "ValidationException"


def test_equal_numbers_are_one_key_and_an_empty_text_is_none(client, make_table) -> None:
    numbered = make_table("n", types={"n": "N"})
    for text in ("1", "1.0", "10E-1"):
        client.put_item(TableName=numbered, Item={"n": {"N": text}, "v": {"S": text}})
    assert [one["v"] for one in client.scan(TableName=numbered)["Items"]] == [{"S": "10E-1"}]
    with pytest.raises(ClientError):
        client.put_item(TableName=make_table(), Item={"id": {"S": ""}})


@pytest.mark.parametrize("number", ["10", "-300", "1E+20", "1.50", "0.001"])
def test_a_number_key_is_found_by_the_text_that_we_keep_of_it(client, make_table, number: str) -> None:
    numbered = make_table("n", types={"n": "N"})
    client.put_item(TableName=numbered, Item={"n": {"N": number}, "v": {"S": "there"}})
    (found,) = client.scan(TableName=numbered)["Items"]
    kept = key_from_text(key_text({"n": found["n"]}))
    assert client.get_item(TableName=numbered, Key=kept)["Item"] == found
    assert client.scan(TableName=numbered, ExclusiveStartKey=kept)["Items"] == []


def test_a_consistent_read_sees_every_write_before_it(client, table) -> None:
    for number in range(40):
        client.put_item(TableName=table, Item=item("c", n={"N": str(number)}))
        assert stored(client, table, "c")["n"] == {"N": str(number)}
        assert client.scan(TableName=table, ConsistentRead=True)["Items"][0]["n"] == {"N": str(number)}


def test_the_segments_of_a_scan_cover_everything_once(client, table) -> None:
    for begin in range(0, 300, 100):
        actions = [put(table, item(f"p{number % 60}", f"s{number}")) for number in range(begin, begin + 100)]
        client.transact_write_items(TransactItems=actions)
    pages = client.get_paginator("scan").paginate
    seen = [
        (one["PK"]["S"], one["SK"]["S"])
        for segment in range(7)
        for page in pages(TableName=table, Segment=segment, TotalSegments=7, Limit=11, ConsistentRead=True)
        for one in page["Items"]
    ]
    assert sorted(seen) == sorted((f"p{number % 60}", f"s{number}") for number in range(300))


def test_a_scan_goes_on_after_any_key_also_one_that_was_deleted_meanwhile(client, table) -> None:
    """A checkpoint is the key of the last item written, which need not end a page, nor be there any more."""
    client.transact_write_items(TransactItems=[put(table, item(f"p{number}")) for number in range(60)])
    asked = {"TableName": table, "Segment": 1, "TotalSegments": 3, "ConsistentRead": True}
    everything = client.scan(**asked)["Items"]
    for place in (0, 4, len(everything) - 2):
        assert client.scan(**asked, ExclusiveStartKey=everything[place])["Items"] == everything[place + 1 :]
    client.delete_item(TableName=table, Key=everything[4])
    assert client.scan(**asked, ExclusiveStartKey=everything[4])["Items"] == everything[5:]


def test_an_item_without_an_indexs_keys_is_not_in_it(client, make_table) -> None:
    """A tombstone keeps no index keys, so no search finds it."""
    table = make_table("PK", "SK", indexes=(Index("GSI1", "GSI1PK", "GSI1SK"),))
    index_keys = {"GSI1PK": {"S": "ALL"}, "GSI1SK": {"S": "1"}}

    def found() -> list[str]:
        asked = {"KeyConditionExpression": "GSI1PK = :a", "ExpressionAttributeValues": {":a": {"S": "ALL"}}}
        return [one["PK"]["S"] for one in client.query(TableName=table, IndexName="GSI1", **asked)["Items"]]

    client.put_item(TableName=table, Item=item("a", **index_keys))
    settle(found, ["a"])
    client.put_item(TableName=table, Item=item("a", gone={"BOOL": True}))
    settle(found, [])


def settle(look, expected, seconds: float = 10) -> None:
    """Wait until `look` gives what is expected: indexes and streams of a real table follow after a moment."""
    deadline = time.monotonic() + seconds
    while (found := look()) != expected and time.monotonic() < deadline:
        time.sleep(0.1)
    assert found == expected


def changes(streams, client, table, count: int) -> list:
    """Read the whole stream anew, from every shard, until `count` changes are there; they come back in order."""

    def read() -> list:
        stream = open_stream(client, streams, table)
        found = []
        for shard in stream.shards():
            position, page = None, stream.read(shard.id, None)
            while page.changes:
                found += page.changes
                position = page.position
                page = stream.read(shard.id, position)
        return sorted(found, key=lambda change: change.order)

    settle(lambda: len(read()), count)
    return read()


def test_the_stream_tells_each_change_of_a_key_in_order_with_both_images(streams, client, table) -> None:
    client.put_item(TableName=table, Item=item("a", n={"N": "1"}))
    client.put_item(TableName=table, Item=item("a", n={"N": "2"}))
    client.update_item(
        TableName=table, Key=key("a"), UpdateExpression="SET n = :n", ExpressionAttributeValues={":n": {"N": "3"}}
    )
    client.transact_write_items(TransactItems=[put(table, item("a", n={"N": "4"})), put(table, item("b"))])
    client.delete_item(TableName=table, Key=key("a"))
    told = [change for change in changes(streams, client, table, 6) if change.key == key("a")]
    assert [change.kind for change in told] == ["INSERT", "MODIFY", "MODIFY", "MODIFY", "REMOVE"]
    images = [tuple(image and image["n"]["N"] for image in (change.old, change.new)) for change in told]
    assert images == [(None, "1"), ("1", "2"), ("2", "3"), ("3", "4"), ("4", None)]
    assert sorted(padded(change.sequence) for change in told) == [change.order for change in told]
    assert not any(change.expired for change in told)


def test_a_write_that_changes_nothing_is_not_in_the_stream(streams, client, table) -> None:
    client.put_item(TableName=table, Item=item("a", n={"N": "1"}))
    client.put_item(TableName=table, Item=item("a", n={"N": "1"}))
    client.update_item(
        TableName=table, Key=key("a"), UpdateExpression="SET n = :n", ExpressionAttributeValues={":n": {"N": "1"}}
    )
    client.transact_write_items(TransactItems=[put(table, item("a", n={"N": "1"}))])
    client.delete_item(TableName=table, Key=key("never"))
    client.put_item(TableName=table, Item=item("last"))
    assert [change.key["PK"]["S"] for change in changes(streams, client, table, 2)] == ["a", "last"]


def test_a_refused_write_is_not_in_the_stream(streams, client, table) -> None:
    client.put_item(TableName=table, Item=item("a"))
    with pytest.raises(ClientError):
        client.transact_write_items(TransactItems=[put(table, item("b")), put(table, item("a"), **ABSENT)])
    client.put_item(TableName=table, Item=item("last"))
    assert [change.key["PK"]["S"] for change in changes(streams, client, table, 2)] == ["a", "last"]


def test_the_stream_is_read_on_after_a_number_and_again_from_its_horizon(streams, client, table) -> None:
    for number in range(12):
        client.put_item(TableName=table, Item=item("a", n={"N": str(number)}))
    everything = changes(streams, client, table, 12)
    (shard,) = [shard for shard in open_stream(client, streams, table).shards() if not shard.ended]
    for place in (0, 4, 11):
        stream = open_stream(client, streams, table)
        rest, page = [], stream.read(shard.id, everything[place].sequence, limit=5)
        while page.changes:
            rest += page.changes
            page = stream.read(shard.id, page.position, limit=5)
        assert rest == everything[place + 1 :]
    assert changes(streams, client, table, 12) == everything


def test_a_stream_is_read_from_now_on(streams, client, table) -> None:
    client.put_item(TableName=table, Item=item("before"))
    assert changes(streams, client, table, 1)
    stream = open_stream(client, streams, table)
    (read,) = [stream.from_now(shard.id) for shard in stream.shards() if not shard.ended]
    client.put_item(TableName=table, Item=item("after"))
    told: list[str] = []
    settle(lambda: told.extend(change.key["PK"]["S"] for change in read().changes) or len(told), 1)
    assert told == ["after"]


def test_what_is_stopped_comes_back_without_its_stream(documents, tmp_path) -> None:
    if documents.store is None:
        pytest.skip("only our own engine is ours to stop")
    store = DocumentStore(tmp_path, free_port(), "KEY", "secret")
    try:
        store.start(os.environ)
        client = store.client()
        client.create_table(
            TableName="kept", BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )  # fmt: skip
        client.put_item(TableName="kept", Item={"id": {"S": "a"}, "b": {"B": b"\x00"}, "n": {"N": "1.50"}})
        stream = open_stream(client, store.streams(), "kept")
        (shard,) = stream.shards()
        last = stream.read(shard.id, None).position
        store.stop()
        store.start(os.environ)
        assert store.client().scan(TableName="kept")["Items"] == [
            {"id": {"S": "a"}, "b": {"B": b"\x00"}, "n": {"N": "1.5"}}
        ]
        again = open_stream(store.client(), store.streams(), "kept")
        assert again.arn == stream.arn
        assert again.read(shard.id, None).changes == ()
        with pytest.raises(Trimmed, match="copy the gap again"):
            again.read(shard.id, last)
    finally:
        store.stop()
