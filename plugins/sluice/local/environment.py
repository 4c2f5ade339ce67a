"""The environment of every process of the machine: Airflow's settings and connections, said once.

`up` also writes it to `.sluice/env` (0600), for a shell: `set -a; . .sluice/env; set +a`.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path

from sluice.local import workers
from sluice.local.settings import USERS, Settings, write_private

REGION = "us-east-1"


def variables(settings: Settings) -> dict[str, str]:
    """Give what the machine adds to an environment."""
    return {**_process(settings), **_airflow(settings), **_connections(settings)}


def write_environment(settings: Settings) -> None:
    """Write `.sluice/env`, which a shell can read."""
    lines = [f"{name}={shlex.quote(value)}\n" for name, value in sorted(variables(settings).items())]
    write_private(settings.state_dir / "env", "".join(lines))


def airflow_home(settings: Settings) -> Path:
    """Give the folder of Airflow's own files and logs."""
    return settings.state_dir / "airflow"


def passwords_file(settings: Settings) -> Path:
    """Give the file in which Airflow finds the passwords of its users."""
    return airflow_home(settings) / "passwords.json"


def _process(settings: Settings) -> dict[str, str]:
    inherited = [os.environ[name] for name in ("NO_PROXY", "no_proxy") if os.environ.get(name)]
    local = ",".join(["127.0.0.1", "localhost", *inherited])
    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "PYTHONPATH": str(settings.root / "plugins"),
        "NO_PROXY": local,
        "no_proxy": local,
        "TZ": "UTC",
        "GX_ANALYTICS_ENABLED": "false",
        "SLUICE_STATE_DIR": str(settings.state_dir),
    }


def _airflow(settings: Settings) -> dict[str, str]:
    home = airflow_home(settings)
    # The alphabet of our passwords needs no escaping in a URL.
    login = f"airflow:{settings.secrets['airflow']}"
    metadata = f"postgresql+psycopg2://{login}@127.0.0.1:{settings.ports.postgres}/airflow"
    options = {
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": str(workers.PARALLELISM),
        "CORE__DAGS_FOLDER": str(settings.dags_dir),
        "CORE__PLUGINS_FOLDER": str(settings.root / "plugins"),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "CORE__FERNET_KEY": settings.secrets["fernet"],
        "CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{user}:{role}" for user, role in USERS.items()),
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords_file(settings)),
        "CORE__EXECUTION_API_SERVER_URL": f"{settings.airflow_url}/execution/",
        "DATABASE__SQL_ALCHEMY_CONN": metadata,
        "API__HOST": "127.0.0.1",
        "API__PORT": str(settings.ports.airflow),
        "API__BASE_URL": settings.airflow_url,
        "API__SECRET_KEY": settings.secrets["session"],
        "API_AUTH__JWT_SECRET": settings.secrets["jwt"],
        # A new or changed DAG file shows within seconds: this is a workshop, not a fleet.
        "DAG_PROCESSOR__REFRESH_INTERVAL": "10",
        "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "10",
        "DAG_PROCESSOR__DAG_VERSION_INFLATION_CHECK_LEVEL": "error",
        # A mapped task costs its own time, not five seconds of waiting for it.
        "WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        # A task killed from outside is noticed, and retried, in half a minute instead of five.
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
        # And so is one whose scheduler was killed: nobody else hears that it died, until its successor asks for orphans.
        "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
        "LOGGING__NAMESPACE_LEVELS": "great_expectations=WARNING",
        "LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "USAGE_DATA_COLLECTION__ENABLED": "False",
        **workers.options(settings, metadata),
    }
    return {"AIRFLOW_HOME": str(home)} | {f"AIRFLOW__{name}": value for name, value in options.items()}


def _connections(settings: Settings) -> dict[str, str]:
    connections = {
        "PG_CERTIFY": _postgres(settings, "certify", "sluice_mover"),
        "PG_CERTIFY_EXPORTER": _postgres(settings, "certify", "certify_exporter"),
        "PG_CERTIFY_DROPPER": _postgres(settings, "certify", "certify_dropper"),
        "PG_CERTIFY_BACKUP": _postgres(settings, "certify", "certify_backup"),
        "SLUICE_LEDGER": _postgres(settings, "sluice", "sluice_ledger"),
        "PG_AIRFLOW": _postgres(settings, "airflow", "airflow"),
        "S3_VAULT": _aws(settings, "vault", {"s3": settings.vault_url}),
        "DYNAMODB_TYLER": _aws(settings, "documents", _documents(settings)),
    }
    return {f"AIRFLOW_CONN_{name}": json.dumps(value) for name, value in connections.items()}


def _postgres(settings: Settings, database: str, login: str) -> dict[str, object]:
    return {
        "conn_type": "postgres",
        "host": "127.0.0.1",
        "port": settings.ports.postgres,
        "schema": database,
        "login": login,
        "password": settings.secrets[login],
    }


def _aws(settings: Settings, secret: str, endpoints: dict[str, str]) -> dict[str, object]:
    return {
        "conn_type": "aws",
        "login": settings.secrets[f"{secret}_key"],
        "password": settings.secrets[f"{secret}_secret"],
        "extra": {
            "region_name": REGION,
            "service_config": {service: {"endpoint_url": url} for service, url in endpoints.items()},
        },
    }


def _documents(settings: Settings) -> dict[str, str]:
    return dict.fromkeys(("dynamodb", "dynamodbstreams"), settings.documents_url)
