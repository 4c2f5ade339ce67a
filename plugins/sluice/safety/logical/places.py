"""Where a dump is brought back: a server of its own on this machine, or a database of its own on a server that is lent for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from psycopg import sql
from psycopg.conninfo import make_conninfo

from sluice.errors import Terminal
from sluice.safety.driver import PREFIX, NotScratch, Restored
from sluice.safety.logical.dump import Dump, Shape
from sluice.safety.logical.roles import drop_made
from sluice.safety.passwords import without_password
from sluice.safety.physical.opening import open_up
from sluice.safety.physical.scratch import NotRecovered, Scratch
from sluice.safety.room import check_free
from sluice.stores.binaries import client
from sluice.stores.postgres import Connection, StoreDown, connect, rows
from sluice.stores.statements import statement

COMES_UP = 60.0
"""Seconds within which a new server is there."""
LONGEST_NAME = 63
"""Bytes of a name; PostgreSQL cuts the rest off, and two scratches would be one."""
FAST = {"wal_level": "minimal", "max_wal_senders": "0", "maintenance_work_mem": "256MB"}
"""Nothing follows it, and nothing rests on it."""


class NoPlace(Terminal):
    """A copy cannot be made there."""


@dataclass(frozen=True)
class Room:
    """An empty database for a copy."""

    database: str
    address: str
    """Without a password in it."""
    admin: str
    """The address of another database there, to manage it from."""
    lent: bool


class Place(Protocol):
    """Where copies stand."""

    def make(self, name: str, dump: Dump) -> Room:
        """Make room for a copy. Raises NoPlace, NotRecovered, StoreDown."""

    def folder_of(self, name: str) -> Path:
        """Name the folder of a copy on this machine, closed to everybody else: what was fetched lies there for a while."""

    def names(self) -> Sequence[str]:
        """Name the copies that stand there."""

    def hand_over(self, found: Restored, port: int | None) -> str:
        """Make a copy ready for people; gives its address. Raises NotRecovered."""

    def remove(self, name: str) -> None:
        """Take a copy away. Safe to repeat."""


@dataclass(frozen=True)
class Here:
    """A server of its own for each copy, reached through a socket in a closed folder of this machine."""

    folder: Path

    def make(self, name: str, dump: Dump) -> Room:
        """Make a server, and the database in it. Raises NotRecovered, NoRoom."""
        scratch = Scratch(self.folder / name)
        check_free(f"the database of {dump.id} of {dump.store}", dump.database_bytes, scratch.folder)
        _init(scratch, dump.superuser)
        scratch.configure(FAST)
        scratch.start()
        admin = scratch.dsn("template1", dump.superuser)
        with _up(scratch, admin) as c:
            c.execute(statement("logical.drop_copy", database=sql.Identifier(dump.database.name)))
            _create(c, dump.database.name, dump.database)
        return Room(dump.database.name, scratch.dsn(dump.database.name, dump.superuser), admin, lent=False)

    def folder_of(self, name: str) -> Path:
        """Name the folder of a copy."""
        return self.folder / name

    def names(self) -> Sequence[str]:
        """Name the folders of copies."""
        return _folders(self.folder)

    def hand_over(self, found: Restored, port: int | None) -> str:
        """Start the server anew, durable; through the network it asks for passwords."""
        open_up(Scratch(self.folder / found.name), port)
        return make_conninfo(found.address, port=port) if port else found.address

    def remove(self, name: str) -> None:
        """Stop the server and take its folder away."""
        Scratch(self.folder / name).remove()


@dataclass(frozen=True)
class Lent:
    """A database for each copy, on a server that somebody else runs. Its role may make databases and roles."""

    dsn: str = field(repr=False)
    folder: Path

    def make(self, name: str, dump: Dump) -> Room:
        """Make a database. Raises NotScratch, NoPlace, StoreDown."""
        if len(name.encode()) > LONGEST_NAME:
            raise NotScratch(
                f"{name} is longer than PostgreSQL's names ({LONGEST_NAME}): give the store a shorter name."
            )
        with connect(self.dsn, purpose="scratch") as c:
            if c.info.server_version // 10000 < int(dump.server.split(".")[0]):
                raise NoPlace(
                    f"{dump.id} of {dump.store} is of PostgreSQL {dump.server}, the server that is lent is older"
                    f" ({c.info.server_version // 10000}): lend a newer one."
                )
            _create(c, name, dump.database)
        address = without_password(make_conninfo(self.dsn, dbname=name), self.folder / name)
        return Room(name, address, self.dsn, lent=True)

    def folder_of(self, name: str) -> Path:
        """Name the folder of a copy."""
        return self.folder / name

    def names(self) -> Sequence[str]:
        """Name the databases of copies, and the folders of such as never came to have one."""
        with connect(self.dsn, purpose="scratch") as c:
            found = [row["name"] for row in rows(c, statement("logical.list_copies"), prefix=PREFIX)]
        return sorted({*found, *_folders(self.folder)})

    def hand_over(self, found: Restored, port: int | None) -> str:
        """It is durable as it is, and listens where its server does."""
        return found.address

    def remove(self, name: str) -> None:
        """Drop the database, whoever is connected to it, and the roles that were made for it."""
        with connect(self.dsn, purpose="scratch") as c:
            c.execute(statement("logical.drop_copy", database=sql.Identifier(name)))
            drop_made(c)
        shutil.rmtree(self.folder / name, ignore_errors=True)


def _create(c: Connection, name: str, shape: Shape) -> None:
    made = statement(
        "logical.create_copy", database=sql.Identifier(name), encoding=sql.Literal(shape.encoding),
        collate=sql.Literal(shape.collate), ctype=sql.Literal(shape.ctype),
    )  # fmt: skip
    locale = {"locale": sql.Literal(shape.locale)} if shape.locale else {}
    c.execute(sql.SQL(" ").join([made, statement(f"logical.locale_{shape.provider}", **locale)]))


def _init(scratch: Scratch, superuser: str) -> None:
    command = [*scratch.identity.prefix, str(client("initdb")), f"--pgdata={scratch.data}", f"--username={superuser}"]
    command += ["--auth-local=trust", "--auth-host=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]
    environment = {**os.environ, "TZ": "UTC", "LC_ALL": "C.UTF-8"}
    arguments = scratch.identity.arguments
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", env=environment, **arguments)
    if done.returncode:
        raise NotRecovered(f"No server can be made in {scratch.folder}: {done.stderr.strip()[-300:]}")


def _up(scratch: Scratch, address: str) -> Connection:
    """Wait until the server takes connections; gives one."""
    until = time.monotonic() + COMES_UP
    while time.monotonic() < until:
        with suppress(StoreDown):
            return connect(address, purpose="scratch")
        time.sleep(0.05)
    raise NotRecovered(f"The new server in {scratch.folder} does not come up: {scratch.said()}")


def _folders(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.glob(f"{PREFIX}*") if one.is_dir()) if folder.is_dir() else []
