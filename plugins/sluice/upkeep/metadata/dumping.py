"""PostgreSQL's own pg_dump and pg_restore, as streams: no dump ever lies on a disk of ours."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator

from sluice.stores.parts import pieces_of
from sluice.stores.programs import running


def dump(dsn: str, snapshot: str) -> Iterator[bytes]:
    """Dump a whole database as of an exported snapshot, in pieces. Who has its first piece may end that snapshot.

    Raises ProgramFailed.
    """
    how = ["--format=custom", f"--snapshot={snapshot}", "--lock-wait-timeout=60s"]
    with running("pg_dump", dsn, how, stdout=subprocess.PIPE) as run:
        assert run.process.stdout is not None
        yield from pieces_of(run.process.stdout)


def restore(dsn: str, pieces: Iterable[bytes]) -> None:
    """Restore a dump into an empty database: whole, or not at all. Who owned and who might do what is left out.

    Raises ProgramFailed.
    """
    how = ["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges"]
    with running("pg_restore", dsn, how, stdin=subprocess.PIPE) as run:
        assert run.process.stdin is not None
        try:
            for piece in pieces:
                run.process.stdin.write(piece)
            run.process.stdin.close()
        except BrokenPipeError:
            pass  # it has ended already, and says why
