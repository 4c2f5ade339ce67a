"""Airflow's connections, turned into what the lower rooms take: psycopg connections and an S3 client."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sluice.errors import Terminal
from sluice.estate import Migration, read_stores
from sluice.flow.project import ROOT, migration_named

if TYPE_CHECKING:
    from sluice.ledger.control import Control
    from sluice.migration.engine.contract import Kind
    from sluice.stores.locks import Mode
    from sluice.stores.objects import Vault
    from sluice.stores.postgres import Connection


MODES: Mapping[str, Mode] = {"governance": "GOVERNANCE", "compliance": "COMPLIANCE"}
"""What a person writes, and S3's word for it."""


class NoConnection(Terminal):
    """Airflow has no connection of that name."""


def dsn_of(connection_id: str) -> str:
    """Give the address behind an Airflow connection to PostgreSQL. Raises NoConnection."""
    from airflow.providers.postgres.hooks.postgres import PostgresHook
    from airflow.sdk.exceptions import AirflowException
    from psycopg.conninfo import make_conninfo

    try:
        found = PostgresHook.get_connection(connection_id)
    except AirflowException as error:
        if f"AIRFLOW_CONN_{connection_id.upper()}" in os.environ:
            raise NoConnection(
                f"AIRFLOW_CONN_{connection_id.upper()} is set and cannot be read: it wants a URL, and in its password"
                " / : @ % and the like written as %2F %3A %40 %25."
            ) from error
        raise NoConnection(
            f"Airflow has no connection {connection_id!r}: add it (Admin → Connections), or set"
            f" AIRFLOW_CONN_{connection_id.upper()} where Airflow starts."
        ) from error
    known = {
        "host": found.host,
        "port": found.port,
        "user": found.login,
        "password": found.password,
        "dbname": found.schema,
    }
    options = {key: value for key, value in found.extra_dejson.items() if key.startswith(("ssl", "target_session"))}
    return make_conninfo(**{key: value for key, value in (known | options).items() if value not in (None, "")})


@contextmanager
def opened_kind(name: str) -> Iterator[tuple[Migration, Kind]]:
    """Open a migration's kind on its stores; its connections are closed afterwards."""
    from sluice.migration.kinds import open_kind
    from sluice.stores.postgres import connect

    migration = migration_named(name)
    stores = read_stores(ROOT).stores
    opened: list[Connection] = []

    def opening(purpose: str) -> Connection:
        opened.append(connect(dsn_of(stores[migration.rows_in].connection), purpose=purpose))
        return opened[-1]

    try:
        documents = stores[migration.source.store].connection
        yield (
            migration,
            open_kind(
                migration, opening, lambda: documents_of(documents), open_vault, lambda: autoscaling_of(documents)
            ),
        )
    finally:
        for connection in opened:
            connection.close()


def aws_client(connection_id: str, service: str, seconds: float = 5, region: str | None = None) -> Any:
    """Give boto3's client of a service behind an Airflow connection, with `seconds` for an answer. Raises NoConnection.

    `region` where it is not the connection's own.
    """
    from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

    from sluice.stores.aws import client_config

    require_aws(connection_id)
    hook = AwsBaseHook(aws_conn_id=connection_id, client_type=service, region_name=region)
    return hook.get_client_type(config=client_config(seconds))


def documents_of(connection_id: str) -> tuple[Any, Any]:
    """Give the clients of DynamoDB's tables and streams behind an Airflow connection. Raises NoConnection."""
    return aws_client(connection_id, "dynamodb", 30), aws_client(connection_id, "dynamodbstreams", 30)


def autoscaling_of(connection_id: str) -> Any:
    """Give the client of the service that scales tables, behind the same connection. Raises NoConnection."""
    from sluice.stores.dynamodb.autoscaling import SERVICE

    return aws_client(connection_id, SERVICE)


def alarms_of(connection_id: str) -> Any:
    """Give the client of the service whose alarms watch tables, behind the same connection. Raises NoConnection."""
    return aws_client(connection_id, "cloudwatch")


def names_of(connection_id: str) -> Any:
    """Give the client of Route 53 behind an Airflow connection. Raises NoConnection."""
    return aws_client(connection_id, "route53")


@contextmanager
def opened_control(name: str, run: str) -> Iterator[Control]:
    """Open the ledger for a migration within a run."""
    from sluice.ledger.control import Control
    from sluice.stores.postgres import connect

    connection = connect(dsn_of(read_stores(ROOT).ledger.connection), purpose=f"ledger {name}")
    try:
        yield Control(connection, name, run).prepare()
    finally:
        connection.close()


def open_vault() -> Vault:
    """Open the estate's vault: what is stored is under its key, and what is archived locked, if its file says so.

    Raises NoConnection.
    """
    from sluice.stores.locks import Lock

    place = read_stores(ROOT).vault
    lock = Lock(MODES[place.lock.mode], place.lock.keep.days) if place.lock else None
    return replace(open_bucket(place.connection, place.bucket, place.kms_key), lock=lock)


def open_bucket(connection_id: str, bucket: str, kms_key: str | None, region: str | None = None) -> Vault:
    """Open a bucket behind an Airflow connection, in a region where that is not the connection's own. Raises NoConnection."""
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    from sluice.stores.objects import Vault

    require_aws(connection_id)
    return Vault(S3Hook(aws_conn_id=connection_id, region_name=region).get_conn(), bucket, kms_key=kms_key)


def token_of(connection_id: str) -> str:
    """Give the key of a service's API: the password of an Airflow connection. Raises NoConnection."""
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowException

    try:
        found = BaseHook.get_connection(connection_id).password
    except AirflowException as error:
        raise NoConnection(f"Airflow has no connection {connection_id!r}: add it (Admin → Connections).") from error
    if not found:
        raise NoConnection(
            f"Airflow's connection {connection_id!r} has no password: the key of the service's API goes there."
        )
    return str(found)


def require_aws(connection_id: str) -> None:
    """Raise NoConnection unless Airflow has it: the hook alone falls back to whatever credentials the machine has."""
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowException

    try:
        BaseHook.get_connection(connection_id)
    except AirflowException as error:
        raise NoConnection(f"Airflow has no connection {connection_id!r}: add it (Admin → Connections).") from error
