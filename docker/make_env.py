"""Fill in .env.example with fresh secrets and keep the result as .env, readable by you alone.

    python3 docker/make_env.py

Needs nothing but Python. An .env that is there stays as it is: its secrets open the data of your volumes.
"""

from __future__ import annotations

import base64
import os
import secrets
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def secret(name: str) -> str:
    """Give a fresh value for `name`: 64 hexadecimal digits, safe in URLs, JSON and shells."""
    if name == "FERNET_KEY":  # Fernet wants exactly 32 bytes, in its own alphabet
        return base64.urlsafe_b64encode(os.urandom(32)).decode()
    return secrets.token_hex(32)


def filled(template: str) -> str:
    """Give `template` with a secret behind every `NAME=` that has no value."""
    lines = (line + secret(line[:-1]) if _is_open(line) else line for line in template.splitlines())
    return "\n".join(lines) + "\n"


def write_env(target: Path) -> None:
    """Write `target` with mode 0600. Raises FileExistsError rather than replace it."""
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(filled((ROOT / ".env.example").read_text()))


def _is_open(line: str) -> bool:
    return line.endswith("=") and not line.startswith("#")


if __name__ == "__main__":
    env = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / ".env"
    try:
        write_env(env)
    except FileExistsError:
        sys.exit(f"{env} is there. To start over, remove it and the volumes: docker compose down --volumes")
    print(f"{env} written.")
