"""A hot standby of a scratch server: a copy that follows it, on this machine, and is gone with its context."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sluice.errors import Terminal
from sluice.local.ports import free_port
from sluice.stores.binaries import binaries
from sluice.stores.cluster import ADMIN, Cluster
from sluice.stores.postgres import connect, one
from sluice.stores.privileges import unprivileged
from sluice.stores.statements import statement

PATIENCE = 300.0
"""Seconds until a standby that does not keep up is given up."""


@dataclass(frozen=True)
class Standby:
    """It takes readers, and what was committed on `primary` is there some time later."""

    primary: Cluster
    server: Cluster

    def catch_up(self) -> None:
        """Wait until all that is written now is there as well. Raises Terminal."""
        with connect(self.primary.dsn(), purpose="bench") as c:
            wanted = one(c, statement("bench.read_log_end"))["place"]
        deadline = time.monotonic() + PATIENCE
        with connect(self.server.dsn(), purpose="bench") as c:
            while not one(c, statement("bench.has_replayed"), place=wanted)["there"]:
                if time.monotonic() > deadline:
                    raise Terminal(f"the standby has not come to {wanted} in {PATIENCE:.0f} s: see {self.server.log}")
                time.sleep(0.01)


@contextmanager
def standby_of(primary: Cluster) -> Iterator[Standby]:
    """Copy a running server and let the copy follow it."""
    server = Cluster(primary.folder / "standby", free_port(), primary.password)
    server.folder.mkdir()
    _copy(primary, server)
    try:
        server.start()
        made = Standby(primary, server)
        made.catch_up()
        yield made
    finally:
        server.stop()


def _copy(primary: Cluster, to: Cluster) -> None:
    identity, said = unprivileged(to.folder), to.folder / "pg_basebackup.log"
    where = ["--host=127.0.0.1", f"--port={primary.port}", f"--username={ADMIN}", f"--pgdata={to.data}"]
    how = ["--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync", "--no-password"]
    with said.open("w") as output:
        done = subprocess.run(
            [*identity.prefix, str(binaries() / "pg_basebackup"), *where, *how],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            env={**os.environ, "PGPASSWORD": primary.password},
            **identity.arguments,
        )
    if done.returncode != 0:
        raise Terminal(f"pg_basebackup failed (exit {done.returncode}): {said.read_text()[-500:]}")
