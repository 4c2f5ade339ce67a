"""The Redis through which tasks reach workers, with what waits in it on disk, on 127.0.0.1.

Its program is the system's: no wheel of it is kept up to date.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sluice.errors import Terminal
from sluice.local.processes import Process, end
from sluice.local.settings import write_private
from sluice.local.waiting import wait_for

PROGRAM_SETTING = "SLUICE_REDIS"
_PROGRAMS = ("redis-server", "valkey-server")
_CONFIG = """\
bind 127.0.0.1
port {port}
requirepass {password}
dir {folder}
# A task that waits outlives its server: at most the last second is lost, and Airflow asks for that again.
appendonly yes
save ""
# Full, it refuses a task, and Airflow tries again; it never forgets one.
maxmemory-policy noeviction
daemonize no
"""


@dataclass(frozen=True)
class Broker:
    """A Redis with its data in `folder`, on 127.0.0.1:`port`."""

    folder: Path
    port: int
    password: str = field(repr=False)

    @property
    def url(self) -> str:
        """Its address, for Celery. The alphabet of our passwords needs no escaping."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    @property
    def process(self) -> Process:
        """Its process."""
        return Process("redis", self.folder / "redis.pid", self.folder / "redis.log")

    def start(self, environment: Mapping[str, str]) -> None:
        """Start it and wait until it answers; nothing if it does. Raises Terminal where there is no such program."""
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "redis.conf"  # in a file, as anyone may read a process's arguments
        write_private(config, _CONFIG.format(port=self.port, password=self.password, folder=self.folder))
        self.process.start([program(), str(config)], environment)
        wait_for("Redis", self._answers, [self.process], seconds=30)

    def stop(self) -> None:
        """Stop it; what waits in it stays on disk."""
        end([self.process], grace=10)

    def _answers(self) -> bool:
        from redis import Redis, RedisError

        try:
            with Redis.from_url(self.url, socket_timeout=2) as client:
                return bool(client.ping())
        except RedisError:
            return False


def program() -> str:
    """Give the server's program: what SLUICE_REDIS names, or the system's. Raises Terminal, saying what to install."""
    told = os.environ.get(PROGRAM_SETTING)
    found = shutil.which(told) if told else next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if found is None:
        missing = f"{PROGRAM_SETTING} names {told}, which is no program" if told else "There is no redis-server here"
        raise Terminal(
            f"{missing}, and workers get their tasks through one: `apt-get install redis-server` (or valkey), or let"
            f" {PROGRAM_SETTING} name it. SLUICE_WORKERS=0 ./sluice up needs none."
        )
    return found
