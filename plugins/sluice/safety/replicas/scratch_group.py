"""Servers of our own that follow one another, for a drill alone: made of one that was brought back, each in a closed folder.

They are set as the drill of a backup sets its one (physical/scratch.py), but for what a promotion stands on: what is committed is
on the disk, and the log is kept for whoever comes back.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from psycopg import sql
from psycopg.conninfo import make_conninfo

from sluice.safety.physical.scratch import NotRecovered, Scratch
from sluice.safety.replicas.servers import Following, Leading, Server, Silent, look
from sluice.stores.binaries import client
from sluice.stores.cluster import processes_in, tail
from sluice.stores.postgres import connect, one, rows
from sluice.stores.statements import statement

SETTINGS = {
    "fsync": "on",
    "full_page_writes": "on",  # what is rewound needs them
    "wal_log_hints": "on",
    "wal_level": "replica",
    "max_wal_senders": "10",
    "wal_keep_size": "512MB",
    "hot_standby": "on",
    "wal_receiver_status_interval": "1s",
    "wal_retrieve_retry_interval": "100ms",
    "shared_buffers": "64MB",
    "synchronous_commit": "on",
}
HBA = "local all all trust\nlocal replication all trust\n"
UP_WITHIN = 60.0
CONFIGURATION = ("postgresql.conf", "pg_hba.conf", "pg_ident.conf")


@dataclass(frozen=True)
class Member:
    """One server of the group."""

    name: str
    place: Scratch
    database: str
    superuser: str

    @property
    def server(self) -> Server:
        """How it is asked."""
        return Server(self.name, self.place.dsn(self.database, self.superuser))

    def start(self) -> None:
        """Start it, and wait until it answers. Raises NotRecovered."""
        self.clear_locks()
        self.place.start()
        wait_for(lambda: not isinstance(look(self.server), Silent), self, "answer")

    def kill(self) -> None:
        """End all of it as a power cut would: the one process that would start the others anew goes first."""
        while pids := processes_in(self.place.data):
            first = self._first()
            for pid in [*([first] if first in pids else []), *pids]:
                _kill(pid)
            time.sleep(0.01)

    def clear_locks(self) -> None:
        """Take away what a killed server has left: the number in it may be a stranger's by now, or that of its own remains."""
        if not self.place.runs():
            for lock in (self.place.data / "postmaster.pid", *self.place.socket.iterdir()):
                lock.unlink(missing_ok=True)

    def _first(self) -> int | None:
        try:
            return int((self.place.data / "postmaster.pid").read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return None


def adopt(place: Scratch, name: str, database: str, superuser: str, settings: dict[str, str]) -> Member:
    """Make a data folder that does not run the first of a group. `settings`: of what its log needs, no less than it had."""
    if (place.folder / "socket").is_symlink():
        shutil.rmtree(place.socket, ignore_errors=True)
        (place.folder / "socket").unlink()
    place.configure({**SETTINGS, **settings})
    _open_to_replicas(place)
    return Member(name, place, database, superuser)


def join(leading: Member, name: str, folder: Path) -> Member:
    """Make a server that follows another, by a base backup of it, and start it. Raises NotRecovered."""
    place = Scratch(folder)
    folder.mkdir(mode=0o700, parents=True)
    place.identity.give(folder)
    made = Member(name, place, leading.database, leading.superuser)
    copy_from(made, leading)
    place.configure({**SETTINGS, **replayed_settings(leading)})
    _open_to_replicas(place)
    follow(made, leading)
    return made


def copy_from(member: Member, leading: Member) -> None:
    """Fill an empty data folder with a base backup of another server. Raises NotRecovered."""
    how = [f"--pgdata={member.place.data}", "--wal-method=stream", "--checkpoint=fast", "--no-sync"]
    run(member.place, "pg_basebackup", [*how, f"--dbname={_address(leading)}"])


def follow(member: Member, leading: Member) -> None:
    """Start a server as one that follows another, and wait until it streams. Raises NotRecovered."""
    conninfo = f"{_address(leading)} application_name={member.name}"
    own = member.place.data / "postgresql.auto.conf"
    own.write_text(f"primary_conninfo = '{conninfo}'\n")
    (member.place.data / "standby.signal").touch()
    for path in (own, member.place.data / "standby.signal"):
        member.place.identity.give(path)
    member.start()
    wait_for(lambda: _streams(member), member, "stream")


def set_standby_names(member: Member, names: Sequence[str]) -> None:
    """Have commits wait for any one of these, and see that they do; for nobody, where there is none. Raises NotRecovered."""
    told = sql.Literal(f"ANY 1 ({', '.join(names)})" if names else "")
    with connect(member.server.dsn, purpose="drill") as c:
        c.execute(statement("replicas.set_standby_names", names=told))
        one(c, statement("replicas.reload"))
    wanted = dict.fromkeys(names, "quorum")

    def wait() -> bool:
        found = look(member.server)
        return (
            isinstance(found, Leading) and wanted.items() <= {n: link.sync for n, link in found.links.items()}.items()
        )

    wait_for(wait, member, f"wait for {names}")


@contextmanager
def own_configuration(place: Scratch) -> Iterator[None]:
    """Keep a server's own configuration through what brings another's along."""
    kept = {name: (place.data / name).read_bytes() for name in CONFIGURATION}
    try:
        yield
    finally:
        for name, text in kept.items():
            (place.data / name).write_bytes(text)
            place.identity.give(place.data / name)


def run(place: Scratch, program: str, how: Sequence[str]) -> None:
    """Run a program of PostgreSQL's as whom the server runs. Raises NotRecovered."""
    command = [*place.identity.prefix, str(client(program)), *how]
    done = subprocess.run(
        command, capture_output=True, text=True, errors="replace", cwd="/", **place.identity.arguments
    )
    if done.returncode:
        raise NotRecovered(f"{program} for {place.folder} failed: {done.stderr.strip()[-300:]}")


def wait_for(it: Callable[[], bool], member: Member, what: str) -> None:
    """Wait until a server does something. Raises NotRecovered."""
    until = time.monotonic() + UP_WITHIN
    while not it():
        if time.monotonic() > until:
            raise NotRecovered(f"{member.name} does not {what} within {UP_WITHIN:.0f} s: {tail(member.place.log, 4)}")
        time.sleep(0.05)


def _address(leading: Member) -> str:
    return make_conninfo(host=str(leading.place.socket), user=leading.superuser)


def _streams(member: Member) -> bool:
    found = look(member.server)
    return isinstance(found, Following) and found.receiver == "streaming"


def _open_to_replicas(place: Scratch) -> None:
    (place.data / "pg_hba.conf").write_text(HBA)


def replayed_settings(leading: Member) -> dict[str, str]:
    """Give what a server that replays its log may not have less of."""
    with connect(leading.server.dsn, purpose="drill") as c:
        return {row["name"]: row["setting"] for row in rows(c, statement("safety.list_replayed_settings"))}


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
