"""Whether heaps and indexes of a copy are sound inside: PostgreSQL's own pg_amcheck, every index against every row."""

from __future__ import annotations

import os
import subprocess

from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Conninfo

from sluice.errors import Terminal
from sluice.stores.binaries import client

SOUND, DAMAGED = 0, 2
SHOWN = 20


class NotChecked(Terminal):
    """The copy could not be looked through."""


def find_damage(address: str) -> tuple[str, ...]:
    """Look through the copy's database; gives what is damaged, a line each. Changes the copy alone. Raises NotChecked."""
    told = conninfo_to_dict(address)
    # It takes a name, no address: the rest of that goes by the environment, as libpq calls it.
    known = {one.keyword.decode(): one.envvar.decode() for one in Conninfo.get_defaults() if one.envvar}
    where = {known[name]: str(value) for name, value in told.items() if name in known}
    how = ["--no-password", "--install-missing", "--heapallindexed", "--jobs=2", str(told["dbname"])]
    command = [str(client("pg_amcheck")), *how]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", env={**os.environ, **where})
    if done.returncode not in (SOUND, DAMAGED):
        raise NotChecked(f"pg_amcheck of {told['dbname']} failed: {done.stderr.strip()[-300:]}")
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    return tuple(lines[:SHOWN]) if done.returncode == DAMAGED else ()
