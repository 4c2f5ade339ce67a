"""PostgreSQL's own programs against a server: pg_dump, pg_basebackup and the like.

The password goes by the environment: arguments are seen by everybody on the machine.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from sluice.errors import Transient
from sluice.stores.binaries import client


class ProgramFailed(Transient):
    """A program of PostgreSQL's has ended with an error."""


@dataclass
class Running:
    """A program under way."""

    process: subprocess.Popen[bytes]
    said: IO[bytes]
    ended_by_us: bool = False

    def end(self) -> None:
        """Ask it to end, and wait: how it does then is no failure."""
        if self.process.poll() is None:
            self.ended_by_us = True
            self.process.terminate()
            self.process.wait()

    @property
    def words(self) -> str:
        """All that it has said so far."""
        self.said.seek(0)
        return self.said.read().decode(errors="replace")


_DIES_WITH_US = ("setpriv", "--pdeathsig", "TERM")


@cache
def _may_die_with_us() -> bool:
    """Tell whether this machine can end a program when we are killed; next to nothing but Linux with util-linux can."""
    try:
        return subprocess.run([*_DIES_WITH_US, "true"], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


@contextmanager
def running(
    program: str, dsn: str, how: Sequence[str], cwd: Path | None = None, *, dies_with_us: bool = False, **streams: int
) -> Iterator[Running]:
    """Run a program against a server, to its end. It dies with the block; with us too where it is asked for and can be had.

    Raises ProgramFailed, Terminal where there is none.
    """
    told: dict[str, Any] = conninfo_to_dict(dsn)
    secret = {"PGPASSWORD": str(told.pop("password"))} if "password" in told else {}
    before = _DIES_WITH_US if dies_with_us and _may_die_with_us() else ()
    command = [*before, str(client(program)), "--no-password", f"--dbname={make_conninfo(**told)}", *how]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, env={**os.environ, **secret}, stderr=said, cwd=cwd, **streams)  # type: ignore[call-overload]
        run = Running(process, said)
        try:
            yield run
            process.wait()
        finally:
            _end(process)
        if process.returncode and not run.ended_by_us:
            last = " ".join(run.words.split("\n")[-6:]).strip() or "it said nothing"
            raise ProgramFailed(f"{program} of {told.get('dbname')} failed: {last}. It is tried again by itself.")


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
