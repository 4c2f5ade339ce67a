"""Where this machine lives, which ports it uses, and its secrets. Nothing here starts anything.

Secrets are made on the first `load()` and kept in `.sluice/secrets.json` (0600). Ports are defaults, what the last
`up` used, or the environment's `SLUICE_PORT`, `SLUICE_PG_PORT`, `SLUICE_S3_PORT`, `SLUICE_DYNAMODB_PORT`,
`SLUICE_REDIS_PORT`, each stronger than the one before; and so is the number of workers, `SLUICE_WORKERS`.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from sluice.errors import Terminal
from sluice.local import databases
from sluice.stores.cluster import ADMIN, Cluster

ROOT = Path(__file__).resolve().parents[3]
USERS = {"admin": "admin", "operator": "op", "viewer": "viewer"}
_DATABASES = {"certify": databases.MOVER, "sluice": databases.LEDGER, "airflow": databases.AIRFLOW}


@dataclass(frozen=True)
class Ports:
    """The ports of the machine, all on 127.0.0.1."""

    airflow: int = 8088
    postgres: int = 5440
    objects: int = 4580
    documents: int = 4590
    broker: int = 6390


PORT_SETTINGS = {
    "airflow": "SLUICE_PORT",
    "postgres": "SLUICE_PG_PORT",
    "objects": "SLUICE_S3_PORT",
    "documents": "SLUICE_DYNAMODB_PORT",
    "broker": "SLUICE_REDIS_PORT",
}
WORKERS_SETTING = "SLUICE_WORKERS"
MOST_WORKERS = 8


@dataclass(frozen=True)
class Settings:
    """One machine: the code in `root`, its state in `state_dir`, the DAG files it runs in `dags_dir`.

    `workers` is how many of Celery's have its tasks; with 0 they are the scheduler's own.
    """

    root: Path
    state_dir: Path
    dags_dir: Path
    ports: Ports
    secrets: Mapping[str, str]
    workers: int = 0

    @property
    def airflow_url(self) -> str:
        """Airflow's address."""
        return f"http://127.0.0.1:{self.ports.airflow}"

    @property
    def vault_url(self) -> str:
        """The S3 endpoint's address."""
        return f"http://127.0.0.1:{self.ports.objects}"

    @property
    def documents_url(self) -> str:
        """The DynamoDB endpoint's address."""
        return f"http://127.0.0.1:{self.ports.documents}"

    @property
    def cluster(self) -> Cluster:
        """The PostgreSQL server with everything in it."""
        return Cluster(self.state_dir / "postgres", self.ports.postgres, self.secrets[ADMIN])

    def password(self, name: str) -> str:
        """Give the password of an Airflow user or a database role."""
        return self.secrets[name]

    def dsn(self, database: str, role: str | None = None) -> str:
        """Give the connection string for `certify`, `sluice` or `airflow`, as `role`: a role's name or `admin`."""
        if database not in _DATABASES:
            raise Terminal(f"There is no database {database!r} here: choose from {', '.join(_DATABASES)}.")
        user = _DATABASES[database] if role is None else ADMIN if role == "admin" else role
        return self.cluster.dsn(database, user, self.secrets[user])

    def environment(self) -> dict[str, str]:
        """Give the whole environment for a child process: ours on top of the one we run in."""
        from sluice.local.environment import variables

        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        return {**inherited, **variables(self)}

    def remember(self) -> None:
        """Keep the ports and the number of workers for the commands that come after this `up`."""
        write_private(self.state_dir / "ports.json", json.dumps(asdict(self.ports)))
        write_private(self.state_dir / "workers", str(self.workers))


def load() -> Settings:
    """Read the settings of this machine, making its secrets the first time."""
    state_dir = Path(os.environ.get("SLUICE_STATE_DIR", ROOT / ".sluice")).resolve()
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Settings(
        root=ROOT,
        state_dir=state_dir,
        dags_dir=Path(os.environ.get("SLUICE_DAGS_DIR", ROOT / "dags")).resolve(),
        ports=replace(remembered_ports(state_dir), **_ports_told()),
        secrets=_secrets(state_dir / "secrets.json"),
        workers=_workers_told(remembered_workers(state_dir)),
    )


def write_private(path: Path, text: str) -> None:
    """Write a file that only we may read, whole or not at all."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        file.write(text)  # a temporary file is 0600 from its first moment
    Path(file.name).replace(path)


def remembered_ports(state_dir: Path) -> Ports:
    """Give the ports of the last `up`, or the defaults."""
    kept = state_dir / "ports.json"
    return Ports(**json.loads(kept.read_text())) if kept.exists() else Ports()


def remembered_workers(state_dir: Path) -> int:
    """Give how many workers the last `up` had; none unless it was told."""
    kept = state_dir / "workers"
    return int(kept.read_text()) if kept.exists() else 0


def _workers_told(remembered: int) -> int:
    value = os.environ.get(WORKERS_SETTING) or str(remembered)
    if not value.isdecimal() or int(value) > MOST_WORKERS:
        raise Terminal(f"{WORKERS_SETTING} is {value!r}; it must be a number, 0 to {MOST_WORKERS}.")
    return int(value)


def _ports_told() -> dict[str, int]:
    return {name: _port(setting) for name, setting in PORT_SETTINGS.items() if os.environ.get(setting)}


def _port(setting: str) -> int:
    value = os.environ[setting]
    if not value.isdecimal() or not 0 < int(value) < 65536:
        raise Terminal(f"{setting} is {value!r}; it must be a port number, 1 to 65535.")
    return int(value)


def _secrets(path: Path) -> dict[str, str]:
    kept: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    complete = {**_new_secrets(), **kept}
    if complete != kept:
        write_private(path, json.dumps(complete, indent=1))
    return complete


def _new_secrets() -> dict[str, str]:
    people = {user: secrets.token_urlsafe(12) for user in USERS}
    roles = {role: secrets.token_urlsafe(24) for role in (ADMIN, *databases.LOGINS)}
    keys = {
        "fernet": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "jwt": secrets.token_urlsafe(64),
        "session": secrets.token_urlsafe(32),
        "broker": secrets.token_urlsafe(32),
        "vault_key": f"SLUICE{secrets.token_hex(7).upper()}",
        "vault_secret": secrets.token_urlsafe(30),
        "documents_key": f"SLUICE{secrets.token_hex(7).upper()}",
        "documents_secret": secrets.token_urlsafe(30),
    }
    return {**people, **roles, **keys}
