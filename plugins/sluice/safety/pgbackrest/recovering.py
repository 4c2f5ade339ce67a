"""Bring a server back out of pgBackRest's repository, into a folder of our own, silent, and with proof of where it stopped.

pgBackRest restores the files. The log is given to the server by our own feeder: pgBackRest's `archive-get` ends with a small code
when its repository does not answer, PostgreSQL takes any code up to 125 for "there is no more", and a store would come up older
than it should. What cannot be read stops it here, with its reason.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from sluice.safety.driver import Clock, Tell
from sluice.safety.pgbackrest.archive import Archive, Reach
from sluice.safety.pgbackrest.info import Kept
from sluice.safety.pgbackrest.program import Program
from sluice.safety.physical.feeding import Feeder
from sluice.safety.physical.recovering import Reached, wait_until_reached
from sluice.safety.physical.scratch import NotRecovered, Scratch, tell_lacks
from sluice.safety.room import check_free
from sluice.safety.target import Target
from sluice.stores.binaries import client

TYPES = {"latest": "default", "time": "time", "position": "lsn", "point": "name"}
THEIRS_OFF = (
    "--no-delta",
    "--no-link-all",
    "--reset-link-map",
    "--reset-tablespace-map",
    "--reset-recovery-option",
    "--reset-db-include",
    "--reset-db-exclude",
    "--reset-pg1-host",
    "--archive-mode=off",
    "--log-level-file=off",
)
"""What a configuration may say of a restore, and a scratch must not do: write where the original is, leave a database out."""
REPLAYED = {
    "max_connections": "max_connections",
    "max_worker_processes": "max_worker_processes",
    "max_wal_senders": "max_wal_senders",
    "max_prepared_xacts": "max_prepared_transactions",
    "max_locks_per_xact": "max_locks_per_transaction",
}
"""What a server that replays the log may not have less of, as pg_controldata calls it, and as the setting is called."""


@dataclass(frozen=True)
class Wanted:
    """What is to be brought back."""

    backup: Kept
    reach: Reach
    target: Target
    database: str
    role: str
    """Somebody who is in every copy: the server trusts who reaches its socket, and asks nobody for a password."""


def recover(wanted: Wanted, archive: Archive, scratch: Scratch, clock: Clock, tell: Tell) -> Reached:
    """Bring the server in `scratch` up. Raises NotRecovered, RepositoryBusy, PgBackRestFailed, Damaged, LogMissing, NoRoom."""
    check_server(wanted.backup)
    check_free(f"{wanted.backup.id} of {wanted.backup.store}", wanted.backup.size, scratch.folder)
    restore(archive.program, wanted, scratch)
    clock.note("fetched")
    tell(f"{wanted.backup.id} is unpacked: {wanted.backup.reads:,} bytes of the repository were read")
    server, got = own_copy(scratch), scratch.folder / "got"
    got.mkdir(mode=0o700)
    files = [
        (file.name, partial(archive.read, file, server, got)) for file in (*wanted.reach.histories, *wanted.reach.files)
    ]
    feeder = Feeder(files, scratch.folder / "log")
    with feeder:
        told = {
            "restore_command": feeder.command,
            "hot_standby": "off",
        }  # with it, a setting that grew would be waited for
        lacks = scratch.configure({**replayed(scratch.data), **wanted.target.settings, **told})
        tell_lacks(wanted.backup.id, lacks, tell)
        scratch.start()
        address, gap = scratch.dsn(wanted.database, wanted.role), wanted.reach.missing
        reached = wait_until_reached(scratch, address, feeder, wanted.target, clock, tell, gap)
    check_reached(reached, wanted.target)
    tell(f"it is up, at {reached.position} of timeline {reached.timeline}")
    return reached


def restore(program: Program, wanted: Wanted, scratch: Scratch) -> None:
    """Have pgBackRest restore the files; it only reads its repository. Raises RepositoryBusy, PgBackRestFailed, Damaged."""
    spaces = scratch.folder / "tablespaces"
    for folder in (scratch.data, spaces):
        folder.mkdir(mode=0o700)
    where = (f"--pg1-path={scratch.data}", f"--tablespace-map-all={spaces}", f"--lock-path={scratch.folder / 'lock'}")
    program.run("restore", *where, *THEIRS_OFF, *asked_for(wanted), cwd=scratch.folder)
    give(scratch)


def asked_for(wanted: Wanted) -> tuple[str, ...]:
    """Write the backup and the moment as pgBackRest takes them. Pure."""
    target = wanted.target
    how = (f"--set={wanted.backup.id}", f"--type={TYPES[target.kind]}")
    if target.kind == "latest":
        return how
    value = target.value
    if target.kind == "time":
        value = datetime.fromisoformat(value).isoformat(sep=" ", timespec="microseconds")
    return (*how, f"--target={value}", "--target-action=promote")


def give(scratch: Scratch) -> None:
    """Let the server have what pgBackRest has written: as root it makes files their old owner's, who may be nobody here."""
    if os.geteuid() != 0:
        return
    for folder in (scratch.data, scratch.folder / "tablespaces"):
        for place in (folder, *folder.rglob("*")):
            os.chown(place, 0, 0, follow_symlinks=False)
            if not place.is_symlink():
                scratch.identity.give(place)


def own_copy(scratch: Scratch) -> Path:
    """Keep what the server's log is known by: its control file changes as it runs, and the label goes, which makes it good."""
    server = scratch.folder / "server"
    (server / "global").mkdir(parents=True)
    for name in ("global/pg_control", "PG_VERSION", "backup_label"):
        shutil.copy(scratch.data / name, server / name)
    return server


def replayed(data: Path) -> dict[str, str]:
    """Read what the server had, out of its control file. Raises NotRecovered."""
    said = _says("pg_controldata", f"--pgdata={data}")
    found = dict(re.findall(r"(?m)^(\w+) setting:\s+(\d+)$", said))
    return {setting: found[name] for name, setting in REPLAYED.items() if name in found}


def check_server(backup: Kept) -> None:
    """Raise NotRecovered where the PostgreSQL that we have is another version than the backup's."""
    said = _says("postgres", "--version")
    here = re.search(r"\d+", said)
    if not here or here[0] != backup.server.split(".")[0]:
        raise NotRecovered(
            f"{backup.id} of {backup.store} is of PostgreSQL {backup.server}, and here is {said.strip()}: install that version"
            " on the workers, and let SLUICE_PG_BIN name its bin folder."
        )


def check_reached(reached: Reached, target: Target) -> None:
    """Raise NotRecovered where the copy has a commit that is younger than the moment. Pure."""
    if target.kind != "time" or reached.last_commit is None:
        return
    if reached.last_commit > datetime.fromisoformat(target.value):
        raise NotRecovered(
            f"The copy has a commit of {reached.last_commit}, later than {target}: it is not that moment."
        )


def _says(program: str, *how: str) -> str:
    done = subprocess.run(
        [str(client(program)), *how], capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}
    )
    if done.returncode:
        raise NotRecovered(f"{program} failed: {done.stderr.strip()[-300:]}")
    return done.stdout
