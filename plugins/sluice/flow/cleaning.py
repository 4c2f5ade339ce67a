"""Run `airflow db clean` from within a task.

Airflow keeps its own database from tasks: in their processes its address is another one, which leads nowhere. The command gets it
by a connection that the estate names, in an environment of its own; nothing else in the task can come by it that way.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from urllib.parse import quote, urlencode

from psycopg.conninfo import conninfo_to_dict

from sluice.errors import Transient

Tell = Callable[[str], None]
BATCH = 50_000
"""Rows that are put aside and deleted in one transaction: nobody waits for long."""
LINES = 40
"""How many of the command's last lines are shown."""


class CleanFailed(Transient):
    """`airflow db clean` has ended with an error. What it has done so far stands; a second run goes on."""


def clean(dsn: str, tables: tuple[str, ...], cutoff: datetime, tell: Tell) -> None:
    """Have Airflow put aside and delete what is older than `cutoff`. Raises CleanFailed."""
    command = [sys.executable, "-m", "airflow", "db", "clean", "--yes", "--error-on-cleanup-failure"]
    command += [
        "--clean-before-timestamp",
        cutoff.isoformat(),
        "--tables",
        ",".join(tables),
        "--batch-size",
        str(BATCH),
    ]
    done = subprocess.run(command, env=environment(dsn), stdin=subprocess.DEVNULL, capture_output=True, text=True)
    told = "\n".join((done.stdout + done.stderr).strip().splitlines()[-LINES:])
    if done.returncode:
        raise CleanFailed(f"airflow db clean failed (exit {done.returncode}). It is tried again by itself:\n{told}")
    tell(told)


def environment(dsn: str) -> Mapping[str, str]:
    """Give the environment of a command of Airflow that works on the database behind `dsn`."""
    ours = {name: value for name, value in os.environ.items() if name not in _OF_A_TASK}
    return {**ours, "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": address(dsn)}


def address(dsn: str) -> str:
    """Write a connection string as SQLAlchemy reads it."""
    told = {name: str(value) for name, value in conninfo_to_dict(dsn).items()}
    user, password = (quote(told.pop(name, ""), safe="") for name in ("user", "password"))
    host, port, database = (told.pop(name, otherwise) for name, otherwise in _USUAL.items())
    options = f"?{urlencode(told)}" if told else ""
    return f"postgresql+psycopg2://{user}:{password}@{host}:{port}/{quote(database, safe='')}{options}"


_USUAL = {"host": "localhost", "port": "5432", "dbname": ""}
_OF_A_TASK = ("AIRFLOW__CORE__SQL_ALCHEMY_CONN", "_AIRFLOW_PROCESS_CONTEXT", "__AIRFLOW_SUPERVISOR_FD")
