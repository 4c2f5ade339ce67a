"""How a column's values lie in a Parquet file: as a plain type where that loses nothing, as PostgreSQL's own text elsewhere.

What comes out of a file is that text again, to the letter: it is what the hash is made of, and what PostgreSQL reads back in.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

Texts: TypeAlias = list[str | None]
TEXT = "string"
PLAIN = {
    "boolean": "bool",
    "smallint": "int16",
    "integer": "int32",
    "bigint": "int64",
    "double precision": "double",
    "bytea": "binary",
    "date": "date32",
    "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamptz",
}
"""PostgreSQL's types that have an equal in Parquet; every other one is text."""
WRITTEN_ALIKE = {*PLAIN, "text", "character varying", "uuid", "json", "jsonb", "numeric", "real"} - {"boolean"}
"""Types whose text is what COPY writes. Others have a cast of their own, which may say something else: char(n), inet, boolean."""
CALM = ("date32", "timestamp", "timestamptz")
"""Those that hold a calendar's moments from year 1 to 9999, and no infinity."""

STEPPED = ("int16", "int32", "int64", *CALM)
"""Those that are whole numbers in a file."""
DICTIONARY_BYTES = 65_536


@dataclass(frozen=True)
class Stored:
    """One column of a file: its name, PostgreSQL's type, and the form it has there."""

    name: str
    type: str
    form: str


def is_text_already(type_: str) -> bool:
    """Whether COPY writes values of a type as their text by itself: a cast would make it twice."""
    return re.sub(r"\([\d,]+\)", "", type_) in WRITTEN_ALIKE


def form_of(type_: str) -> str:
    """Give the plainest form that a type may have, if its values are calm: few digits behind the point, no infinity."""
    number = re.fullmatch(r"numeric\((\d+),(\d+)\)", type_)
    if number and int(number[1]) <= 38 and int(number[2]) <= min(6, int(number[1])):
        return f"decimal({number[1]},{number[2]})"
    return PLAIN.get(re.sub(r"\(\d+\)", "", type_), TEXT)


def arrow_type(form: str) -> Any:
    """Give the type of pyarrow that a form has."""
    import pyarrow as pa

    if form.startswith("decimal"):
        precision, scale = map(int, form[len("decimal(") : -1].split(","))
        return pa.decimal128(precision, scale)
    moments = {"timestamp": pa.timestamp("us"), "timestamptz": pa.timestamp("us", tz="UTC")}
    return moments.get(form) or pa.type_for_alias(form)


def schema_of(columns: Sequence[Stored]) -> Any:
    """Give the schema of a file: each field tells PostgreSQL's type, and whether it is plain or text."""
    import pyarrow as pa

    def field(one: Stored) -> Any:
        told = {"postgres_type": one.type, "form": "text" if one.form == TEXT else "plain"}
        return pa.field(one.name, arrow_type(one.form), metadata=told)

    return pa.schema([field(one) for one in columns])


def written(columns: Sequence[Stored]) -> dict[str, Any]:
    """Give how a file's columns are packed: numbers and moments as steps from one to the next, all else by a dictionary.

    A dictionary that grows is soon given up: most values of such a column come once, and looking each up took time for nothing.
    """
    stepped = [one.name for one in columns if one.form in STEPPED]
    rest = [one.name for one in columns if one.form not in STEPPED]
    steps = dict.fromkeys(stepped, "DELTA_BINARY_PACKED")
    return {"use_dictionary": rest or False, "dictionary_pagesize_limit": DICTIONARY_BYTES, "column_encoding": steps}


def read_type(form: str) -> Any:
    """Give the type of pyarrow that a form is read as, out of PostgreSQL's text."""
    return arrow_type(TEXT if form == "binary" else form)


def plain(read: Any, form: str) -> Any:
    """Make the array of a form out of one of its `read_type`."""
    import pyarrow as pa

    if form == "binary":
        return pa.array([None if text is None else bytes.fromhex(text[2:]) for text in read.to_pylist()], pa.binary())
    return read


def texts(array: Any, form: str) -> Any:
    """Make PostgreSQL's texts out of an array of pyarrow: an array as well."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if form == "binary":
        return pa.array([None if one is None else f"\\x{one.hex()}" for one in array.to_pylist()], pa.string())
    if form == "double":
        return pa.array([None if one is None else double_text(one) for one in array.to_pylist()], pa.string())
    if form in ("timestamp", "timestamptz"):
        said = _short_seconds(array.cast(pa.timestamp("us")).cast(pa.string()))
        return pc.binary_join_element_wise(said, "+00", "") if form == "timestamptz" else said
    return array.cast(pa.string())


def double_text(value: float) -> str:
    """Write a double as PostgreSQL does: the fewest digits that read back the same, plain from 0.0001 to below 1e15."""
    if math.isnan(value):
        return "NaN"
    sign = "-" if math.copysign(1, value) < 0 else ""
    if math.isinf(value):
        return f"{sign}Infinity"
    if value == 0:
        return f"{sign}0"
    digits, point = _digits(abs(value))
    if -4 < point <= 15:
        return sign + _fixed(digits, point)
    return f"{sign}{digits[0]}{'.' if digits[1:] else ''}{digits[1:]}e{point - 1:+03d}"


def _digits(value: float) -> tuple[str, int]:
    """Give the fewest digits that read back the same, and where the point stands behind the first of them.

    Python also takes a number half way to the next double, which reads back by rounding to even; PostgreSQL never does (its Ryu
    leaves out the bounds). Only whole doubles from 2^53 on have so short a number half way.
    """
    found = Decimal(repr(value))
    for precision in range(16, 18) if value >= 2**53 and _is_half_way(found, value) else ():
        found = Decimal(f"{value:.{precision - 1}e}")
        if not _is_half_way(found, value):
            break
    _, digits, exponent = found.as_tuple()
    return "".join(map(str, digits)).rstrip("0"), len(digits) + int(exponent)


def _is_half_way(found: Decimal, value: float) -> bool:
    below, above = int(math.nextafter(value, 0)), int(value) + int(math.ulp(value))
    return 2 * int(found) in (below + int(value), int(value) + above)


def _fixed(digits: str, point: int) -> str:
    if point <= 0:
        return f"0.{'0' * -point}{digits}"
    if point >= len(digits):
        return digits + "0" * (point - len(digits))
    return f"{digits[:point]}.{digits[point:]}"


def _short_seconds(said: Any) -> Any:
    """Take away the zeros behind a second that PostgreSQL does not write."""
    import pyarrow.compute as pc

    bare = pc.replace_substring_regex(said, r"\.0+$", "")
    return pc.replace_substring_regex(bare, r"(\.\d*[1-9])0+$", r"\1")
