"""Times as legacy items write them, dirty ones included, and as keys need them: UTC, and in an order that sorts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

from sluice.records.record import Unmappable
from sluice.stores.dynamodb.values import Value

EPOCH = datetime(1970, 1, 1)
SECOND = timedelta(seconds=1)
MILLISECOND = timedelta(milliseconds=1)
MILLIS_FROM = 100_000_000_000
"""A number from here on is milliseconds: as seconds it would be after the year 5138, as milliseconds it is 1973."""


def moment_of(value: Value, name: str) -> datetime:
    """Give the UTC moment (without zone) that an attribute holds.

    A number is seconds since 1970, or milliseconds from MILLIS_FROM on, and so is text of digits. Other text is ISO 8601 with
    dashes; without a zone it is UTC. Raises Unmappable.
    """
    text = value.get("S")
    if text is None:
        text = value.get("N")
        if text is None:
            raise _no_time(value, name)
        return _from_number(text, name)
    if text[4:5] == "-":
        return _from_iso(text, name)
    if text.isascii() and text.isdigit():
        return _from_number(text, name)
    raise _no_time(value, name)


def seconds_of(moment: datetime) -> int:
    """Give whole seconds since 1970; what is finer is cut off."""
    return (moment - EPOCH) // SECOND


def millis_of(moment: datetime) -> int:
    """Give whole milliseconds since 1970."""
    return (moment - EPOCH) // MILLISECOND


def iso_of(moment: datetime) -> str:
    """Write a moment so that text sorts as time does: `2024-01-01T10:00:00.000Z`, always to the millisecond."""
    return f"{moment.isoformat(timespec='milliseconds')}Z"


def _from_iso(text: str, name: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    except (ValueError, OverflowError):
        raise _no_time({"S": text}, name) from None


def _from_number(text: str, name: str) -> datetime:
    try:
        number = Decimal(text)
        seconds = number / 1000 if number >= MILLIS_FROM else number
        return EPOCH + timedelta(microseconds=int(seconds * 1_000_000))
    except (InvalidOperation, OverflowError, ValueError):
        raise _no_time({"N": text}, name) from None


def _no_time(value: Value, name: str) -> Unmappable:
    (kind,) = value
    return Unmappable("no_time", name, f"no time can be read from this {kind}")
