"""Dump one database into the vault: counted and dumped in one snapshot, packed in parts, the manifest last.

pg_dump writes a folder with several sessions at once, which no stream can hold: so it lies on a disk of ours for as long as it
takes. Whoever was killed at it has left that folder, and perhaps a pg_dump at work in it: the next run ends and clears both.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from sluice.errors import Terminal
from sluice.failpoints import failpoint
from sluice.safety.backup import folder_of, name_at
from sluice.safety.census import Census, Marked, Moment, mark_now
from sluice.safety.censuses import keep_census
from sluice.safety.driver import Tell
from sluice.safety.logical.counting import count_dumped, lacks_of
from sluice.safety.logical.dump import DATA, Dump, Globals, Membership, Right, Role, Setting, Shape, dumps_of
from sluice.safety.logical.progress import Progress, attend, bytes_in
from sluice.stores.binaries import client
from sluice.stores.clock import find_now
from sluice.stores.cluster import processes_in
from sluice.stores.objects import Vault
from sluice.stores.parts import Part, pieces_of, store_parts
from sluice.stores.postgres import Connection, LockBusy, connect, one, rows, translated
from sluice.stores.programs import running
from sluice.stores.statements import statement


class NotDumped(Terminal):
    """This database cannot be dumped from here."""


@dataclass(frozen=True)
class Seen:
    """What was read in the snapshot, beside the dump itself."""

    census: Census
    globals: Globals
    lacks: tuple[str, ...]


@dataclass(frozen=True)
class Dumping:
    """What it takes to dump a store."""

    dsn: str = field(repr=False)
    store: str
    vault: Vault
    folder: Path
    """On a disk of ours, for dumps of this store alone: each run clears it."""
    jobs: int

    def take(self, tell: Tell) -> Dump:
        """Dump it. Safe to repeat, and to kill: half of one is none.

        Raises NotDumped, LockBusy, ProgramFailed, StoreDown, Refused, VaultDown, AccessDenied.
        """
        with self._connect("dump of") as c, translated(f"dumping {self.store}"):
            if not one(c, statement("logical.lock_dumps"), store=self.store)["held"]:
                raise LockBusy(f"Somebody else is dumping {self.store}. It is tried again by itself.")
            found = one(c, statement("logical.find_database"))
            tool = check_tool("pg_dump", self.store, found["major"])
            clear(self.folder)
            expected = self._expected()
            with c.transaction():  # no longer than it must be: it holds the server's vacuum back
                marked = _begin(c, tell)
                seen = Seen(count_dumped(c, self._connect, marked, tell), globals_of(c), lacks_of(c))
                warned = self._run(marked.snapshot, expected, tell)
                ended = find_now(c)
            failpoint("dump.dumped")
            moment = marked.moment
            dumped, parts = self._store(moment, tell)
        key = keep_census(self.vault, self.store, seen.census).key
        shape = Shape(**{field.name: found[field.name] for field in fields(Shape)})
        made = Dump(
            self.store, _named(moment), found["server"], tool, found["superuser"], shape, _utc(moment),
            ended.isoformat(), found["bytes"], dumped, key, seen.globals, (*seen.lacks, *warned), parts,
        )  # fmt: skip
        made.keep(self.vault)
        failpoint("dump.kept")
        clear(self.folder)
        tell(f"{self.store}: {made.id}, {made.dumped_bytes:,} bytes, {made.stored:,} in the vault")
        for line in made.lacks:
            tell(f"{self.store}: not in it: {line}")
        return made

    def _connect(self, purpose: str) -> Connection:
        # pg_dump waits as long for whoever alters a table.
        return connect(self.dsn, purpose=f"{purpose} {self.store}", lock_timeout="60s")

    def _expected(self) -> int | None:
        """Give how long the last dump was; raise NotDumped where there is no room for another such."""
        before = dumps_of(self.vault, self.store)
        if not before:
            return None
        expected, free = before[-1].dumped_bytes, shutil.disk_usage(self.folder).free
        if free < expected:
            raise NotDumped(
                f"{before[-1].id} of {self.store} was {expected:,} bytes, and {self.folder} has room for {free:,}: make room"
                " there, or name another folder. Nothing was begun."
            )
        return expected

    def _run(self, snapshot: str, expected: int | None, tell: Tell) -> tuple[str, ...]:
        """Run pg_dump to its end; gives what it warned of."""
        progress = Progress(tell, f"{self.store} is dumped", expected)
        how = ["--format=directory", f"--file={self.folder / DATA}", f"--jobs={self.jobs}", f"--snapshot={snapshot}"]
        # Its parts are compressed on their way to the vault, as everything there: not each build of pg_dump can zstd.
        how += ["--lock-wait-timeout=60s", "--compress=0"]
        with running("pg_dump", self.dsn, how, cwd=self.folder, dies_with_us=True) as run:
            attend(run, lambda: bytes_in(self.folder), progress)
            said = run.words
        return tuple(line.strip() for line in said.splitlines() if line.strip())

    def _store(self, moment: Moment, tell: Tell) -> tuple[int, tuple[Part, ...]]:
        """Store what pg_dump has made; gives how long it was, and its parts."""
        dumped, folder = bytes_in(self.folder), folder_of(self.store, _named(moment))
        parts = tuple(store_parts(self.vault, folder, self._pieces(dumped, tell)))
        failpoint("dump.stored")
        return dumped, parts

    def _pieces(self, whole: int, tell: Tell) -> Iterator[bytes]:
        """Give a tar of what pg_dump has made, in pieces."""
        progress, read = Progress(tell, f"{self.store} is stored", whole), 0
        command = ["tar", "--create", "--file=-", f"--directory={self.folder / DATA}", "."]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout is not None and process.stderr is not None
            try:
                for piece in pieces_of(process.stdout):
                    yield piece
                    failpoint("dump.part_read")
                    read += len(piece)
                    progress.at(partial(int, read))
            except BaseException:
                process.kill()
                raise
            said = process.stderr.read().decode(errors="replace").strip()
        if process.returncode:
            raise NotDumped(f"The dump of {self.store} cannot be packed: {said[-300:]}")


def _begin(c: Connection, tell: Tell) -> Marked:
    """Begin with a snapshot that pg_dump can take too."""
    c.execute(statement("safety.begin_snapshot"))
    marked = mark_now(c, tell)
    c.execute(statement("safety.pin_mark"))
    failpoint("dump.exported")
    return marked


def _named(moment: Moment) -> str:
    return name_at(datetime.fromisoformat(_utc(moment)), "dump")


def _utc(moment: Moment) -> str:
    return datetime.fromisoformat(moment.at).astimezone(UTC).isoformat()


def globals_of(c: Connection) -> Globals:
    """Read what lies around a database: as the catalogue has it, which every role may read.

    Not pg_dumpall: its text can be run as a whole alone, and would change the roles of a server that is lent for a copy.
    """
    return Globals(
        tuple(Role(**row) for row in rows(c, statement("logical.list_roles"))),
        tuple(Membership(**row) for row in rows(c, statement("logical.list_memberships"))),
        tuple(Setting(**row) for row in rows(c, statement("logical.list_settings"))),
        tuple(Right(**row) for row in rows(c, statement("logical.list_rights"))),
    )


def check_tool(program: str, store: str, major: int) -> str:
    """Give the version of a program; raise NotDumped where it is older than what it is to work with."""
    ours, text = version_of(program)
    if ours < major:
        raise NotDumped(
            f"{program} here is of PostgreSQL {text}, {store} of {major}: an older one cannot. Install the client of {major}, or"
            " name its bin folder in SLUICE_PG_BIN."
        )
    return text


def version_of(program: str) -> tuple[int, str]:
    """Ask a program for its version: the major one, and all of it."""
    said = subprocess.run([str(client(program)), "--version"], capture_output=True, text=True, check=True).stdout
    (found,) = re.findall(r"\(PostgreSQL\) (\d+)(\S*)", said)
    return int(found[0]), "".join(found)


def clear(folder: Path) -> None:
    """Empty a folder for dumps, and end what is still at work in it: of a run that was killed."""
    folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    for left in processes_in(folder):
        os.kill(left, signal.SIGKILL)
    for old in folder.iterdir():
        shutil.rmtree(old)
