"""An address without its password, which lies in a file that only we may read: an address is kept, logged and handed on."""

from __future__ import annotations

from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

FILE = "pgpass"


def without_password(dsn: str, folder: Path) -> str:
    """Give an address that leads to the same, with its password in a file of `folder` (libpq's passfile)."""
    told = dict(conninfo_to_dict(dsn))
    password = told.pop("password", None)
    if password is None:
        return make_conninfo("", **told)
    file = folder / FILE
    file.touch(mode=0o600)
    escaped = str(password).replace("\\", "\\\\").replace(":", "\\:")
    file.write_text(f"*:*:*:*:{escaped}\n")
    return make_conninfo("", **told, passfile=str(file))
