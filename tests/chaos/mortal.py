"""A server that may crash, and is back within a moment with everything that it acknowledged.

A commit is written before it is acknowledged, which is all that a crash of the server asks for. Only a crash of the machine
asks for fsync as well: it would make each recovery take seconds, and `test_kill_and_resume.py` has a server with it.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg.sql import SQL, Identifier
from sluice.local import databases
from sluice.local.certify import seed
from sluice.local.ports import free_port
from sluice.stores.cluster import Cluster
from sluice.stores.postgres import connect

from tests.conftest import Database, Server

ROWS = 1_000
_SEEDED = "mortal_seeded"


@dataclass(frozen=True)
class Mortal:
    """The server, and databases cloned from one that is only cloned."""

    server: Server
    count: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @contextmanager
    def database(self) -> Iterator[Database]:
        """A clone of the seeded database."""
        name = f"mortal_{next(self.count)}"
        self.server.cluster.start()  # after a schedule that failed between a crash and its end
        with psycopg.connect(self.server.cluster.dsn(), autocommit=True) as c:
            names = map(Identifier, (name, _SEEDED, databases.OWNER))
            # Not by WAL, the default: a sequence cloned that way falls back to the template's value when the server crashes
            # (seen on 18.6), and hands out numbers twice. FILE_COPY checkpoints, after which the first number is logged.
            c.execute(SQL("CREATE DATABASE {} TEMPLATE {} OWNER {} STRATEGY file_copy").format(*names))
        databases.create_certify(self.server.cluster, name)
        yield Database(self.server, name)
        databases.drop_database(self.server.cluster, name)


@contextmanager
def mortal_server(folder: Path) -> Iterator[Mortal]:
    """Make the server, its roles and the seeded database; the server is down at the end."""
    cluster = Cluster(folder, free_port(), secrets.token_urlsafe(), durable=False)
    cluster.create()
    cluster.start()
    try:
        passwords = {role: secrets.token_urlsafe() for role in databases.LOGINS}
        databases.create_roles(cluster, passwords)
        with psycopg.connect(cluster.dsn(), autocommit=True) as c:
            c.execute("ALTER ROLE ALL SET synchronous_commit = on")
        databases.create_certify(cluster, _SEEDED)
        with connect(cluster.dsn(_SEEDED), purpose="seed") as c:
            seed(c, rows=ROWS, months=3)
        yield Mortal(Server(cluster, passwords))
    finally:
        cluster.stop()
