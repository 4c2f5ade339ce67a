"""Python values for the application, the wire form for DynamoDB.

Numbers are Decimal in both directions: a float would round them. Attributes whose name begins with `_` are Sluice's
own (tokens, tombstones) and no application sees them. What is refused is named by its place, never shown: it may be
somebody's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from sluice.errors import Terminal
from sluice.stores.dynamodb.values import Item, Value

MOST_DIGITS = 38
LEAST_POWER, MOST_POWER = -130, 125
DEEPEST = 32


class NotStorable(Terminal):
    """DynamoDB has no form for a value."""


def from_wire(value: Value) -> Any:
    """Give the Python value: str, Decimal, bytes, bool, None, set, list or dict."""
    ((form, content),) = value.items()
    return _READ[form](content)


def to_wire(value: Any, where: str = "the value") -> Value:
    """Give the wire form. Raises NotStorable for what has none, such as a float; `where` names it there."""
    return _wire(value, where, 1)


def attributes_of(item: Item) -> dict[str, Any]:
    """Give an item's attributes as Python values, without our own."""
    return {name: from_wire(value) for name, value in item.items() if not name.startswith("_")}


def item_from(attributes: Mapping[str, Any]) -> Item:
    """Give the item of an application's attributes. Raises NotStorable, also for a name that is ours."""
    if not isinstance(attributes, Mapping):
        raise NotStorable(f"Attributes are a dict, such as {{'id': '42'}}, not of type {type(attributes).__name__}.")
    if ours := [name for name in attributes if isinstance(name, str) and name.startswith("_")]:
        raise NotStorable(
            f"Attributes {ours} cannot be stored: a name that begins with _ is Sluice's own. Rename them."
        )
    return {_name(name, "its attributes"): _wire(value, name, 1) for name, value in attributes.items()}


def _wire(value: Any, where: str, depth: int) -> Value:
    if depth > DEEPEST:
        raise _refused(where, "lies too deep", f"nest at most {DEEPEST} levels")
    if value is None:
        return {"NULL": True}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, str):
        return {"S": _text(value, where)}
    if isinstance(value, (int, Decimal)):
        return {"N": _number(value, where)}
    if isinstance(value, (bytes, bytearray)):
        return {"B": bytes(value)}
    if isinstance(value, (list, tuple)):
        return {"L": [_wire(one, f"{where}.{number}", depth + 1) for number, one in enumerate(value)]}
    if isinstance(value, Mapping):
        return {"M": {_name(name, where): _wire(one, f"{where}.{name}", depth + 1) for name, one in value.items()}}
    if isinstance(value, (set, frozenset)):
        return _set(value, where)
    raise _refused(where, f"is of type {type(value).__name__}", _instead(value))


def _set(members: Collection[Any], where: str) -> Value:
    wired = [_wire(one, where, 1) for one in members]
    forms = {form for one in wired for form in one}
    if not wired:
        raise _refused(where, "is an empty set", "leave it out: DynamoDB has none")
    if len(forms) > 1 or not forms <= {"S", "N", "B"}:
        raise _refused(where, "is a set of unlike members", "take all text, all numbers or all bytes, or a list")
    (form,) = forms
    return {f"{form}S": [one[form] for one in wired]}


def _number(value: int | Decimal, where: str) -> str:
    number = Decimal(value)
    if not number.is_finite():
        raise _refused(where, f"is {number}", "leave it out, or write it as text")
    digits = "".join(map(str, number.as_tuple().digits))
    if len(digits.strip("0")) > MOST_DIGITS:
        raise _refused(where, f"has more than {MOST_DIGITS} digits", "round the Decimal, or write it as text")
    if number and not LEAST_POWER <= number.adjusted() <= MOST_POWER:
        raise _refused(where, "is too large or too small for a number there", "write it as text")
    return str(number)


def _text(text: str, where: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _refused(where, "is text that is no Unicode", "mend it where it was decoded") from None
    return text


def _name(name: object, where: str) -> str:
    if not isinstance(name, str):
        raise _refused(where, f"has a name of type {type(name).__name__}", "names are text: write str(…)")
    return _text(name, where)


def _instead(value: Any) -> str:
    if isinstance(value, float):
        return "use Decimal for numbers: Decimal(str(…))"
    if isinstance(value, date):  # and datetime
        return "write it as text: ….isoformat(), a datetime with its zone"
    return "use text, Decimal, int, bytes, bool, None, list, dict or set"


def _refused(where: str, what: str, instead: str) -> NotStorable:
    return NotStorable(f"{where} {what} and cannot be stored: {instead}.")


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
