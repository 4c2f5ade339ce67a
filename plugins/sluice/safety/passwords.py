"""An address without its password, which lies in a file that only we may read: an address is kept, logged and handed on."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

FILE = "pgpass"


def without_password(dsn: str, folder: Path) -> str:
    """Give an address that leads to the same, with its password in a file of `folder` (libpq's passfile), which is made."""
    told = dict(conninfo_to_dict(dsn))
    password = told.pop("password", None)
    if password is None:
        return make_conninfo("", **told)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / FILE
    file.unlink(missing_ok=True)
    escaped = str(password).replace("\\", "\\\\").replace(":", "\\:")
    # Made and opened in one: nobody else can have put a file of theirs there.
    with os.fdopen(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as opened:
        opened.write(f"*:*:*:*:{escaped}\n")
    return make_conninfo("", **told, passfile=str(file))


def forget_password(folder: Path) -> None:
    """Take the password away again, with its folder. Safe to repeat."""
    shutil.rmtree(folder, ignore_errors=True)
