"""How a copy is reached: as the store is, at the copy's own endpoint.

A copy has the roles and the passwords of the moment that it was brought back to. The address carries none: it names a file in
which the password lies for as long as the copy is looked at, which libpq reads, and its programs too.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from psycopg.conninfo import conninfo_to_dict, make_conninfo


def address_of(dsn: str, endpoint: Mapping[str, Any], secret: Path) -> str:
    """Give the connection string of a copy, without a password: `secret` is the file that it goes into."""
    told: dict[str, Any] = {key: value for key, value in conninfo_to_dict(dsn).items() if key != "hostaddr"}
    password = told.pop("password", None)
    where = {"host": str(endpoint["Address"]), "port": str(endpoint["Port"])}
    if password:
        secret.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        secret.unlink(missing_ok=True)
        fields = (where["host"], where["port"], "*", str(told.get("user", "*")), str(password))
        # Made and opened in one: nobody else can have put a file of theirs there.
        with os.fdopen(os.open(secret, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(":".join(field if field == "*" else _escaped(field) for field in fields) + "\n")
        told["passfile"] = str(secret)
    return make_conninfo(**{**told, **where})


def forget_password(secret: Path) -> None:
    """Take the password away again."""
    secret.unlink(missing_ok=True)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace(":", "\\:")
