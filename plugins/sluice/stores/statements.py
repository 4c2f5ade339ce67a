"""SQL by name. Every statement lives in `include/sql/<domain>.sql` below a line `-- name: <verb_object>`.

Values are bound (`%(name)s`); identifiers and fragments are given here as `psycopg.sql` objects for `{name}`.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import LiteralString, cast

from psycopg import sql

SQL_ROOT = Path(__file__).resolve().parents[3] / "include" / "sql"
_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


def statement(name: str, /, **parts: sql.Composable) -> sql.Composed:
    """Give the statement `domain.verb_object`, with its `{parts}` filled in.

    Raises KeyError when no file of that domain holds such a name, or a part is missing.
    """
    domain, _, verb = name.partition(".")
    return sql.SQL(_domain(domain)[verb]).format(**parts)


@cache
def _domain(domain: str) -> dict[str, LiteralString]:
    text = (SQL_ROOT / f"{domain}.sql").read_text()
    pieces = _NAME.split(text)[1:]
    # The text comes from a file of this project, never from a user: as literal as SQL in Python would be.
    return {name: cast(LiteralString, body.strip()) for name, body in zip(pieces[::2], pieces[1::2], strict=True)}
