"""A row as text: one text for each column, so that it survives another order, another type and another table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.zoo.catalogue import Thing
from tests.zoo.rows import quoted

Key = tuple[str, ...]
Image = tuple[str | None, ...]


def literal(text: str | None, type_: str | None = None) -> str:
    """The text as a literal, cast where a type is given. Values are spelt out, so that `%` is only a letter."""
    made = "NULL" if text is None else "'" + text.replace("'", "''") + "'"
    return f"CAST({made} AS {type_})" if type_ else made


def as_text(columns: Iterable[str], alias: str = "") -> str:
    """An array of the columns' texts."""
    prefix = f"{alias}." if alias else ""
    # One collation for all, or those of the columns would quarrel.
    texts = [prefix + quoted(name) + '::text COLLATE "C"' for name in columns]
    return f"ARRAY[{', '.join(texts)}]::text[]"


def returning(thing: Thing, columns: Sequence[str]) -> str:
    """Give key and image of what a statement did."""
    return f"RETURNING {as_text(thing.key)} AS key, {as_text(columns)} AS image"


def where(thing: Thing, key: Key) -> str:
    """The condition that names one row."""
    parts = zip(thing.key, key, strict=True)
    return " AND ".join(f"{quoted(name)} = {literal(text, thing.column(name).type)}" for name, text in parts)
