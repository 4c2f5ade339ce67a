"""The clients, and what the service's errors mean: which pass by themselves, and what a person does about the others.

Mechanism only: endpoint and keys come from outside. boto3 is imported when it is used, because DAG files import what
stands on this.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from sluice.errors import SluiceError, Terminal, Transient
from sluice.stores.aws import client_config, code_of, is_outage, raising

THROTTLING = {"ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded", "Throttling",
              "LimitExceededException", "TransactionInProgressException", "TransactionConflictException"}  # fmt: skip
ABSENT = {"ResourceNotFoundException", "TableNotFoundException"}
REFUSED = {"AccessDeniedException", "UnrecognizedClientException", "InvalidSignatureException", "ExpiredTokenException",
           "MissingAuthenticationToken", "MissingAuthenticationTokenException", "IncompleteSignatureException",
           "InvalidAccessKeyId", "InvalidClientTokenId", "InvalidClientTokenIdException"}  # fmt: skip


class Throttled(Transient):
    """The table asked for patience, and got it, for as long as one call waits."""


class DynamoDown(Transient):
    """DynamoDB could not be reached or failed inside. Whether a write was done is not known."""


class NoSuchTable(Terminal):
    """There is no such table, index or stream."""


class AccessDenied(Terminal):
    """DynamoDB refuses these credentials."""


class DynamoRefused(Terminal):
    """DynamoDB refuses the request itself."""


def dynamodb_client(endpoint: str | None, key: str | None, secret: str | None, region: str, seconds: float = 5) -> Any:
    """Make a client of a process that has no Airflow. `endpoint` None is AWS itself, `key` None its usual ways.

    `seconds` is how long one answer may take; a scan of large pages wants 30.
    """
    return _client("dynamodb", endpoint, key, secret, region, seconds)


def streams_client(endpoint: str | None, key: str | None, secret: str | None, region: str, seconds: float = 30) -> Any:
    """Make the client of the tables' streams, the same way."""
    return _client("dynamodbstreams", endpoint, key, secret, region, seconds)


def _client(
    service: str, endpoint: str | None, key: str | None, secret: str | None, region: str, seconds: float
) -> Any:
    import boto3

    # A session of its own: making clients from the shared one is not safe in threads.
    return boto3.session.Session().client(
        service, endpoint_url=endpoint, aws_access_key_id=key, aws_secret_access_key=secret,
        region_name=region, config=client_config(seconds),
    )  # fmt: skip


def speaking(doing: str, table: str) -> AbstractContextManager[None]:
    """Turn what botocore raises into Throttled, DynamoDown, NoSuchTable, AccessDenied or DynamoRefused.

    `doing` and `table` are for the message: "cannot <doing> table <table>".
    """
    return raising(lambda error: translated(error, doing, table))


def translated(error: Exception, doing: str, table: str) -> SluiceError:
    """Give our error for botocore's."""
    code, what = code_of(error), f"cannot {doing} table {table}: {error}"
    # First: AWS throttles with 400, and some endpoints with 503.
    if code in THROTTLING:
        return Throttled(f"{what}. It passes as a rule: try again; if it stays, give the table more capacity.")
    if is_outage(error):
        return DynamoDown(f"{what}. It passes as a rule: try again; if it stays, see that the endpoint is up.")
    if code in REFUSED:
        return AccessDenied(f"{what}. Mend the store's connection or its policy.")
    if code in ABSENT:
        return NoSuchTable(f"{what}. Check the name, the region and the endpoint of the store's connection.")
    return DynamoRefused(f"{what}. Check the request against the table's definition.")
