"""A server of each version of PostgreSQL that can be had here, started when a test first asks for it."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from sluice.local import databases
from sluice.local.ports import free_port
from sluice.local.versions import other_servers
from sluice.stores.cluster import Cluster

from tests.conftest import Database, Server

OURS = "18"
"""The version of the wheel that everything runs on unless told otherwise."""


@dataclass
class Versions:
    """The servers by their version; each makes fresh databases."""

    folder: Path
    session: Server
    """What everything else runs on, of whatever version that is."""
    started: dict[str, Server] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def database(self, version: str) -> Database:
        """Make a database on a server of this version; where none is installed, the test is skipped."""
        server = self._server(version)
        name = f"versioned_{next(self.numbers)}"
        databases.create_certify(server.cluster, name)
        return Database(server, name)

    def stop(self) -> None:
        """Stop what was started."""
        for server in self.started.values():
            server.cluster.stop()

    def _server(self, version: str) -> Server:
        if version == version_of(self.session):
            return self.session
        if version not in self.started:
            self.started[version] = self._start(version)
        return self.started[version]

    def _start(self, version: str) -> Server:
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv("SLUICE_PG_BIN", raising=False)
            if version != OURS:
                others = other_servers()
                if version not in others:
                    pytest.skip(f"no PostgreSQL {version} is installed here")
                patch.setenv("SLUICE_PG_BIN", str(others[version]))
            cluster = Cluster(self.folder / version, free_port(), secrets.token_urlsafe(), durable=False)
            cluster.create()
            cluster.start()
        passwords = {role: secrets.token_urlsafe() for role in databases.LOGINS}
        databases.create_roles(cluster, passwords)
        return Server(cluster, passwords)


def version_of(server: Server) -> str:
    """Ask a server for its major version."""
    with psycopg.connect(server.cluster.dsn()) as c:
        return str(c.info.server_version // 10_000)
