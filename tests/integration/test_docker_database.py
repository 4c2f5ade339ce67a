"""Docker's PostgreSQL holds the roles, databases and rights of the embedded one: its very script is run."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sluice.local import databases
from sluice.local.ports import free_port
from sluice.stores.binaries import binaries
from sluice.stores.cluster import Cluster

SCRIPT = Path(__file__).resolve().parents[2] / "docker/postgres/10-estate.sql"
VARIABLES = {
    "airflow": "AIRFLOW_DB_PASSWORD",
    "sluice_ledger": "LEDGER_PASSWORD",
    "sluice_mover": "MOVER_PASSWORD",
    "certify_app": "CERTIFY_APP_PASSWORD",
    "certify_exporter": "EXPORTER_PASSWORD",
    "certify_dropper": "DROPPER_PASSWORD",
    "certify_backup": "BACKUP_PASSWORD",
}
SHARED = {
    "roles": "select rolname, rolcanlogin, rolbypassrls, rolreplication, rolsuper, rolcreatedb, rolcreaterole from pg_roles",
    "members": "select roleid::regrole::text, member::regrole::text, admin_option from pg_auth_members",
    "databases": "select datname, datdba::regrole::text, datacl::text, datcollate from pg_database",
}
IN_CERTIFY = {
    "schemas": "select nspname, nspowner::regrole::text, nspacl::text from pg_namespace",
    "defaults": "select defaclrole::regrole::text, defaclobjtype, defaclacl::text from pg_default_acl",
    "extensions": "select extname from pg_extension",
}


@pytest.fixture
def new_cluster(tmp_path: Path) -> Iterator[Callable[[str], Cluster]]:
    """Start servers of one's own, as empty as a container's new volume: roles belong to a whole server."""
    with ExitStack() as started:

        def start(name: str) -> Cluster:
            cluster = Cluster(tmp_path / name, free_port(), secrets.token_urlsafe(), durable=False)
            cluster.create()
            cluster.start()
            started.callback(cluster.stop)
            return cluster

        yield start


def run_script(cluster: Cluster, passwords: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the script as PostgreSQL's image does."""
    command = [
        str(binaries() / "psql"),
        "--no-psqlrc",
        "--quiet",
        "--set=ON_ERROR_STOP=1",
        f"--file={SCRIPT}",
    ]
    environment = {**os.environ, **passwords}
    return subprocess.run([*command, cluster.dsn()], env=environment, capture_output=True, text=True)


def look(cluster: Cluster, database: str, questions: dict[str, str]) -> dict[str, list[tuple[Any, ...]]]:
    """Read the catalogue."""
    with psycopg.connect(cluster.dsn(database)) as connection:
        return {name: sorted(connection.execute(question).fetchall(), key=repr) for name, question in questions.items()}


def make_embedded(cluster: Cluster, passwords: dict[str, str]) -> None:
    """Make what `./sluice up` makes."""
    databases.create_roles(cluster, passwords)
    databases.create_database(cluster, "airflow", owner=databases.AIRFLOW)
    databases.create_database(cluster, "sluice", owner=databases.LEDGER)
    databases.create_certify(cluster)


def test_both_estates_are_the_same(new_cluster: Callable[[str], Cluster]) -> None:
    docker, embedded = new_cluster("docker"), new_cluster("embedded")
    passwords = {role: secrets.token_hex() for role in databases.LOGINS}
    make_embedded(embedded, passwords)
    ran = run_script(docker, {VARIABLES[role]: password for role, password in passwords.items()})
    assert ran.returncode == 0, ran.stderr
    assert look(docker, "postgres", SHARED) == look(embedded, "postgres", SHARED)
    assert look(docker, "certify", IN_CERTIFY) == look(embedded, "certify", IN_CERTIFY)
    for role, password in passwords.items():
        home = {"airflow": "airflow", "sluice_ledger": "sluice"}.get(role, "certify")
        psycopg.connect(docker.dsn(home, role, password)).close()


def test_no_role_is_made_without_a_password(new_cluster: Callable[[str], Cluster]) -> None:
    given = {variable: secrets.token_hex() for variable in VARIABLES.values() if variable != "MOVER_PASSWORD"}
    ran = run_script(new_cluster("docker"), given)
    assert ran.returncode != 0 and "syntax error" in ran.stderr
