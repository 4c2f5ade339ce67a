"""`when:` and `skip:` as closures over an item."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias

from sluice.estate.design import When
from sluice.estate.single_table import Skip
from sluice.records.moments import moment_of
from sluice.records.rendering import compile_fetch, is_there
from sluice.stores.dynamodb.values import Item, Value

Holds: TypeAlias = Callable[[Item], bool]
Skips: TypeAlias = Callable[[Item, datetime], str | None]


def compile_when(when: When) -> Holds:
    """Give what tells whether a condition holds. All that stands beside each other must; an empty one always does."""
    parts: list[Holds] = []
    if when.has is not None:
        parts.append(_has(when.has))
    parts += [_equals(path, wanted) for path, wanted in when.equals.items()]
    if when.none is not None:
        inner = compile_when(when.none)
        parts.append(lambda item: not inner(item))
    if when.any_of:
        options = [compile_when(one) for one in when.any_of]
        parts.append(lambda item: any(one(item) for one in options))
    if len(parts) == 1:
        return parts[0]
    return lambda item: all(part(item) for part in parts)


def compile_skip(skip: Skip) -> Skips:
    """Give what says why an item is not migrated at a UTC moment without zone: `expired`, `when`, or None.

    A time of expiry that cannot be read raises Unmappable: to leave such an item out would be a guess.
    """
    fetch = compile_fetch(tuple(skip.expired.split("."))) if skip.expired else None
    holds = compile_when(skip.when) if skip.when else None
    name = skip.expired or ""

    def skips(item: Item, now: datetime) -> str | None:
        value = fetch(item) if fetch else None
        if value is not None and is_there(value) and moment_of(value, name) <= now:
            return "expired"
        return "when" if holds and holds(item) else None

    return skips


def _has(path: str) -> Holds:
    fetch = compile_fetch(tuple(path.split(".")))
    return lambda item: is_there(fetch(item))


def _equals(path: str, wanted: str | int | bool) -> Holds:
    fetch = compile_fetch(tuple(path.split(".")))

    def equals(item: Item) -> bool:
        value = fetch(item)
        return value is not None and _is(value, wanted)

    return equals


def _is(value: Value, wanted: str | int | bool) -> bool:
    if isinstance(wanted, bool):
        return value.get("BOOL") is wanted
    if isinstance(wanted, int):
        return "N" in value and Decimal(value["N"]) == wanted
    return value.get("S") == wanted
