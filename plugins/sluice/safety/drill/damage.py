"""Whether heaps and indexes of a copy are sound inside: PostgreSQL's own pg_amcheck, every index against every row."""

from __future__ import annotations

import os
import subprocess

from psycopg.conninfo import conninfo_to_dict

from sluice.errors import Terminal
from sluice.stores.binaries import client

SOUND, DAMAGED = 0, 2
SHOWN = 20
_BY_ENVIRONMENT = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "passfile": "PGPASSFILE",
                   "sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT"}  # fmt: skip
"""How the program is told where the copy is: it takes no connection string, and arguments are seen by everybody."""


class NotChecked(Terminal):
    """The copy could not be looked through."""


def find_damage(address: str) -> tuple[str, ...]:
    """Look through the copy's database; gives what is damaged, a line each. Changes the copy alone. Raises NotChecked."""
    told = conninfo_to_dict(address)
    how = ["--no-password", "--install-missing", "--heapallindexed", "--jobs=2", str(told["dbname"])]
    where = os.environ | {name: str(told[key]) for key, name in _BY_ENVIRONMENT.items() if key in told}
    done = subprocess.run(
        [str(client("pg_amcheck")), *how], env=where, capture_output=True, text=True, errors="replace"
    )
    if done.returncode not in (SOUND, DAMAGED):
        raise NotChecked(f"pg_amcheck of {told['dbname']} failed: {done.stderr.strip()[-300:]}")
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    return tuple(lines[:SHOWN]) if done.returncode == DAMAGED else ()
