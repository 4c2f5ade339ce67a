"""Items as lines of a file, as the service's own exports write them (DYNAMODB_JSON), and what proves that none was lost. Pure.

One line an item: `{"Item": {"id": {"S": "x"}}}`; binary is base64. Written in ASCII with escapes, so that no reader takes a
line separator within a text for the end of a line.
"""

from __future__ import annotations

import gzip
import io
import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from sluice.stores.dynamodb.values import Item, Value, canonical_text

BITS = 128
Expires = Callable[[Item], bool]
"""Whether the service may remove an item by itself before long."""


def line_of(item: Item) -> bytes:
    """Give an item's line, its end included."""
    return json.dumps({"Item": plain_item(item)}, separators=(",", ":")).encode() + b"\n"


def items_in(body: bytes) -> Iterator[Item]:
    """Give the items of a compressed file, one after another. Raises OSError, EOFError or ValueError for one that is damaged."""
    with gzip.GzipFile(fileobj=io.BytesIO(body)) as lines:
        yield from items_of(lines)


def items_of(lines: Iterable[bytes]) -> Iterator[Item]:
    """Give the items of lines that are not compressed. Raises ValueError, KeyError for one that is damaged."""
    for line in lines:
        yield item_of(json.loads(line)["Item"])


def plain_item(item: Item) -> Item:
    """Give an item as JSON can hold it."""
    return {name: plain(value) for name, value in item.items()}


def item_of(told: Mapping[str, Value]) -> Item:
    """Give the item that `plain_item` told."""
    return {name: _value(value) for name, value in told.items()}


def plain(value: Value) -> Value:
    """Give a value as JSON can hold it: binary as base64."""
    ((kind, inner),) = value.items()
    if kind == "B":
        return {kind: b64encode(inner).decode()}
    if kind == "BS":
        return {kind: [b64encode(one).decode() for one in inner]}
    return _inside(kind, inner, plain)


def _value(value: Value) -> Value:
    ((kind, inner),) = value.items()
    if kind == "B":
        return {kind: b64decode(inner)}
    if kind == "BS":
        return {kind: [b64decode(one) for one in inner]}
    return _inside(kind, inner, _value)


def _inside(kind: str, inner: Any, each: Callable[[Value], Value]) -> Value:
    if kind == "L":
        return {kind: [each(one) for one in inner]}
    if kind == "M":
        return {kind: {name: each(one) for name, one in inner.items()}}
    return {kind: inner}


@dataclass
class Tally:
    """A table's items in a few numbers, free of their order: how many, and a sum of 128 bits over each.

    `lasting` and `lasting_digest` leave out what the service's own expiry may remove meanwhile.
    """

    items: int = 0
    digest: int = 0
    lasting: int = 0
    lasting_digest: int = 0

    def add(self, item: Item, expires: Expires) -> None:
        """Count an item."""
        sum_of_it = digest(item)
        self.items += 1
        self.digest = (self.digest + sum_of_it) % 2**BITS
        if not expires(item):
            self.lasting += 1
            self.lasting_digest = (self.lasting_digest + sum_of_it) % 2**BITS

    def join(self, other: Tally) -> Tally:
        """Add what somebody else has counted."""
        self.items += other.items
        self.digest = (self.digest + other.digest) % 2**BITS
        self.lasting += other.lasting
        self.lasting_digest = (self.lasting_digest + other.lasting_digest) % 2**BITS
        return self

    @property
    def text(self) -> str:
        """The digest over everything, as text."""
        return f"{self.digest:032x}"


def digest(item: Item) -> int:
    """Give 128 bits of an item, the same for all that DynamoDB could not tell apart."""
    return int.from_bytes(blake2b(canonical_text(item).encode(), digest_size=BITS // 8).digest(), "big")
