"""A server that stands for a drill alone: reached through a socket in a closed folder, with nothing of it open to the network.

It is told to leave the world in peace: it archives nothing, follows nobody, and what was scheduled in the original is not run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from psycopg.conninfo import make_conninfo

from sluice.errors import Terminal, Transient
from sluice.safety.driver import Tell
from sluice.stores.binaries import client
from sluice.stores.cluster import processes_in, tail
from sluice.stores.privileges import Identity, unprivileged

SILENT = {
    "listen_addresses": "",
    "unix_socket_permissions": "0777",  # the folder that it lies in is closed
    "archive_mode": "off",
    "primary_conninfo": "",
    "primary_slot_name": "",
    "max_logical_replication_workers": "0",  # a subscription of the original would take from its publisher's slot
    "shared_preload_libraries": "",  # and what it schedules (pg_cron) would run
    "ssl": "off",
    "logging_collector": "off",
    "log_destination": "stderr",
    "TimeZone": "UTC",
    "log_timezone": "UTC",
    "autovacuum": "off",  # what is looked at is what came back
}
SCRATCH = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "256MB", "max_wal_size": "8GB"}
"""Nothing rests on it after a crash: it is made anew."""
OWN = ".own"
"""What the original's settings and rules are called while ours stand in their place."""
HBA = "local all all trust\n"
OPEN_HBA = f"""{HBA}host all all 0.0.0.0/0 scram-sha-256
host all all ::/0 scram-sha-256
"""
"""The rules of a copy whose own were not in its backup: with a password one gets in, over the port that it was given. Whoever may
enter the closed folder of its socket may read its files as well."""


class NotRecovered(Terminal):
    """The server did not come up at the moment that was asked for."""


class NotGone(Transient):
    """What was brought back is still there."""


@dataclass(frozen=True)
class Scratch:
    """A server in `folder`, which is ours alone."""

    folder: Path

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """Where the server writes what it has to say."""
        return self.folder / "postgres.log"

    @property
    def socket(self) -> Path:
        """The folder of its socket: a closed one with a short path, as sockets want it."""
        return (self.folder / "socket").readlink()

    @property
    def identity(self) -> Identity:
        """Who the server runs as."""
        return unprivileged(self.folder)

    def dsn(self, database: str, user: str) -> str:
        """Give the address: through the socket, as any role, for whoever may enter the folder."""
        return make_conninfo(host=str(self.socket), dbname=database, user=user)

    def configure(self, settings: Mapping[str, str], elsewhere: Mapping[str, str] | None = None) -> tuple[str, ...]:
        """Put ours in the place of the original's settings and rules, which know other machines.

        Gives which of them the backup does not have: a server may have them outside of its data folder, as Debian's does. What is
        known of its settings `elsewhere` is in their place then.
        """
        (self.folder / "socket").symlink_to(tempfile.mkdtemp(prefix="sluice-"))
        self.identity.give(self.socket)
        told = {**SILENT, **SCRATCH, "unix_socket_directories": str(self.socket), **settings}
        ours = {"postgresql.conf": _lines(told), "postgresql.auto.conf": "", "pg_hba.conf": HBA, "pg_ident.conf": ""}
        lacks = tuple(name for name in ours if not (self.data / name).exists())
        for name, text in ours.items():
            if name in lacks:
                # Nothing of a drill may stay in a copy for people: what is set back then is PostgreSQL's own.
                instead = {"pg_hba.conf": OPEN_HBA, "postgresql.conf": _lines(elsewhere or {})}
                self._write(f"{name}{OWN}", instead.get(name, ""))
            else:
                (self.data / name).rename(self.data / f"{name}{OWN}")
            self._write(name, text)
        return lacks

    def give_back(self, settings: Mapping[str, str]) -> None:
        """Put the original's settings and rules back, with `settings` above them. Safe to repeat."""
        for own in self.data.glob(f"*{OWN}"):
            own.replace(self.data / own.name.removesuffix(OWN))
        # The original's own may lie elsewhere, where this machine has nothing, or another server's.
        files = {"hba_file": str(self.data / "pg_hba.conf"), "ident_file": str(self.data / "pg_ident.conf")}
        auto = self.data / "postgresql.auto.conf"
        told = {**files, "unix_socket_directories": str(self.socket), **settings}
        # The last line counts.
        self._write(auto.name, auto.read_text() + _lines(told))

    def add(self, settings: Mapping[str, str]) -> None:
        """Put more settings below ours: the last line counts."""
        ours = (self.data / "postgresql.conf").read_text()
        self._write("postgresql.conf", ours + _lines(settings))

    def start(self, *, wait: bool = False) -> None:
        """Start the server; without `wait`, do not wait until it takes sessions. Raises NotRecovered."""
        self._pg_ctl("start", *(("--wait", "--timeout=300") if wait else ("--no-wait",)), f"--log={self.log}")

    def stop(self, mode: Literal["immediate", "fast"] = "immediate") -> None:
        """Stop it: at once, as nothing rests on it, or in order. Nothing where it does not run."""
        if self.runs():
            self._pg_ctl("stop", f"--mode={mode}", "--wait", "--timeout=300")

    def remove(self) -> None:
        """Stop it, and take all of it away. Safe to repeat. Raises NotGone, NotRecovered."""
        self.stop()
        if (self.folder / "socket").is_symlink():
            shutil.rmtree(self.socket, ignore_errors=True)
        try:
            if self.folder.exists():
                shutil.rmtree(self.folder)
        except OSError as error:
            raise NotGone(f"{self.folder} could not be taken away: {error}. It is tried again by itself.") from error

    def runs(self) -> bool:
        """Whether a process works in its data folder."""
        return bool(processes_in(self.data)) if self.data.exists() else False

    def said(self) -> str:
        """Why it has ended, by its own words, or the last of them."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.is_file() else []
        fatal = [line.split(": ", 1)[-1].strip() for line in lines if "FATAL:" in line or "PANIC:" in line]
        own = [
            line for line in fatal if not line.startswith("the database system is ")
        ]  # that is said to us, who knocked
        return own[-1] if own else tail(self.log, 4)

    def _write(self, name: str, text: str) -> None:
        (self.data / name).write_text(text)
        self.identity.give(self.data / name)

    def _pg_ctl(self, verb: str, *how: str) -> None:
        command = [*self.identity.prefix, str(client("pg_ctl")), verb, f"--pgdata={self.data}", *how]
        environment = {**os.environ, "TZ": "UTC", "LC_ALL": "C.UTF-8"}
        with (self.folder / "pg_ctl.log").open("w") as output:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env=environment,
                **self.identity.arguments,
            )
        if done.returncode:
            raise NotRecovered(
                f"The server in {self.folder} does not {verb}: {tail(self.folder / 'pg_ctl.log', 3)} {self.said()}"
            )


def tell_lacks(what: str, lacks: Sequence[str], tell: Tell) -> None:
    """Tell which files a backup does not have, and what a copy has instead of them."""
    if lacks:
        tell(
            f"{what} has no {', no '.join(lacks)}: the server has them outside of its data folder. What is handed over has"
            " those settings alone that were noted with the backup, if any, no SSL, and lets in whoever has a password"
            " (scram-sha-256). Bring them from the server's machine, or from its configuration management."
        )


def _lines(settings: Mapping[str, str]) -> str:
    """Write settings as a file has them."""
    return "".join(f"{name} = '{str(value).replace(chr(39), chr(39) * 2)}'\n" for name, value in settings.items())
