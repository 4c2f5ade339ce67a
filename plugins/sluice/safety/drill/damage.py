"""Whether heaps and indexes of a copy are sound inside: PostgreSQL's own pg_amcheck, every index against every row.

A server has other databases beside the store's own. Where all of it was brought back, all of them are looked through; what they
hold nobody has counted, and the certificate says so.
"""

from __future__ import annotations

import os
import subprocess

from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Conninfo

from sluice.errors import Terminal
from sluice.stores.binaries import client
from sluice.stores.postgres import connect, one, rows
from sluice.stores.statements import statement

SOUND, DAMAGED = 0, 2
SHOWN = 20


class NotChecked(Terminal):
    """The copy could not be looked through."""


def find_damage(address: str, whole_server: bool) -> tuple[str, ...]:
    """Look through the copy's database, or all of its server; gives what is damaged, a line each. Changes the copy alone.

    Raises NotChecked.
    """
    told = conninfo_to_dict(address)
    # It takes a name, no address: the rest of that goes by the environment, as libpq calls it.
    known = {one.keyword.decode(): one.envvar.decode() for one in Conninfo.get_defaults() if one.envvar}
    where = {known[name]: str(value) for name, value in told.items() if name in known}
    how = ["--no-password", "--install-missing", "--heapallindexed", "--jobs=2"]
    how.append("--all" if whole_server else str(told["dbname"]))
    command = [str(client("pg_amcheck")), *how]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", env={**os.environ, **where})
    if done.returncode not in (SOUND, DAMAGED):
        raise NotChecked(f"pg_amcheck of {told['dbname']} failed: {done.stderr.strip()[-300:]}")
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    return tuple(lines[:SHOWN]) if done.returncode == DAMAGED else ()


def find_beside(address: str) -> tuple[str, ...]:
    """Name the databases of a copy's server beside the store's own that hold something, or that let nobody in."""
    with connect(address, purpose="drill") as c:
        found = rows(c, statement("safety.list_databases"))
    closed = [f"{row['name']}: takes no sessions, nor was it looked through" for row in found if not row["open"]]
    return (*(row["name"] for row in found if row["open"] and not _is_empty(address, row["name"])), *closed)


def _is_empty(address: str, database: str) -> bool:
    with connect(make_conninfo(address, dbname=database), purpose="drill") as c:
        return bool(one(c, statement("safety.is_empty", ours=statement("safety.ours")))["empty"])
