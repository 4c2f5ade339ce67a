"""What an AWS service's errors have in common, whichever of its clients raised them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


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
