"""An attribute's value as the text that PostgreSQL reads, by the type of its column. Pure, exact, and never by way of a float.

Of one value there is one text, whatever form the service sent it in: a comparison later is of bytes.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

from sluice.records import Unmappable
from sluice.records.moments import moment_of
from sluice.stores.dynamodb.values import Item, Value, plain_number

_TAGS = {"SS", "NS", "BS", "B", "M"}
_NUMBERS = {"numeric", "decimal", "int", "integer", "int4", "bigint", "int8", "smallint", "int2"}
_MOMENTS = {"timestamptz", "timestamp with time zone", "timestamp", "timestamp without time zone", "date"}
_SAFE = {"char": "bpchar", "character": "bpchar", "bit": "varbit"}
"""Without its length, each of these is taken for one of length 1."""
FLOATS = {"real", "float4", "float", "float8", "double precision"}


@cache
def base_type(type_: str) -> str:
    """Give a type without its modifier: a cast to `varchar(5)` would cut a text off in silence, an assignment refuses it."""
    base = re.sub(r"\s*\([^)]*\)", "", type_).strip()
    return _SAFE.get(base.lower(), base)


def column_text(value: Value, name: str, type_: str) -> str:
    """Give the text of a value for a column of a type. Raises Unmappable; a NULL is the caller's to tell."""
    base = base_type(type_).lower()
    if base in ("json", "jsonb"):
        return json_text(value, name)
    if base in _NUMBERS:
        return _number_for(type_, value, name)
    if base in _MOMENTS:
        return _moment_for(type_, base, value, name)
    if base.endswith("[]"):
        return _array(value, name)
    return _plain(value, name)


def json_text(value: Value, name: str) -> str:
    """Give a value as JSON that says all of it: what JSON has no word for stands in the service's own form, {"SS": [...]}."""
    ((kind, inner),) = value.items()
    if kind == "S":
        return json.dumps(_clean(inner, name), ensure_ascii=False)
    if kind == "N":
        return number_text(inner, name)
    if kind == "BOOL":
        return "true" if inner else "false"
    if kind == "NULL":
        return "null"
    if kind == "L":
        return "[" + ",".join(json_text(one, name) for one in inner) + "]"
    if kind == "M":
        told = json_object(inner, name)
        # A map that looks like one of our own words is put into one.
        return f'{{"M":{told}}}' if len(inner) == 1 and set(inner) <= _TAGS else told
    return f'{{"{kind}":{_members(kind, inner, name)}}}'


def json_object(item: Item, name: str = "") -> str:
    """Give attributes as one JSON object, by name."""
    parts = (
        f"{json.dumps(_clean(key, name or key), ensure_ascii=False)}:{json_text(item[key], name or key)}"
        for key in sorted(item)
    )
    return "{" + ",".join(parts) + "}"


def number_text(text: str, name: str) -> str:
    """Give a number in one form, with all its digits: the service trims zeros itself, and so 1.0 and 1 are one."""
    try:
        finite = Decimal(text).is_finite()
    except InvalidOperation:
        finite = False
    if not finite:
        raise Unmappable("type", name, f"{text[:40]!r} is no number")
    return plain_number(text)


def image_text(item: Item) -> str:
    """Give an item as text for a person to mend it: the service's own form, U+0000 written out."""
    return json.dumps(item, sort_keys=True, default=lambda binary: b64encode(bytes(binary)).decode())


def _clean(text: str, name: str) -> str:
    if "\0" in text:
        raise Unmappable("nul", name, "it holds U+0000, which PostgreSQL's texts cannot")
    return text


def _plain(value: Value, name: str) -> str:
    ((kind, inner),) = value.items()
    if kind == "S":
        return _clean(inner, name)
    if kind == "N":
        return number_text(inner, name)
    if kind == "BOOL":
        return "true" if inner else "false"
    if kind == "B":
        return "\\x" + bytes(inner).hex()
    raise Unmappable("type", name, f"a {kind} fits jsonb or an array alone")


def _number_for(type_: str, value: Value, name: str) -> str:
    text = value.get("N", value.get("S"))
    if text is None:
        raise Unmappable("type", name, f"a {next(iter(value))} is no number")
    told = number_text(text, name)
    places = re.search(r"\(\s*\d+\s*(?:,\s*(-?\d+)\s*)?\)", type_)
    whole = base_type(type_).lower() not in ("numeric", "decimal")
    if (whole or places) and len(told.partition(".")[2]) > int((places and places[1]) or 0):
        raise Unmappable("type", name, f"{told[:40]} would be rounded to fit {type_}")
    return told


def _moment_for(type_: str, base: str, value: Value, name: str) -> str:
    moment = moment_of(value, name)
    digits = re.search(r"\((\d)\)", type_)
    if digits and moment.microsecond % 10 ** (6 - min(6, int(digits[1]))):
        raise Unmappable("type", name, f"its time is finer than {type_}")
    if base == "date":
        if moment.time() != moment.min.time():
            raise Unmappable("type", name, "it is a time of day, and the column holds dates")
        return moment.date().isoformat()
    return moment.isoformat(sep=" ") + ("" if base in ("timestamp", "timestamp without time zone") else "+00")


def _array(value: Value, name: str) -> str:
    ((kind, inner),) = value.items()
    if kind in ("SS", "NS", "BS"):
        texts = sorted(_plain({kind[0]: one}, name) for one in inner)
    elif kind == "L":
        texts = ["NULL" if "NULL" in one else _plain(one, name) for one in inner]
        return "{" + ",".join(t if "NULL" in o else _quoted(t) for t, o in zip(texts, inner, strict=True)) + "}"
    else:
        raise Unmappable("type", name, f"a {kind} is no array")
    return "{" + ",".join(map(_quoted, texts)) + "}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _members(kind: str, inner: Any, name: str) -> str:
    if kind == "B":
        return json.dumps(b64encode(bytes(inner)).decode())
    if kind == "BS":
        return json.dumps(sorted(b64encode(bytes(one)).decode() for one in inner))
    if kind == "NS":
        return "[" + ",".join(sorted(number_text(one, name) for one in inner)) + "]"
    return json.dumps(sorted(_clean(one, name) for one in inner), ensure_ascii=False)
