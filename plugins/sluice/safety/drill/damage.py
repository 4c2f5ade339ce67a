"""Whether heaps and indexes of a copy are sound inside: PostgreSQL's own pg_amcheck, every index against every row."""

from __future__ import annotations

import subprocess

from psycopg.conninfo import conninfo_to_dict

from sluice.errors import Terminal
from sluice.stores.binaries import client

SOUND, DAMAGED = 0, 2
SHOWN = 20


class NotChecked(Terminal):
    """The copy could not be looked through."""


def find_damage(address: str) -> tuple[str, ...]:
    """Look through the copy's database; gives what is damaged, a line each. Changes the copy alone. Raises NotChecked."""
    told = conninfo_to_dict(address)
    whose = [f"--host={told['host']}", f"--username={told['user']}", "--no-password"]
    how = [*whose, "--install-missing", "--heapallindexed", "--jobs=2", str(told["dbname"])]
    done = subprocess.run([str(client("pg_amcheck")), *how], capture_output=True, text=True, errors="replace")
    if done.returncode not in (SOUND, DAMAGED):
        raise NotChecked(f"pg_amcheck of {told['dbname']} failed: {done.stderr.strip()[-300:]}")
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    return tuple(lines[:SHOWN]) if done.returncode == DAMAGED else ()
