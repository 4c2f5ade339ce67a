"""Reading and writing a DynamoDB: what it leaves undone is asked for again, and each refusal is told apart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from sluice.errors import Terminal, Transient
from sluice.stores.dynamodb.capacity import AdaptiveRate, Units
from sluice.stores.dynamodb.client import (
    AccessDenied,
    DynamoDown,
    NoSuchTable,
    Throttled,
    dynamodb_client,
)
from sluice.stores.dynamodb.clock import store_clock
from sluice.stores.dynamodb.queries import query_items
from sluice.stores.dynamodb.reads import get_item, get_items
from sluice.stores.dynamodb.scan import scan_page
from sluice.stores.dynamodb.values import key_of, key_text
from sluice.stores.dynamodb.writes import (
    Cancelled,
    Check,
    Condition,
    Delete,
    Put,
    Refused,
    Unwritable,
    Update,
    write_one,
    write_together,
)
from sluice.stores.patience import Patience

from tests.documents import Between

HASTY = Patience(again=3, first=0.001, longest=0.002)
ABSENT = Condition("attribute_not_exists(#id)", {"#id": "id"})


@pytest.fixture(scope="module")
def client(documents):
    return documents.client()


@pytest.fixture
def table(make_table) -> str:
    return make_table(stream=False)


def refusal(code: str, operation: str = "x", **rest: Any) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "said"}, **rest}, operation)


def one(name: object, **attributes: Any) -> dict[str, Any]:
    return {"id": {"S": str(name)}, **attributes}


def fill(client, table, count: int) -> list[dict[str, Any]]:
    items = [one(number, n={"N": str(number)}) for number in range(count)]
    for begin in range(0, count, 100):
        write_together(client, [Put(table, item) for item in items[begin : begin + 100]])
    return items


def test_many_items_are_read_by_their_keys_each_once(client, table) -> None:
    items = fill(client, table, 230)
    keys = [key_of(item, "id") for item in items] * 2 + [one("nobody")]
    through = Between(client, "batch_get_item", lambda _, real, asked: real(**asked))
    assert get_items(through, table, keys) == {key_text(key_of(item, "id")): item for item in items}
    assert through.calls == 3
    assert get_items(client, table, []) == {}


def test_keys_that_were_left_are_asked_for_again(client, table) -> None:
    items = fill(client, table, 40)

    def withhold(call: int, real, asked):
        """Half of the keys, then none at all, and so on; from the ninth call on, all."""
        keys, rest = asked["RequestItems"][table]["Keys"], {"ConsistentRead": True}
        assert asked["RequestItems"][table]["ConsistentRead"] is True
        given = len(keys) if call >= 9 else len(keys) // 2 if call % 2 else 0
        left = {"UnprocessedKeys": {table: {"Keys": keys[given:], **rest}}} if given < len(keys) else {}
        if not given:
            return {"Responses": {}, **left}
        return {**real(RequestItems={table: {"Keys": keys[:given], **rest}}), **left}

    through = Between(client, "batch_get_item", withhold)
    found = get_items(through, table, [key_of(item, "id") for item in items], patience=HASTY)
    assert (len(found), through.calls) == (40, 9)


def test_a_table_that_leaves_everything_is_throttled_in_the_end(client, table) -> None:
    def leave(call: int, real, asked):
        if call % 2:
            raise refusal("ProvisionedThroughputExceededException")
        return {"Responses": {}, "UnprocessedKeys": asked["RequestItems"]}

    through = Between(client, "batch_get_item", leave)
    with pytest.raises(Throttled, match=table):
        get_items(through, table, [one(1), one(2)], patience=HASTY)
    assert through.calls == HASTY.again + 1


def test_a_scan_goes_page_by_page_and_counts_what_it_costs(client, table) -> None:
    items = fill(client, table, 50)
    found, units = [], 0.0
    for segment in range(3):
        page = scan_page(client, table, segment, 3, limit=7)
        while page.next_key:
            assert len(page.items) <= 7
            found += page.items
            units += page.units
            page = scan_page(client, table, segment, 3, page.next_key, limit=7)
        found += page.items
    assert sorted(found, key=str) == sorted(items, key=str)
    assert units > 0


def test_a_scan_is_consistent_and_waits_while_it_is_throttled(client, table) -> None:
    def refuse(call: int, real, asked):
        assert asked["ConsistentRead"] is True
        if call < 3:
            raise refusal("ThrottlingException")
        return real(**asked)

    fill(client, table, 2)
    assert len(scan_page(Between(client, "scan", refuse), table, patience=HASTY).items) == 2
    with pytest.raises(Throttled, match="segment 0 of 1"):
        scan_page(Between(client, "scan", lambda call, real, asked: refuse(0, real, asked)), table, patience=HASTY)


def test_a_condition_that_fails_says_where_and_what_stood_there(client, table) -> None:
    there = one("there", n={"N": "1"})
    write_one(client, Put(table, there, ABSENT))
    actions = [Put(table, one("new"), ABSENT), Put(table, one("there"), ABSENT), Delete(table, one("x"))]
    with pytest.raises(Cancelled, match="action 1 of 3: condition") as together:
        write_together(client, actions)
    assert together.value.refused == (Refused(1, "condition", there),)
    with pytest.raises(Cancelled) as alone:
        write_one(client, actions[1])
    assert alone.value.refused == (Refused(0, "condition", there),)
    with pytest.raises(Cancelled) as nobody:
        write_one(
            client, Update(table, one("nobody"), "SET n = :n", values={":n": {"N": "1"}}, condition=Condition("n > :n"))
        )
    assert nobody.value.refused == (Refused(0, "condition", None),)
    assert get_item(client, table, one("new")) is None


def test_every_action_does_what_it_says(client, table) -> None:
    for name in ("delete", "update", "check"):
        write_one(client, Put(table, one(name, n={"N": "1"})))
    is_one = Condition("#n = :old", {"#n": "n"}, {":old": {"N": "1"}})
    units = Units()
    write_together(
        client,
        [
            Put(table, one("put"), ABSENT),
            Delete(table, one("delete"), is_one),
            Update(table, one("update"), "SET #n = #n + :more", {"#n": "n"}, {":more": {"N": "4"}}, is_one),
            Check(table, one("check"), is_one),
        ],
        units,
    )
    left = {item["id"]["S"]: item.get("n") for item in scan_page(client, table).items}
    assert left == {"put": None, "update": {"N": "5"}, "check": {"N": "1"}}
    assert units.by_table() == {table: 8.0}
    write_one(client, Update(table, one("update"), "REMOVE n"), units)
    write_one(client, Delete(table, one("check")), units)
    assert units.by_table() == {table: 10.0}


def in_the_way(*codes: str) -> ClientError:
    reasons = [{"Code": code} for code in codes]
    return refusal("TransactionCanceledException", "TransactWriteItems", CancellationReasons=reasons)


def test_conflicts_and_throttling_are_waited_out(client, table) -> None:
    tokens = []

    def refuse(call: int, real, asked):
        tokens.append(asked["ClientRequestToken"])
        if call == 1:
            raise in_the_way("None", "TransactionConflict")
        if call == 2:
            raise refusal("ThrottlingException")
        if call == 3:
            raise in_the_way("ThrottlingError", "TransactionConflict")
        return real(**asked)

    rate = AdaptiveRate(start=1000)
    write_together(
        Between(client, "transact_write_items", refuse),
        [Put(table, one(1)), Put(table, one(2))],
        rate=rate,
        patience=HASTY,
    )
    assert len(scan_page(client, table).items) == 2
    assert len(tokens) == 4 and tokens[1] == tokens[2] and len(set(tokens)) == 3
    assert rate.rate < 600, "it was throttled once within a second"


def test_a_conflict_that_stays_is_told_as_one(client, table) -> None:
    def refuse(call: int, real, asked):
        raise in_the_way("TransactionConflict", "None")

    through = Between(client, "transact_write_items", refuse)
    with pytest.raises(Cancelled) as conflict:
        write_together(through, [Put(table, one(1)), Put(table, one(2))], patience=HASTY)
    assert conflict.value.refused == (Refused(0, "conflict"),)
    assert isinstance(conflict.value, Transient)
    assert through.calls == HASTY.again + 1


def test_a_condition_beside_a_conflict_is_told_at_once(client, table) -> None:
    def refuse(call: int, real, asked):
        raise in_the_way("TransactionConflict", "ConditionalCheckFailed")

    through = Between(client, "transact_write_items", refuse)
    with pytest.raises(Cancelled) as refused:
        write_together(through, [Put(table, one(1)), Put(table, one(2), ABSENT)], patience=HASTY)
    assert [reason.code for reason in refused.value.refused] == ["conflict", "condition"]
    assert through.calls == 1


def test_what_can_never_be_written_is_told_with_its_place(client, table) -> None:
    large = one("large", v={"S": "x" * 410_000})
    together, alone = [Put(table, one(1)), Put(table, large)], Put(table, large)
    for write in (lambda: write_together(client, together), lambda: write_one(client, alone)):
        with pytest.raises(Unwritable, match="set this item aside") as refused:
            write()
        assert [reason.code for reason in refused.value.refused] == ["too_large"]
    with pytest.raises(Unwritable, match="101 actions"):
        write_together(client, [Put(table, one(number)) for number in range(101)])
    with pytest.raises(Unwritable) as many:
        write_together(client, [Put(table, one(number, v={"S": "x" * 390_000})) for number in range(12)])
    assert len(many.value.refused) == 12
    wrong_key = {"id": {"N": "7"}}
    with pytest.raises(Unwritable) as invalid:
        write_together(client, [Put(table, one(1)), Put(table, wrong_key)])
    assert [(reason.index, reason.code) for reason in invalid.value.refused] == [(1, "validation")]
    assert isinstance(invalid.value, Terminal)
    assert scan_page(client, table).items == ()


def test_a_write_whose_answer_was_lost_is_known_by_its_own_token(client, table) -> None:
    """Nobody knows after a timeout; a repetition meets the first write and sees that it was its own."""

    def lose(call: int, real, asked):
        real(**asked)
        raise ReadTimeoutError(endpoint_url="x")

    mine = [Put(table, one("a", t={"S": "mine"}), ABSENT)]
    with pytest.raises(DynamoDown):
        write_together(Between(client, "transact_write_items", lose), mine)
    with pytest.raises(Cancelled) as again:
        write_together(client, mine)
    assert again.value.refused == (Refused(0, "condition", mine[0].item),)


def test_a_partition_is_read_in_order_by_what_its_sort_key_begins_with(client, make_table) -> None:
    table = make_table("PK", "SK", stream=False)
    items = [{"PK": {"S": "p"}, "SK": {"S": f"v#{number:02}"}, "x": {"S": "x" * 300_000}} for number in range(9)]
    for item in (*items, {"PK": {"S": "p"}, "SK": {"S": "w"}}, {"PK": {"S": "q"}, "SK": {"S": "v#1"}}):
        write_one(client, Put(table, item))
    through = Between(client, "query", lambda _, real, asked: real(**asked))
    assert list(query_items(through, table, {"PK": {"S": "p"}}, "SK", "v#")) == items
    assert through.calls > 1


def test_the_stores_clock_is_read_from_its_answer(client, table) -> None:
    away = abs(store_clock(client, table) - datetime.now(UTC))
    assert away < timedelta(minutes=10)


def test_troubles_are_told_apart(documents, client, table) -> None:
    away = dynamodb_client("http://127.0.0.1:1", "k", "s", "us-east-1")
    with pytest.raises(DynamoDown, match=f"cannot scan segment 0 of 1 of table {table}"):
        scan_page(away, table)
    with pytest.raises(NoSuchTable, match="no-such-table"):
        get_items(client, "no-such-table", [one(1)])
    if documents.store:
        stranger = dynamodb_client(documents.endpoint, "STRANGER", "wrong", documents.region)
        with pytest.raises(AccessDenied, match="Mend the store's connection"):
            get_item(stranger, table, one(1))
