"""A statement's text as pg_stat_statements keeps it: constants are `$1`, comments and line breaks as they were sent. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sluice.stores.postgres import Table

IDENT = r'(?:"(?:[^"]|"")+"|[^\W\d][\w$]*)'
NAME = rf"{IDENT}(?:\s*\.\s*{IDENT})*"
_PIECES = re.compile(r"""("(?:[^"]|"")*"|'(?:[^']|'')*')|--[^\n]*|/\*.*?\*/""", re.S)
# `interval '1 day'` is kept as `interval $1`, which PostgreSQL does not read.
_TYPED = re.compile(r"\b(interval|date|timestamptz|timestamp|timetz|time)\s+(\$\d+)", re.I)
_LOCKS = re.compile(r"\bfor\s+(?:(?:no\s+key\s+)?update|(?:key\s+)?share)\b", re.I)
_READS = re.compile(r"[\s(]*(?:select|with|values|table)\b", re.I)
_CURSOR = re.compile(r"\s*(?:declare\b|copy\s*\()", re.I)
_NO_ALIAS = re.compile(
    "on|where|join|left|right|full|inner|cross|natural|using|order|group|limit|offset|having|union|except|intersect|window|fetch|for"
)
SHOWN = 160
"""Characters of a statement that are shown."""


def readable(text: str) -> str:
    """The statement without comments and with its typed constants as casts, on one line."""
    plain = _PIECES.sub(lambda piece: piece[1] or " ", text)
    return re.sub(r"\s+", " ", _TYPED.sub(r"(\2::\1)", plain)).strip().rstrip(";").strip()


def shown(text: str) -> str:
    """The statement, as much as a person needs to know it by. It holds no values."""
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def is_read(text: str) -> bool:
    """Whether it is a query by its first word."""
    return _READS.match(text) is not None


def why_not(text: str) -> str:
    """Why a query cannot be run beside the application; nothing when its text does not forbid it."""
    if _CURSOR.match(text):
        return "it is read through a cursor or a COPY"
    if ";" in text:
        return "its text is not one statement"
    return "it locks rows" if _LOCKS.search(text) else ""


def mentions(text: str, table: Table) -> bool:
    """Whether the text names the table, in any schema."""
    return re.search(_written(table.name), text) is not None


def put_in_place(text: str, table: Table, stand_in: Table) -> str:
    """The text with every name that has the table's schema replaced; names without one are the search_path's business."""
    named = re.compile(rf"(?<!\.){_written(table.schema)}\s*\.\s*{_written(table.name)}")
    return named.sub(lambda _: f"{_quoted(stand_in.schema)}.{_quoted(stand_in.name)}", text)


def aliases(text: str, table: Table) -> frozenset[str]:
    """What the table's columns may be qualified with."""
    named = re.finditer(rf"{_written(table.name)}\s+(?:as\s+)?({IDENT})", text, re.I)
    found = {folded(match[1]) for match in named}
    return frozenset({table.name, *(name for name in found if not _NO_ALIAS.fullmatch(name))})


def folded(name: str) -> str:
    """A name as the catalogue has it."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()


def last_of(name: str) -> tuple[str | None, str]:
    """The qualifier (the last one) and the column of `a`, `t.a` or `s.t.a`."""
    parts = [folded(part) for part in re.findall(IDENT, name)]
    return (parts[-2] if len(parts) > 1 else None), parts[-1]


def called(text: str) -> list[str]:
    """Every word that an opening bracket follows: functions, and some that are none."""
    return sorted({folded(name) for name in re.findall(rf"({IDENT})\s*\(", text)})


def has_limit(text: str) -> bool:
    """Whether only some of the rows are asked for."""
    return re.search(r"\b(?:limit|offset|fetch\s+(?:first|next))\b", text, re.I) is not None


def is_totally_ordered(text: str, key: Iterable[str]) -> bool:
    """Whether the last ORDER BY names every column of the key: then which rows are the first ones is certain."""
    found = list(re.finditer(r"\border\s+by\b", text, re.I))
    if not found:
        return False
    order = re.split(r"\b(?:limit|offset|fetch|for)\b", text[found[-1].end() :], flags=re.I)[0]
    return {last_of(item)[1] for item in re.findall(rf"(?:^|,)\s*({NAME})", order)} >= set(key)


def _written(name: str) -> str:
    """However a name may stand in SQL: quoted, or folded where it needs no quotes."""
    forms = [re.escape(_quoted(name))]
    if re.fullmatch(r"[a-z_][a-z0-9_$]*", name):
        forms.append(rf'(?<![\w$"])(?i:{re.escape(name)})(?![\w$"])')
    return f"(?:{'|'.join(forms)})"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
