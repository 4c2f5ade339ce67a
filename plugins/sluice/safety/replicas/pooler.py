"""Lead a PgBouncer to another server: its line of `[databases]` as a plan with its diff, then RELOAD.

The other way of switching, beside a name (names.py), and a faster one: no resolver remembers. Paused around a switch that was
planned, clients wait instead of failing; where the old server is dead, nothing is to be waited for.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import errors, sql
from psycopg.rows import dict_row

from sluice.errors import Terminal, Transient
from sluice.stores.statements import as_text, statement


class PoolerDown(Transient):
    """The console of PgBouncer does not answer."""


class PoolerRefused(Terminal):
    """PgBouncer's file has no such database, or PgBouncer does not do as its file says."""


@dataclass(frozen=True)
class Pooler:
    """A PgBouncer: its file, on a disk that we can write to, and its console."""

    file: Path
    console: str
    """The address of its database `pgbouncer`, as one of its `admin_users`."""
    database: str


@dataclass(frozen=True)
class Repoint:
    """What is to be done."""

    before: str
    after: str
    text: str
    """The whole file, as it is to be."""

    def __str__(self) -> str:
        return f"- {self.before}\n+ {self.after}" if self.before != self.after else f"  {self.before}"


def plan_repoint(text: str, database: str, host: str, port: int) -> Repoint:
    """Say how a file leads its database to another server. Pure. Raises PoolerRefused where it names no such database."""
    lines, inside = text.splitlines(keepends=True), False
    for number, line in enumerate(lines):
        if section := re.match(r"\s*\[(\w+)]", line):
            inside = section[1] == "databases"
        elif inside and (found := re.match(r'\s*("?)(?P<name>[^"=\s]+)\1\s*=', line)) and found["name"] == database:
            after = _set(_set(line.rstrip("\r\n"), "host", host), "port", str(port))
            changed = [*lines[:number], after + line[len(line.rstrip("\r\n")) :], *lines[number + 1 :]]
            return Repoint(line.strip(), after.strip(), "".join(changed))
    raise PoolerRefused(
        f"[databases] has no line for {database}: what leads there (`*`, another file) is changed by hand."
    )


def apply_repoint(pooler: Pooler, planned: Repoint) -> None:
    """Write the file, and have PgBouncer read it. Safe to repeat.

    Raises PoolerDown, PoolerRefused; OSError where the file cannot be written as whose it is: then it is as it was.
    """
    found = pooler.file.stat()
    new = pooler.file.with_name(f"{pooler.file.name}.sluice")
    new.unlink(missing_ok=True)
    try:
        new.touch(mode=0o600, exist_ok=False)  # there are passwords in it: nobody else's until it is whose the file is
        new.write_text(planned.text)
        os.chown(new, found.st_uid, found.st_gid)
        new.chmod(found.st_mode & 0o777)
        new.replace(pooler.file)
    finally:
        new.unlink(missing_ok=True)
    with _opened(pooler) as c:
        _say(c, "pooler.reload")


def verify_repoint(pooler: Pooler, host: str, port: int) -> None:
    """See that PgBouncer itself leads there. Raises PoolerDown, PoolerRefused."""
    with _opened(pooler) as c:
        there = {row["name"]: (row["host"], row["port"]) for row in _say(c, "pooler.list_databases")}
    if there.get(pooler.database) != (host, port):
        raise PoolerRefused(
            f"PgBouncer leads {pooler.database} to {there.get(pooler.database)}, and its file to {host}:{port}. Its log says why."
        )


@contextmanager
def paused(pooler: Pooler) -> Iterator[None]:
    """Have clients wait for as long as the block lasts; transactions that are open are let end first. Raises PoolerDown."""
    with _opened(pooler) as c:
        _say(c, "pooler.pause", database=sql.Identifier(pooler.database))
    try:
        yield
    finally:
        with _opened(pooler) as c:
            _say(c, "pooler.resume", database=sql.Identifier(pooler.database))


def _set(line: str, key: str, value: str) -> str:
    """Set one word of a connection string, wherever it stands in it, or at its end."""
    word = re.compile(rf"(?<![\w=]){key}\s*=\s*('[^']*'|\S+)")
    name, _, told = line.partition("=")
    if word.search(told):
        return f"{name}={word.sub(f'{key}={value}', told, count=1)}"
    return f"{name}={told.rstrip()} {key}={value}"


def _say(c: psycopg.Connection[Any], name: str, **parts: sql.Composable) -> list[dict[str, Any]]:
    said = c.cursor(row_factory=dict_row).execute(as_text(statement(name, **parts), c).encode())
    return said.fetchall() if said.description else []


@contextmanager
def _opened(pooler: Pooler) -> Iterator[psycopg.Connection[Any]]:
    # Not `connect` of stores: the console knows no settings, and nothing but its own words.
    try:
        with psycopg.connect(pooler.console, autocommit=True, connect_timeout=5, prepare_threshold=None) as c:
            yield c
    except errors.ProtocolViolation as error:
        raise PoolerRefused(f"The console of PgBouncer refuses: {error}") from error
    except psycopg.OperationalError as error:
        raise PoolerDown(f"The console of PgBouncer does not answer: {error}") from error
