"""What tasks have in common that keep and prove stores: whoever must act is told of one that has failed for good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sluice.errors import SluiceError
from sluice.flow.alerting import is_told, raise_alarm
from sluice.flow.policy import defaults

if TYPE_CHECKING:
    from airflow.sdk import Context

FIRST = 100
"""The weight of what people wait for on the day that counts."""


def keeping_defaults(store: str) -> dict[str, Any]:
    """Give the default arguments of what backs a store up, and proves it: it loads the store, and nobody looks at it by night."""
    return defaults(store) | {"store": store, "on_failure_callback": tell_failed}


def restoring_defaults(store: str) -> dict[str, Any]:
    """Give the default arguments of the real day. The store's pool is no matter of it: that may be full, or closed."""
    told = defaults(store) | {"store": store, "priority_weight": FIRST}
    return {name: value for name, value in told.items() if name != "pool"}


def tell_failed(context: Context) -> None:
    """Tell people of a task that no try is left of, unless it has told them itself."""
    why = context.get("exception")
    if why is None or (isinstance(why, BaseException) and is_told(why)):
        return
    task = context["task"]
    what = f"{task.task_id} of {context['ti'].dag_id} failed: {type(why).__name__}: {why}"
    try:
        raise_alarm(task.log, getattr(task, "store", ""), what, context)
    except SluiceError as nobody:  # the task's own error is what its log must end with
        task.log.error("%s", nobody)
