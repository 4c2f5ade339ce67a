"""PostgreSQL's own pg_dump and pg_restore, as streams: no dump ever lies on a disk of ours.

The password goes by the environment: arguments are seen by everybody on the machine.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from sluice.errors import Transient
from sluice.stores.binaries import client

PART_BYTES = 32_000_000
"""How much of a dump is in memory at a time, and in one object."""


class DumpFailed(Transient):
    """pg_dump or pg_restore has ended with an error."""


def dump(dsn: str, snapshot: str) -> Iterator[bytes]:
    """Dump a whole database as of an exported snapshot, in pieces. Who has its first piece may end that snapshot.

    Raises DumpFailed.
    """
    how = ["--format=custom", f"--snapshot={snapshot}", "--lock-wait-timeout=60s"]
    with _running("pg_dump", dsn, how, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while piece := process.stdout.read(PART_BYTES):
            yield piece


def restore(dsn: str, pieces: Iterable[bytes]) -> None:
    """Restore a dump into an empty database: whole, or not at all. Who owned and who might do what is left out.

    Raises DumpFailed.
    """
    how = ["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges"]
    with _running("pg_restore", dsn, how, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        try:
            for piece in pieces:
                process.stdin.write(piece)
            process.stdin.close()
        except BrokenPipeError:
            pass  # it has ended already, and says why


@contextmanager
def _running(program: str, dsn: str, how: list[str], **streams: int) -> Iterator[subprocess.Popen[bytes]]:
    told: dict[str, Any] = conninfo_to_dict(dsn)
    secret = {"PGPASSWORD": str(told.pop("password"))} if "password" in told else {}
    command = [str(client(program)), "--no-password", f"--dbname={make_conninfo(**told)}", *how]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, env={**os.environ, **secret}, stderr=said, **streams)  # type: ignore[call-overload]
        try:
            yield process
            process.wait()
        finally:
            _end(process)
        if process.returncode:
            raise DumpFailed(
                f"{program} of {told.get('dbname')} failed: {_last_lines(said)}. It is tried again by itself."
            )


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()


def _last_lines(said: IO[bytes]) -> str:
    said.seek(0)
    return " ".join(said.read().decode(errors="replace").split("\n")[-6:]).strip() or "it said nothing"
