"""Templates as closures: compiled once, then a call an item.

A closure takes an item and gives text (`Render`) or a value in the wire's form (`Give`); where the item has not what it
needs, it raises Unmappable, naming the attribute.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TypeAlias

from sluice.estate.durations import parse_duration
from sluice.estate.templates import Filter, Placeholder, parse_template
from sluice.records.moments import iso_of, millis_of, moment_of, seconds_of
from sluice.records.record import Unmappable
from sluice.stores.dynamodb.values import Item, Value, plain_number

Render: TypeAlias = Callable[[Item], str]
Give: TypeAlias = Callable[[Item], Value]
Spread: TypeAlias = Mapping[str, int]
_NO_TIME = timedelta()


def bucket_of(text: str, buckets: int) -> str:
    """Give the hash partition of a text: `P003` is CRC-32 (zlib's) of its UTF-8, modulo `buckets`.

    Any client can compute it, and it must never change: records lie where it says.
    """
    return f"P{zlib.crc32(text.encode()) % buckets:03d}"


def buckets_of(buckets: int) -> tuple[str, ...]:
    """Give every partition that a class of keys is spread over; who reads them all has all."""
    return tuple(f"P{number:03d}" for number in range(buckets))


def is_there(value: Value | None) -> bool:
    """Tell whether an attribute says something: it is there, and is neither NULL nor empty text."""
    return value is not None and "NULL" not in value and value.get("S") != ""


def compile_fetch(path: tuple[str, ...]) -> Callable[[Item], Value | None]:
    """Give what finds a value through maps and, by a number, in lists; None where there is none."""
    if len(path) == 1:
        (only,) = path
        return lambda item: item.get(only)

    def fetch(item: Item) -> Value | None:
        value = item.get(path[0])
        for step in path[1:]:
            if value is None:
                return None
            value = _inside(value, step)
        return value

    return fetch


def compile_text(template: str, spread: Spread, *, in_key: bool = False) -> Render:
    """Give what renders a template as text. In a key no placeholder may come out empty."""
    pieces = parse_template(template)
    if all(isinstance(piece, str) for piece in pieces):
        text = "".join(map(str, pieces))
        return lambda item: text
    parts = [_literal(one) if isinstance(one, str) else _placeholder(one, spread, in_key) for one in pieces]
    if len(parts) == 1:
        return parts[0]
    if len(parts) == 2 and isinstance(pieces[0], str):
        before, after = pieces[0], parts[1]  # USER#{id}: most keys are this
        return lambda item: before + after(item)
    return lambda item: "".join([part(item) for part in parts])


def compile_value(template: str, spread: Spread) -> Give:
    """Give what makes a value: the attribute as it is, a number, or text."""
    pieces = parse_template(template)
    one = pieces[0] if len(pieces) == 1 else None
    if isinstance(one, Placeholder) and not one.filters:
        return _as_it_is(one)
    if isinstance(one, Placeholder) and one.gives == "number":
        number = _placeholder(one, spread, in_key=True)
        return lambda item: {"N": number(item)}
    if all(isinstance(piece, str) for piece in pieces):
        constant = {"S": "".join(map(str, pieces))}
        return lambda item: constant
    text = compile_text(template, spread)
    return lambda item: {"S": text(item)}


def _inside(value: Value, step: str) -> Value | None:
    inner = value.get("M")
    if inner is not None:
        found: Value | None = inner.get(step)
        return found
    listed = value.get("L")
    if listed is not None and step.isdigit() and int(step) < len(listed):
        element: Value = listed[int(step)]
        return element
    return None


def _literal(text: str) -> Render:
    return lambda item: text


def _as_it_is(one: Placeholder) -> Give:
    fetch, name = compile_fetch(one.path), ".".join(one.path)

    def give(item: Item) -> Value:
        value = fetch(item)
        if value is None:
            raise _missing(name)
        return value

    return give


def _placeholder(one: Placeholder, spread: Spread, in_key: bool) -> Render:
    filters = list(one.filters)
    default: str | None = None
    if filters and filters[0].name == "or":
        default = filters.pop(0).argument or ""
    name = ".".join(one.path)
    first = _first(filters)
    rest = [_then(each, spread, name) for each in filters]
    if default is None and not rest and first is text_of and len(one.path) == 1:
        return _plain(name, in_key)
    return _filtered(compile_fetch(one.path), name, default, first, rest, in_key)


def _plain(name: str, in_key: bool) -> Render:
    def render(item: Item) -> str:
        try:
            value = item[name]
        except KeyError:
            raise _missing(name) from None
        text: str | None = value.get("S")
        if text is None:
            text = text_of(value, name)
        if not text and in_key:
            raise _empty(name)
        return text

    return render


def _filtered(
    fetch: Callable[[Item], Value | None],
    name: str,
    default: str | None,
    first: Callable[[Value, str], str],
    rest: list[Callable[[str], str]],
    in_key: bool,
) -> Render:
    instead = None if default is None else {"S": default}

    def render(item: Item) -> str:
        value = fetch(item)
        if instead is not None and not is_there(value):
            value = instead
        if value is None:
            raise _missing(name)
        text = first(value, name)
        for one in rest:
            text = one(text)
        if not text and in_key:
            raise _empty(name)
        return text

    return render


def text_of(value: Value, name: str) -> str:
    """Give a value as text. Raises Unmappable for what has no plain text.

    A number has one text, whatever its form: the store keeps its value alone, and from that the same key must come again.
    """
    ((kind, inner),) = value.items()
    if kind == "S":
        return str(inner)
    if kind == "N":
        return plain_number(inner)
    if kind == "BOOL":
        return "true" if inner else "false"
    if kind == "NULL":
        raise Unmappable("null", name, "it is NULL")
    raise Unmappable("not_text", name, f"a {kind} cannot stand in text")


def _first(filters: list[Filter]) -> Callable[[Value, str], str]:
    """Take off the filter that reads a time, if that is the first, and give it; else what gives plain text."""
    if not filters or filters[0].name not in _TIMES:
        return text_of
    one = filters.pop(0)
    write, later = _TIMES[one.name], parse_duration(one.argument) if one.argument else _NO_TIME

    def read(value: Value, name: str) -> str:
        try:
            return write(moment_of(value, name) + later)
        except OverflowError:
            raise Unmappable("no_time", name, "the time is out of range") from None

    return read


_TIMES: Mapping[str, Callable[[datetime], str]] = {
    "year": lambda moment: f"{moment.year:04d}",
    "month": lambda moment: f"{moment.year:04d}-{moment.month:02d}",
    "day": lambda moment: f"{moment.year:04d}-{moment.month:02d}-{moment.day:02d}",
    "iso": iso_of,
    "seconds": lambda moment: str(seconds_of(moment)),
    "millis": lambda moment: str(millis_of(moment)),
}


_CHANGES: Mapping[str, Callable[[str], str]] = {"lower": str.lower, "upper": str.upper, "trim": str.strip}


def _then(one: Filter, spread: Spread, name: str) -> Callable[[str], str]:
    if one.name == "pad":
        return _pad(int(one.argument or 0), name)
    if one.name == "spread":
        buckets = spread[one.argument or ""]
        return lambda text: bucket_of(text, buckets)
    return _CHANGES[one.name]


def _pad(length: int, name: str) -> Callable[[str], str]:
    def pad(text: str) -> str:
        if not (text.isascii() and text.isdigit()):
            raise Unmappable("no_digits", name, "only digits can be padded")
        if len(text) > length:
            raise Unmappable("too_long", name, f"{len(text)} digits do not fit {length}")
        return text.zfill(length)

    return pad


def _missing(name: str) -> Unmappable:
    return Unmappable("missing", name, "it is missing")


def _empty(name: str) -> Unmappable:
    return Unmappable("empty", name, "it is empty, and stands in a key")
