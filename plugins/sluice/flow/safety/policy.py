"""What tasks have in common that keep and prove stores: whoever must act is told of one that has failed for good."""

from __future__ import annotations

from typing import Any

from sluice.flow.alerting import tell_failed
from sluice.flow.policy import defaults

FIRST = 100
"""The weight of what people wait for on the day that counts."""


def keeping_defaults(store: str) -> dict[str, Any]:
    """Give the default arguments of what backs a store up, and proves it: it loads the store, and nobody looks at it by night."""
    return defaults(store) | {"store": store, "on_failure_callback": tell_failed}


def restoring_defaults(store: str) -> dict[str, Any]:
    """Give the default arguments of the real day. The store's pool is no matter of it: that may be full, or closed."""
    told = defaults(store) | {"store": store, "priority_weight": FIRST}
    return {name: value for name, value in told.items() if name != "pool"}
