"""SQL by name. Every statement lives in `include/sql/<domain>.sql` below a line `-- name: <verb_object>`.

Values are bound (`%(name)s`); identifiers and fragments are given here as `psycopg.sql` objects for `{name}`.
A statement is always read for placeholders when it is run (`sluice.stores.postgres.connect` sees to that), so a `%` that is
none is written twice: in the files by hand, in a name, a literal or PostgreSQL's own text here.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any, LiteralString, cast

from psycopg import Connection, sql
from psycopg.abc import AdaptContext

_HERE = Path(__file__).resolve()
_INSTALLED = _HERE.parents[1] / "sql"
"""Where the files lie in an installed package."""
SQL_ROOT = _INSTALLED if _INSTALLED.is_dir() else _HERE.parents[3] / "include" / "sql"
_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


def statement(name: str, /, **parts: sql.Composable) -> sql.Composed:
    """Give the statement `domain.verb_object`, with its `{parts}` filled in.

    Raises KeyError when no file of that domain holds such a name, or a part is missing.
    """
    domain, _, verb = name.partition(".")
    return sql.SQL(_domain(domain)[verb]).format(**{key: _escaped(part) for key, part in parts.items()})


def raw(text: str) -> sql.Composable:
    """A piece of SQL that PostgreSQL itself wrote (a definition, a type's name), or a person in the YAML."""
    return _Escaped(sql.SQL(text))


def as_text(query: sql.Composed, connection: Connection[Any] | None = None) -> str:
    """A statement without bound values, as PostgreSQL would get it."""
    return query.as_string(connection).replace("%%", "%")


class _Escaped(sql.Composable):
    """A part in which `%` is no placeholder."""

    def __init__(self, part: sql.Composable) -> None:
        super().__init__(part)

    def as_bytes(self, context: AdaptContext | None = None) -> bytes:
        """The part, each `%` doubled."""
        return cast(sql.Composable, self._obj).as_bytes(context).replace(b"%", b"%%")


def _escaped(part: sql.Composable) -> sql.Composable:
    if isinstance(part, (sql.Identifier, sql.Literal)):
        return _Escaped(part)
    if isinstance(part, sql.Composed):
        return sql.Composed([_escaped(inner) for inner in part])
    return part


@cache
def _domain(domain: str) -> dict[str, LiteralString]:
    text = (SQL_ROOT / f"{domain}.sql").read_text()
    pieces = _NAME.split(text)[1:]
    # The text comes from a file of this project, never from a user: as literal as SQL in Python would be.
    return {name: cast(LiteralString, body.strip()) for name, body in zip(pieces[::2], pieces[1::2], strict=True)}
