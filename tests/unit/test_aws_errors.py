"""A service that does not answer is an outage, however botocore says so; its timeouts carry no answer at all."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from botocore import exceptions
from sluice.stores.aws import code_of, is_outage
from sluice.stores.dynamodb.client import DynamoDown, DynamoRefused, Throttled, speaking
from sluice.stores.objects import Vault, VaultDown

OUTAGES = [
    exceptions.ReadTimeoutError(endpoint_url="http://x"),
    exceptions.ConnectTimeoutError(endpoint_url="http://x"),
    exceptions.EndpointConnectionError(endpoint_url="http://x"),
    exceptions.ConnectionClosedError(endpoint_url="http://x"),
    exceptions.ClientError({"Error": {"Code": "X"}, "ResponseMetadata": {"HTTPStatusCode": 503}}, "x"),
]


@pytest.mark.parametrize("error", OUTAGES, ids=lambda error: type(error).__name__)
def test_an_outage_is_transient_everywhere(error) -> None:
    def fail(**asked: object) -> None:
        raise error

    assert is_outage(error)
    with pytest.raises(DynamoDown, match="cannot read table t"), speaking("read", "t"):
        fail()
    with pytest.raises(VaultDown):
        Vault(SimpleNamespace(get_object=fail), "b").get("k")


@pytest.mark.parametrize(
    ("code", "status", "ours"),
    [
        ("ProvisionedThroughputExceededException", 400, Throttled),
        ("ThrottlingException", 503, Throttled),
        ("InternalServerError", 500, DynamoDown),
        ("ValidationException", 400, DynamoRefused),
    ],
)
def test_being_asked_for_patience_is_no_outage(code, status, ours) -> None:
    answer = {"Error": {"Code": code, "Message": "said"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    with pytest.raises(ours), speaking("read", "t"):
        raise exceptions.ClientError(answer, "GetItem")


def test_an_answer_is_no_outage() -> None:
    refused = exceptions.ClientError({"Error": {"Code": "AccessDenied"}}, "x")
    assert code_of(refused) == "AccessDenied"
    assert not is_outage(refused)
