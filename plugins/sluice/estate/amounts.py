"""Amounts as people write them, from low to high: `40`, `0.25`, `30 to 50`. Decimals, so that sums of money are exact."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, TypeAlias

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

_NUMBER = r"[0-9]{1,12}(\.[0-9]{1,12})?"
PATTERN = rf"^{_NUMBER}( to {_NUMBER})?$"
ALLOWED = "a number, or the lowest and the highest, such as 40, 0.25 or 30 to 50"


@dataclass(frozen=True)
class Between:
    """Something that lies from `low` to `high`, both included."""

    low: Decimal
    high: Decimal

    def __add__(self, other: Between) -> Between:
        return Between(self.low + other.low, self.high + other.high)

    def __mul__(self, other: Between | Decimal | int) -> Between:
        """Multiply by what is not negative: low by low, high by high."""
        factor = other if isinstance(other, Between) else exactly(other)
        return Between(self.low * factor.low, self.high * factor.high)

    def __truediv__(self, by: Decimal | int) -> Between:
        return Between(self.low / by, self.high / by)

    def at_least(self, least: Decimal | int) -> Between:
        """Raise both ends to what it is at least."""
        return Between(max(self.low, Decimal(least)), max(self.high, Decimal(least)))

    def at_most(self, most: Decimal | int) -> Between:
        """Lower both ends to what it is at most."""
        return Between(min(self.low, Decimal(most)), min(self.high, Decimal(most)))

    @property
    def middle(self) -> Decimal:
        """Half way from low to high."""
        return (self.low + self.high) / 2

    def __str__(self) -> str:
        return f"{self.low:f}" if self.low == self.high else f"{self.low:f} to {self.high:f}"


def exactly(value: Decimal | float) -> Between:
    """Give what is known exactly. A float counts as it is written."""
    return Between(Decimal(str(value)), Decimal(str(value)))


def ranging(low: Decimal | float, high: Decimal | float) -> Between:
    """Give what lies from low to high."""
    return Between(exactly(low).low, exactly(high).high)


def total(parts: list[Between]) -> Between:
    """Add up; nothing is 0."""
    return sum(parts, exactly(0))


def read_amount(value: object) -> Between:
    """Read what stands in a file. Raises ValueError for anything but one number, or two of which the first is not larger."""
    if isinstance(value, Between):
        return value
    text = f"{Decimal(str(value)):f}" if isinstance(value, (int, float)) and not isinstance(value, bool) else value
    if not isinstance(text, str) or re.fullmatch(PATTERN, text, re.ASCII) is None:
        raise ValueError(f"allowed: {ALLOWED}")
    low, _, high = text.partition(" to ")
    amount = Between(Decimal(low), Decimal(high or low))
    if amount.low > amount.high:
        raise ValueError(f"allowed: {ALLOWED}; the lowest first")
    return amount


@dataclass(frozen=True)
class Counted:
    """Marks a field written as an amount."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Take a number as YAML has it, or text."""
        as_text = core_schema.plain_serializer_function_ser_schema(str, when_used="json")
        return core_schema.no_info_plain_validator_function(read_amount, serialization=as_text)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Describe it; the title holds the words for what is allowed."""
        return {"type": ["number", "string"], "title": ALLOWED, "pattern": PATTERN, "minimum": 0}


Amount: TypeAlias = Annotated[Between, Counted()]
