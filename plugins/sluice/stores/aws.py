"""What AWS's services have in common: how patient a client is, and what its errors mean, whichever of them raised them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sluice.errors import SluiceError


def client_config(seconds: float = 5) -> Any:
    """Give botocore's settings: 50 connections, 3 tries, `seconds` for an answer, no check of parameters.

    Checking parameters against the model costs a quarter of the client's time; the service checks them anyway.
    """
    from botocore.config import Config

    return Config(
        connect_timeout=min(5, seconds), read_timeout=seconds, max_pool_connections=50, parameter_validation=False,
        retries={"mode": "standard", "total_max_attempts": 3},
    )  # fmt: skip


@contextmanager
def raising(ours: Callable[[Exception], SluiceError]) -> Iterator[None]:
    """Turn what botocore raises into an error of ours: `ours` says which."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise ours(error) from error


def code_of(error: Exception) -> str:
    """Give the service's own name for the error; empty when the service never answered."""
    return str(_answer(error).get("Error", {}).get("Code", ""))


def is_outage(error: Exception) -> bool:
    """Tell whether the service could not be reached, broke off, or failed inside."""
    from botocore import exceptions

    lost = (exceptions.ConnectionError, exceptions.HTTPClientError, exceptions.IncompleteReadError)
    return isinstance(error, lost) or _answer(error).get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500


def _answer(error: Exception) -> Mapping[str, Any]:
    # A timeout has the attribute too, and it is None.
    return getattr(error, "response", None) or {}
