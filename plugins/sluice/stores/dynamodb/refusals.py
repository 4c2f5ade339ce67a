"""Why a write was refused: by which action of how many, and what stood in the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sluice.errors import Terminal, Transient
from sluice.stores.aws import code_of
from sluice.stores.dynamodb.actions import Action, Check, Delete, Put, Update
from sluice.stores.dynamodb.values import LARGEST_ITEM, Item, key_text, size_of

LARGEST_TRANSACTION = 4 * 1024 * 1024
"""Bytes of all its items."""

Code = Literal["condition", "conflict", "throttled", "too_large", "validation"]
_CODES: dict[str, Code] = {
    "ConditionalCheckFailed": "condition",
    "TransactionConflict": "conflict",
    "ProvisionedThroughputExceeded": "throttled",
    "ThrottlingError": "throttled",
    "ItemCollectionSizeLimitExceeded": "too_large",
    "ValidationError": "validation",
}


@dataclass(frozen=True)
class Refused:
    """Why the action at `index` was refused. `item` is what stood in the way of a condition, if anything did."""

    index: int
    code: Code
    item: Item | None = None


class Cancelled(Transient):
    """A condition did not hold, or other writers were in the way for too long. Nothing was written."""

    def __init__(self, message: str, refused: tuple[Refused, ...] = ()) -> None:
        super().__init__(message)
        self.refused = refused

    @property
    def only_conditions(self) -> bool:
        """Whether nothing but conditions stood in the way: trying again would meet them again."""
        return all(one.code == "condition" for one in self.refused)


class Unwritable(Terminal):
    """No repetition can write this: too large, too many, or not what the table takes. Nothing was written."""

    def __init__(self, message: str, refused: tuple[Refused, ...] = ()) -> None:
        super().__init__(message)
        self.refused = refused


def refusals_of(error: Any) -> tuple[Refused, ...]:
    """Read botocore's error; nothing when no action was refused by itself."""
    if code_of(error) == "ConditionalCheckFailedException":
        return (Refused(0, "condition", error.response.get("Item")),)
    reasons = error.response.get("CancellationReasons") or []
    return tuple(
        Refused(index, _CODES.get(reason["Code"], "validation"), reason.get("Item"))
        for index, reason in enumerate(reasons)
        if reason.get("Code", "None") != "None"
    )


def refusal(actions: Sequence[Action], refused: tuple[Refused, ...]) -> Cancelled | Unwritable:
    """Give the error that tells of the refusals."""
    first = refused[0]
    where = f"{named(actions[first.index : first.index + 1])}, action {first.index} of {len(actions)}: {first.code}"
    codes = {one.code for one in refused}
    if codes & {"too_large", "validation"}:
        return Unwritable(f"{where}. Nothing was written: set this item aside and mend it or its mapping.", refused)
    return Cancelled(f"{where}. Nothing was written.", refused)


def too_large(actions: Sequence[Action]) -> tuple[Refused, ...]:
    """Name the items over 400 KB; all of them where only their sum is over the limit of a transaction."""
    sizes = [size_of(action.item) if isinstance(action, Put) else 0 for action in actions]
    large = tuple(Refused(index, "too_large") for index, size in enumerate(sizes) if size > LARGEST_ITEM)
    if not large and sum(sizes) > LARGEST_TRANSACTION:
        return tuple(Refused(index, "too_large") for index in range(len(actions)))
    return large


def named(actions: Sequence[Action]) -> str:
    """Name the tables, and the key where it is one action that has one."""
    tables = ", ".join(sorted({action.table for action in actions}))
    only = actions[0] if len(actions) == 1 else None
    return f"{tables} ({key_text(only.key)})" if isinstance(only, Delete | Update | Check) else tables
