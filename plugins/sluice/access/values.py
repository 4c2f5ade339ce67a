"""Python values for the application, the wire form for DynamoDB.

Numbers are Decimal in both directions: a float would round them. Attributes whose name begins with `_` are Sluice's
own (tokens, tombstones) and no application sees them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from sluice.errors import Terminal
from sluice.stores.dynamodb.values import Item, Value


class NotStorable(Terminal):
    """DynamoDB has no form for a value."""


def from_wire(value: Value) -> Any:
    """Give the Python value: str, Decimal, bytes, bool, None, set, list or dict."""
    ((form, content),) = value.items()
    return _READ[form](content)


def to_wire(value: Any) -> Value:
    """Give the wire form. Raises NotStorable for what has none, such as a float."""
    from boto3.dynamodb.types import TypeSerializer

    try:
        wire: Value = TypeSerializer().serialize(value)
    except (TypeError, ArithmeticError) as error:
        raise NotStorable(
            f"{value!r} cannot be stored: {error}. Use Decimal, at most 38 digits, for numbers."
        ) from error
    return wire


def attributes_of(item: Item) -> dict[str, Any]:
    """Give an item's attributes as Python values, without our own."""
    return {name: from_wire(value) for name, value in item.items() if not name.startswith("_")}


def item_from(attributes: Mapping[str, Any]) -> Item:
    """Give the item of an application's attributes. Raises NotStorable, also for a name that is ours."""
    if ours := [name for name in attributes if name.startswith("_")]:
        raise NotStorable(
            f"Attributes {ours} cannot be stored: a name that begins with _ is Sluice's own. Rename them."
        )
    return {name: to_wire(value) for name, value in attributes.items()}


_READ: dict[str, Callable[[Any], Any]] = {
    "S": str,
    "N": Decimal,
    "B": bytes,
    "BOOL": bool,
    "NULL": lambda _: None,
    "SS": set,
    "NS": lambda numbers: {Decimal(number) for number in numbers},
    "BS": lambda pieces: {bytes(piece) for piece in pieces},
    "L": lambda members: [from_wire(member) for member in members],
    "M": lambda members: {name: from_wire(member) for name, member in members.items()},
}
