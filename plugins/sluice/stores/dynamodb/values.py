"""Items as the service sends them, their keys as text, their size and what makes two of them equal.

A value stays in the wire's form, `{"N": "1.0"}`: no number becomes a float, and its text is kept as it came. What
boto3's client hands over for B and BS is `bytes`.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Hashable
from decimal import Context, Decimal
from typing import Any
from urllib.parse import unquote

Value = dict[str, Any]
"""One attribute: {"S": "x"}, {"N": "1.0"}, {"SS": ["a"]}, {"M": {…}}."""
Item = dict[str, Value]
Key = Item
"""An item of key attributes alone."""

LARGEST_ITEM = 400 * 1024
"""Bytes, names and values together."""

# Decimal rounds to 28 digits unless told; DynamoDB keeps 38.
_EXACT = Context(prec=64)
_TO_ESCAPE = frozenset("%&=:")
_ESCAPES = {ord(char): f"%{ord(char):02X}" for char in _TO_ESCAPE}


def key_of(item: Item, *names: str) -> Key:
    """Give the key attributes of an item. Raises KeyError when one is missing."""
    return {name: item[name] for name in names}


def key_text(key: Key) -> str:
    """Give a key as one stable text, `PK=USER#1&SK=METADATA`: for logs, for dict keys, and to be read back.

    Attributes stand in order of their names; a number or binary says so, `n:N=12`, and 12 and 12.0 are one key.
    """
    return "&".join(_part(name, key[name]) for name in sorted(key))


def key_from_text(text: str) -> Key:
    """Read what `key_text` wrote."""
    return dict(_attribute(part) for part in text.split("&"))


def _part(name: str, value: Value) -> str:
    ((kind, inner),) = value.items()
    name = _escaped(name)
    if kind == "S":
        return f"{name}={_escaped(inner)}"
    return f"{name}:{kind}={plain_number(inner) if kind == 'N' else _escaped(b64encode(inner).decode())}"


def _escaped(text: str) -> str:
    # Most have none of these, and to look takes a quarter of the time.
    return text if _TO_ESCAPE.isdisjoint(text) else text.translate(_ESCAPES)


def _attribute(part: str) -> tuple[str, Value]:
    left, _, inner = part.partition("=")
    name, _, kind = left.partition(":")
    inner = unquote(inner)
    return unquote(name), {kind or "S": b64decode(inner) if kind == "B" else inner}


def canonical(value: Value) -> Hashable:
    """Give a form in which two values are equal exactly when DynamoDB could not tell them apart.

    Sets have no order, maps none either, lists have one; 1, 1.0 and 10E-1 are one number, and -0 is 0. A missing attribute, NULL
    and an empty string are three different things, and so are a number and its text.
    """
    ((kind, inner),) = value.items()
    if kind == "N":
        return kind, plain_number(inner)
    if kind == "NS":
        return kind, frozenset(plain_number(one) for one in inner)
    if kind in ("SS", "BS"):
        return kind, frozenset(inner)
    if kind == "L":
        return kind, tuple(canonical(one) for one in inner)
    if kind == "M":
        return kind, canonical_item(inner)
    return kind, inner


def canonical_item(item: Item) -> Hashable:
    """Give an item's attributes in the form of `canonical`."""
    return frozenset((name, canonical(value)) for name, value in item.items())


def canonical_text(item: Item) -> str:
    """Give an item as one text, the same for items that `canonical` holds for equal."""
    return "{" + ",".join(f"{len(name)}:{name}={_text(item[name])}" for name in sorted(item)) + "}"


def _text(value: Value) -> str:
    # Lengths before texts, so that no two different items run together into one.
    ((kind, inner),) = value.items()
    if kind == "M":
        return canonical_text(inner)
    if kind == "L":
        return "[" + ",".join(_text(one) for one in inner) + "]"
    if kind in ("SS", "NS", "BS"):
        return "(" + ",".join(sorted(_text({kind[0]: one}) for one in inner)) + ")"
    text = plain_number(inner) if kind == "N" else inner.hex() if kind == "B" else str(inner)
    return f"{kind}{len(text)}:{text}"


def same(one: Item | None, other: Item | None) -> bool:
    """Tell whether two items are equal; None is no item."""
    if one is None or other is None:
        return one is other
    return one == other or canonical_item(one) == canonical_item(other)


def plain_number(text: str) -> str:
    """Give a number as a person and the service write it, one text for all forms: 10.0 and 1E+1 are `10`."""
    if text.isascii() and text.isdigit() and text[0] != "0":
        return text  # most are
    number = _EXACT.normalize(Decimal(text))
    return format(number, "f") if number else "0"


def size_of(item: Item) -> int:
    """Give an item's size in bytes by DynamoDB's published rules, names included; numbers by their upper estimate."""
    return sum(len(name.encode()) + _size(value) for name, value in item.items())


def _size(value: Value) -> int:
    ((kind, inner),) = value.items()
    if kind == "S":
        return len(inner.encode())
    if kind == "N":
        return _number_size(inner)
    if kind == "B":
        return len(inner)
    if kind in ("SS", "NS", "BS"):
        return sum(_size({kind[0]: one}) for one in inner)
    if kind == "L":
        return 3 + sum(1 + _size(one) for one in inner)
    if kind == "M":
        return 3 + sum(1 + len(name.encode()) + _size(one) for name, one in inner.items())
    return 1


def _number_size(text: str) -> int:
    """One byte for two significant digits, aligned at the point; one for the exponent, one for a minus."""
    sign, digits, exponent = _EXACT.normalize(Decimal(text)).as_tuple()
    if digits == (0,):
        return 1
    places = len(digits) + (int(exponent) % 2)
    return 1 + (places + 1) // 2 + sign
