"""pgBackRest's own program, as it is installed and configured where we run: what it says, and its errors by their numbers.

Its configuration is read by itself, from its usual place or from the file that is named; we write none. What we want otherwise
goes as an argument, and is stronger than any file. No secret is an argument: pgBackRest refuses them there, and so do we.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sluice.errors import Terminal, Transient
from sluice.stores.objects import Damaged

TRANSIENT = {
    39: "protocol", 42: "file-read", 49: "host-connect", 50: "lock-acquire", 56: "db-connect", 63: "term", 82: "archive-timeout",
    101: "service", 103: "repo-invalid",
}  # fmt: skip
"""https://github.com/pgbackrest/pgbackrest/blob/main/src/build/error/error.yaml: what may pass by itself."""
DAMAGED = {26: "checksum", 29: "format", 95: "crypto"}
"""What a file says that is not what was stored, by how it was packed."""
QUIET = ("--log-level-console=off", "--log-level-stderr=warn", "--no-log-timestamp")
"""What it answers is alone on its output; what is wrong comes beside it."""
LONGEST = 600
"""Characters of what it says that are told."""


class NotInstalled(Terminal):
    """There is no pgBackRest where we run."""


class RepositoryBusy(Transient):
    """pgBackRest has met something that may pass: a lock, a network, a server that does not answer."""


class PgBackRestFailed(Terminal):
    """pgBackRest has ended with an error that a person must look at."""


@dataclass(frozen=True)
class Program:
    """pgBackRest, for one stanza in one of its repositories."""

    stanza: str
    config: Path | None = None
    """Its configuration; None: where it looks by itself."""
    repo: int = 1
    """Which of its repositories."""

    def run(self, command: str, *how: str, cwd: Path = Path("/")) -> str:
        """Run one of its commands; gives what it answers. Raises NotInstalled, RepositoryBusy, PgBackRestFailed, Damaged."""
        return self._done(command, how, cwd, well=(0,)).stdout

    def finds(self, command: str, *how: str, cwd: Path) -> bool:
        """Run a command that answers yes or no by its code, 0 or 1. Raises as `run` does."""
        return self._done(command, how, cwd, well=(0, 1)).returncode == 0

    def _done(
        self, command: str, how: Sequence[str], cwd: Path, well: Sequence[int]
    ) -> subprocess.CompletedProcess[str]:
        told = self.command(command, *how)
        done = subprocess.run(told, capture_output=True, text=True, errors="replace", cwd=cwd, stdin=subprocess.DEVNULL)
        if done.returncode not in well:
            raise error_of(done.returncode, f"pgbackrest {command} of stanza {self.stanza}", done.stderr)
        return done

    def command(self, command: str, *how: str) -> Sequence[str]:
        """Write a command as it is run."""
        where = [f"--config={self.config}"] if self.config else []
        return [str(program()), *where, f"--stanza={self.stanza}", f"--repo={self.repo}", *QUIET, command, *how]


def program() -> Path:
    """Give the program: the one of SLUICE_PGBACKREST, or of the PATH. Raises NotInstalled."""
    found = os.environ.get("SLUICE_PGBACKREST") or shutil.which("pgbackrest")
    if not found or not Path(found).is_file():
        raise NotInstalled(
            "There is no pgbackrest here: install it on every worker (Debian: apt-get install pgbackrest), or set"
            " SLUICE_PGBACKREST to its program."
        )
    return Path(found)


def error_of(code: int, what: str, said: str) -> Terminal | Transient:
    """Give what an exit code means, with pgBackRest's own words. Pure."""
    told = f"{what} failed: {why(said)}"
    if code in TRANSIENT or code < 0:
        return RepositoryBusy(f"{told} It is tried again by itself.")
    if code in DAMAGED:
        return Damaged(
            f"{told} Something in its repository is not what was stored: keep it as evidence, take a full backup."
        )
    if code == 72:
        return PgBackRestFailed(
            f"{told} The worker is not the host of the repository: let that host's own timer take the backups (`takes: false`)."
        )
    return PgBackRestFailed(f"{told} See pgbackrest check --stanza=… on its host.")


def why(said: str) -> str:
    """Give pgBackRest's error and its hints out of all that it said, printable, on one line. Pure."""
    lines = [re.sub(r"[^ -~]+", "?", line).strip() for line in said.splitlines()]
    first = next((at for at, line in enumerate(lines) if re.match(r"(P\d+ +)?ERROR: ", line)), None)
    told = " ".join(lines if first is None else lines[first:]).strip() or "it said nothing"
    return told if len(told) <= LONGEST else f"{told[:LONGEST]} …"
