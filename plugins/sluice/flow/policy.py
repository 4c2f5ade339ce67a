"""What every task of Sluice has in common: retry is a question of type."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

TERMINAL_FAILS = ExceptionRetryPolicy(
    rules=[
        RetryRule(exception="sluice.errors.Terminal", action=RetryAction.FAIL, reason="a person must act"),
        RetryRule(exception="sluice.errors.Transient", action=RetryAction.RETRY, reason="may pass by itself"),
    ]
)


UPKEEP: Mapping[str, Any] = {
    "owner": "sluice",
    "retries": 3,
    "retry_delay": timedelta(seconds=30),
    "retry_policy": TERMINAL_FAILS,
}
"""The default arguments of tasks that look after tables of many stores: whoever is in their way may be gone in half a minute."""


def defaults(store: str) -> dict[str, Any]:
    """Give the default arguments of a DAG's tasks; the store's pool caps the load across all runs."""
    return {
        "owner": "sluice",
        "retries": 3,
        "retry_delay": timedelta(seconds=10),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(minutes=2),
        "retry_policy": TERMINAL_FAILS,
        "pool": pool_of(store),
    }


def pool_of(store: str) -> str:
    """The Airflow pool of a store."""
    return f"store_{store}"
