"""The databases and roles of the embedded cluster. Every step may run twice: what is there stays as it is.

| role | may |
|---|---|
| `certify_owner` | own schema `app` and its tables; cannot log in |
| `certify_app` | change rows as the application; row-level security applies |
| `sluice_mover` | act as the owner, see every row, make schemas; what Sluice works as |
| `certify_exporter` | see every row of what the archive lets it read |
| `certify_dropper` | call what the archive lets it call |
| `certify_backup` | back the whole server up, and count every row of `certify` |
| `sluice_ledger` | own the ledger's database |
| `airflow` | own Airflow's metadata, and make the databases that its backups are restored into for a trial |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from sluice.stores.cluster import Cluster
from sluice.stores.statements import statement

OWNER, APPLICATION, MOVER, LEDGER, AIRFLOW = "certify_owner", "certify_app", "sluice_mover", "sluice_ledger", "airflow"
EXPORTER, DROPPER, BACKER = "certify_exporter", "certify_dropper", "certify_backup"
LOGINS = (APPLICATION, MOVER, EXPORTER, DROPPER, BACKER, LEDGER, AIRFLOW)

Connection = psycopg.Connection[tuple[Any, ...]]


def create_roles(cluster: Cluster, passwords: Mapping[str, str]) -> None:
    """Make the roles; `passwords` holds one for each of LOGINS."""
    with _admin(cluster) as connection:
        if not _exists(connection, "local.role_exists", role=OWNER):
            connection.execute(statement("local.create_owner", role=Identifier(OWNER)))
        for role in LOGINS:
            if not _exists(connection, "local.role_exists", role=role):
                _create_login(connection, role, passwords[role])
        for role in (MOVER, EXPORTER, BACKER):
            connection.execute(statement("local.let_bypass_row_security", role=Identifier(role)))
        connection.execute(statement("local.let_create_databases", role=Identifier(AIRFLOW)))
        connection.execute(statement("local.let_replicate", role=Identifier(BACKER)))
        for role, groups in {MOVER: (OWNER, "pg_monitor"), BACKER: ("pg_read_all_data",)}.items():
            for group in groups:
                connection.execute(statement("local.join", group=Identifier(group), role=Identifier(role)))


def create_database(cluster: Cluster, name: str, owner: str) -> None:
    """Make a database that only its owner may enter."""
    database = Identifier(name)
    with _admin(cluster) as connection:
        if not _exists(connection, "local.database_exists", database=name):
            connection.execute(statement("local.create_database", database=database, owner=Identifier(owner)))
        connection.execute(statement("local.close_to_others", database=database))


def create_certify(cluster: Cluster, name: str = "certify") -> None:
    """Make the sample estate's database: schema `app`, and what each role may do in it."""
    create_database(cluster, name, owner=OWNER)
    with _admin(cluster, name) as connection:
        _let_in(connection, name)
        connection.execute(statement("local.add_statistics"))
        _create_app_schema(connection)


def copy_certify(cluster: Cluster, template: str, name: str) -> None:
    """Make another like `template`, a fifth of the work. What may be done to it as a whole is not copied. For tests."""
    with _admin(cluster) as connection:
        faster = SQL("STRATEGY file_copy") if connection.info.server_version >= 150_000 else SQL("")
        values = {"database": Identifier(name), "template": Identifier(template), "owner": Identifier(OWNER)}
        connection.execute(statement("local.copy_database", **values, strategy=faster))
        connection.execute(statement("local.close_to_others", database=Identifier(name)))
        _let_in(connection, name)


def drop_database(cluster: Cluster, name: str) -> None:
    """Drop a database and whoever is connected to it. For tests."""
    with _admin(cluster) as connection:
        connection.execute(statement("local.drop_database", database=Identifier(name)))


def _let_in(connection: Connection, name: str) -> None:
    for role in (APPLICATION, MOVER, EXPORTER, DROPPER, BACKER):
        connection.execute(statement("local.let_connect", database=Identifier(name), role=Identifier(role)))
    connection.execute(statement("local.let_create_schemas", database=Identifier(name), role=Identifier(MOVER)))


def _create_app_schema(connection: Connection) -> None:
    owner, application = Identifier(OWNER), Identifier(APPLICATION)
    connection.execute(statement("local.create_schema", schema=Identifier("app"), owner=owner))
    connection.execute(statement("local.let_use_schema", schema=Identifier("app"), role=application))
    connection.execute(statement("local.let_change_rows", owner=owner, role=application))
    connection.execute(statement("local.let_use_sequences", owner=owner, role=application))


def _create_login(connection: Connection, role: str, password: str) -> None:
    verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    connection.execute(statement("local.create_login", role=Identifier(role), password=Literal(verifier)))


def _exists(connection: Connection, question: str, **values: str) -> bool:
    row = connection.execute(statement(question), values).fetchone()
    return bool(row and row[0])


def _admin(cluster: Cluster, database: str = "postgres") -> Connection:
    return psycopg.connect(cluster.dsn(database), autocommit=True)
