"""Three servers, of which one leads, for tests of what is done when it dies."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from sluice.local.ports import free_port
from sluice.safety.physical.scratch import Scratch
from sluice.safety.replicas.planning import WORD, Asked
from sluice.safety.replicas.pooler import Pooler
from sluice.safety.replicas.promise import read_promise
from sluice.safety.replicas.rebuilding import rebuild
from sluice.safety.replicas.scratch_group import Member, adopt, join, wait_for
from sluice.safety.replicas.servers import Group, Leading, Server, look, look_at
from sluice.safety.replicas.trial import Trial, prepare_trial
from sluice.stores.cluster import ADMIN, Cluster
from sluice.stores.postgres import Connection, connect
from sluice.stores.privileges import unprivileged


@dataclass
class Trio:
    """The servers, and who leads."""

    members: tuple[Member, ...]
    leading: Member
    trial: Trial

    @property
    def others(self) -> tuple[Member, ...]:
        """Who follows."""
        return tuple(one for one in self.members if one.name != self.leading.name)

    @property
    def replicas(self) -> tuple[Server, ...]:
        """Who follows, as they are asked."""
        return tuple(one.server for one in self.others)

    def look(self) -> Group:
        """Ask all three."""
        return look_at([one.server for one in self.members])

    def connect(self, member: Member | None = None) -> Connection:
        """Open a session."""
        return connect((member or self.leading).server.dsn, purpose="test")

    def asked(self, *, word: bool = False) -> Asked:
        """Ask for the promotion of whoever is best, with what is known of the one that leads."""
        seen = look(self.leading.server)
        assert isinstance(seen, Leading)
        told = WORD.format(old=self.leading.name) if word else ""
        return Asked(
            "shop", self.leading.server, self.replicas, "sluice", read_promise(seen.standby_names), told, seen.position
        )

    def swap(self, new: str) -> Member:
        """Take it that another leads, and have the old one follow it; gives the old one."""
        old, self.leading = self.leading, next(one for one in self.members if one.name == new)
        rebuild(old, self.leading)
        return old


PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")


@contextmanager
def opened_pooler(group: Trio, folder: Path, mode: str = "transaction") -> Iterator[Pooler]:
    """Have a PgBouncer lead to whoever leads; it goes with the block."""
    ini, port = folder / "pgbouncer.ini", free_port()
    (folder / "users").write_text('"postgres" ""\n')
    ini.write_text(
        f"[databases]\n; shop\nshop = host={group.leading.place.socket} port=5432 dbname=postgres user=postgres\n"
        f"[pgbouncer]\nlisten_addr=127.0.0.1\nlisten_port={port}\nunix_socket_dir=\nauth_type=trust\nauth_file={folder}/users\n"
        f"admin_users=postgres\npool_mode={mode}\nlogfile={folder}/log\n"
    )
    whose = unprivileged(folder)
    command = [*whose.prefix, str(PGBOUNCER), str(ini)]
    with subprocess.Popen(command, cwd="/", stderr=subprocess.DEVNULL, **whose.arguments) as process:
        made = Pooler(ini, f"host=127.0.0.1 port={port} user=postgres dbname=pgbouncer", "shop")
        try:
            wait_for(lambda: answers(made.console), group.leading, "be led to")
            yield made
        finally:  # a test that fails would wait for it for ever
            process.terminate()


def answers(address: str) -> bool:
    """Whether somebody is there."""
    try:
        psycopg.connect(address, autocommit=True, connect_timeout=1).close()
    except psycopg.OperationalError:
        return False
    return True


@contextmanager
def opened_trio(folder: Path, replicas: str = "bc") -> Iterator[Trio]:
    """Make the three, or as many; they go with the block."""
    Cluster(folder / "a", free_port(), "unused", durable=False).create()
    first = adopt(Scratch(folder / "a"), "a", ADMIN, ADMIN, {})
    members = [first]
    try:
        first.start()
        for name in replicas:
            members.append(Member(name, Scratch(folder / name), ADMIN, ADMIN))
            join(first, name, folder / name)
        yield Trio(tuple(members), first, prepare_trial(first, members))
    finally:
        for one in members:
            one.place.remove()
