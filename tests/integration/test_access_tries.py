"""How often a call knocks, and how long: what botocore tries again and what we do are not multiplied."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from sluice.access.entities import Entities
from sluice.access.store import Endpoint, Store
from sluice.stores.dynamodb.actions import Put
from sluice.stores.dynamodb.client import DynamoDown, Throttled, dynamodb_client
from sluice.stores.dynamodb.values import Item
from sluice.stores.dynamodb.writes import Cancelled

from tests.integration.accessing import Tyler

KEY: Item = {"PK": {"S": "a"}, "SK": {"S": "b"}}
CALLS: dict[str, Callable[[Endpoint], object]] = {
    "get": lambda end: end.get("t", [KEY], True),
    "query": lambda end: end.query({"TableName": "t", "KeyConditionExpression": "PK = :p"}),
    "write": lambda end: end.write([Put("t", KEY), Put("u", KEY)]),
    "put": lambda end: end.put(Put("t", KEY)),
}
THROTTLED = {"__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException", "message": "wait"}
CONFLICT = {
    "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
    "CancellationReasons": [{"Code": "TransactionConflict"}, {"Code": "None"}],
}
LEFT = {"Responses": {}, "UnprocessedKeys": {"t": {"Keys": [KEY], "ConsistentRead": True}}}


class Raw:
    """The body of an answer, as urllib3 would give it."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: object) -> list[bytes]:
        return [self._body]


class Door:
    """An endpoint that gives one and the same answer to all who knock, after a while, and counts them."""

    def __init__(self, answer: dict[str, Any], status: int, takes: float = 0.0) -> None:
        self.knocks = 0
        self._body, self._status, self._takes = json.dumps(answer).encode(), status, takes
        client = dynamodb_client("http://127.0.0.1:9", "key", "secret", "us-east-1")
        client.meta.events.register("before-send.dynamodb.*", self._answer)
        self.end = Endpoint(client)

    def _answer(self, request: Any, **_: object) -> AWSResponse:
        self.knocks += 1
        time.sleep(self._takes)
        return AWSResponse(request.url, self._status, {}, Raw(self._body))


@pytest.fixture(autouse=True)
def _hasty_botocore(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its waits are its own affair; up to three seconds a call."""
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_what_is_throttled_is_tried_three_times_by_botocore_and_no_more_by_us(call: Callable[..., object]) -> None:
    door = Door(THROTTLED, 400)
    with pytest.raises(Throttled):
        call(door.end)
    assert door.knocks == 3
    assert not door.end.breaker.is_open


@pytest.mark.parametrize(
    ("name", "answer", "status", "error"), [("get", LEFT, 200, Throttled), ("write", CONFLICT, 400, Cancelled)]
)
def test_what_botocore_does_not_try_again_we_do_for_a_second(
    name: str, answer: dict[str, Any], status: int, error: type[Exception]
) -> None:
    """Seven times at most, and no other try is begun when the first is a second ago."""
    quick, slow = Door(answer, status), Door(answer, status, takes=0.3)
    with pytest.raises(error):
        CALLS[name](quick.end)
    assert quick.knocks == 7
    began = time.monotonic()
    with pytest.raises(error):
        CALLS[name](slow.end)
    assert slow.knocks <= 5
    assert time.monotonic() - began < 4


def test_a_call_is_tried_three_times_and_then_the_breaker_counts_one(tyler: Tyler) -> None:
    """Against a door that is shut: each knock is seen by the hook that sends."""
    knocks = []
    nobody = dynamodb_client("http://127.0.0.1:9", "key", "secret", "us-east-1")
    nobody.meta.events.register("before-send.dynamodb.*", lambda **_: knocks.append(1))
    end = Endpoint(nobody)
    entities = Entities(Store(end), tyler.layout, tyler.seal)
    with pytest.raises(DynamoDown):
        entities.get("user", {"id": "a"})
    assert len(knocks) == 3
    assert not end.breaker.is_open
