"""The vault, as the API server reaches it: through the connection that the estate names."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from sluice.estate import read_stores
from sluice.stores.objects import Vault

ROOT = Path(__file__).resolve().parents[3]


@cache
def open_vault() -> Vault:
    """Open the estate's vault. Raises AirflowNotFoundException when its connection is missing.

    The hook alone would not: it falls back to whatever credentials the machine has.
    """
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook
    from airflow.sdk import BaseHook

    place = read_stores(ROOT).vault
    BaseHook.get_connection(place.connection)
    return Vault(S3Hook(aws_conn_id=place.connection).get_conn(), place.bucket)
