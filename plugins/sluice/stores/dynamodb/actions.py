"""What a write asks for, as plain values: put, delete, update or only check, each under a condition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sluice.stores.dynamodb.values import Item, Key, Value


@dataclass(frozen=True)
class Condition:
    """What must hold of the item that stands there: `attribute_not_exists(#k)`, the names and values it speaks of."""

    expression: str
    names: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Put:
    """Write the whole item."""

    table: str
    item: Item
    condition: Condition | None = None

    def request(self) -> tuple[str, dict[str, Any]]:
        """Give the service's name of the action, and its parameters."""
        return "Put", {"TableName": self.table, "Item": self.item, **_conditional(self.condition)}


@dataclass(frozen=True)
class Delete:
    """Remove the item of a key; nothing if it is not there."""

    table: str
    key: Key
    condition: Condition | None = None

    def request(self) -> tuple[str, dict[str, Any]]:
        """Give the service's name of the action, and its parameters."""
        return "Delete", {"TableName": self.table, "Key": self.key, **_conditional(self.condition)}


@dataclass(frozen=True)
class Update:
    """Change some attributes by an update expression. Names and values of expression and condition are one space."""

    table: str
    key: Key
    expression: str
    names: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Value] = field(default_factory=dict)
    condition: Condition | None = None

    def request(self) -> tuple[str, dict[str, Any]]:
        """Give the service's name of the action, and its parameters."""
        asked: dict[str, Any] = {"TableName": self.table, "Key": self.key, "UpdateExpression": self.expression}
        return "Update", asked | _conditional(self.condition, self.names, self.values)


@dataclass(frozen=True)
class Check:
    """Write nothing; the transaction fails unless the condition holds."""

    table: str
    key: Key
    condition: Condition

    def request(self) -> tuple[str, dict[str, Any]]:
        """Give the service's name of the action, and its parameters."""
        return "ConditionCheck", {"TableName": self.table, "Key": self.key, **_conditional(self.condition)}


Action = Put | Delete | Update | Check


def _conditional(
    condition: Condition | None, names: Mapping[str, str] | None = None, values: Mapping[str, Value] | None = None
) -> dict[str, Any]:
    """Give the parameters of a condition; empty ones are left out, since the service refuses them."""
    asked: dict[str, Any] = {}
    if condition:
        asked["ConditionExpression"] = condition.expression
        # Else whoever is refused would have to ask what stood there, and be told of a later item.
        asked["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    names = {**(names or {}), **(condition.names if condition else {})}
    values = {**(values or {}), **(condition.values if condition else {})}
    asked |= {"ExpressionAttributeNames": names} if names else {}
    asked |= {"ExpressionAttributeValues": values} if values else {}
    return asked
