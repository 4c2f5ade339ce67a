"""Commands on the machine itself: what runs here, since when, and a shell of SQL in it. Each gives its exit code."""

from __future__ import annotations

import argparse
import os
from typing import Any

from sluice.errors import SluiceError
from sluice.estate import EstateErrors
from sluice.local.mistakes import tell_mistakes
from sluice.local.settings import USERS
from sluice.local.tables import table

STORES = {"certify": "certify", "ledger": "sluice", "airflow": "airflow"}
"""Databases of this machine, by what one calls them."""


def up(chosen: argparse.Namespace) -> int:
    """Start PostgreSQL, S3, DynamoDB and Airflow, and say where."""
    from sluice.local import machine

    settings = machine.up()
    print(f"Airflow   {settings.airflow_url}")
    for user in USERS:
        print(f"          {user:9} {settings.password(user)}")
    print(f"S3        {settings.vault_url}        connection s3_vault")
    print(f"DynamoDB  {settings.documents_url}        connection dynamodb_tyler")
    if settings.workers:
        print(f"Workers   {settings.workers}, through Redis at 127.0.0.1:{settings.ports.broker}")
    if not tell_mistakes():
        for connection, whose in machine.lacking_connections(settings).items():
            print(
                f"Lacking   connection {connection} of {whose}: what needs it fails. Add it (Admin → Connections), or"
                f" export AIRFLOW_CONN_{connection.upper()}=… , ./sluice down and ./sluice up"
            )
    print(f"Stop      ./sluice down        Look  ./sluice status        SQL  ./sluice psql [{'|'.join(STORES)}]")
    return 0


def down(chosen: argparse.Namespace) -> int:
    """End every process; data stays."""
    from sluice.local import machine

    settings = machine.down()
    print(f"Everything is down. Its data stays in {settings.state_dir}.")
    return 0


def status(chosen: argparse.Namespace) -> int:
    """Say what runs and what died; of a page, or with --json, where the estate stands. Exit code 0 when all of it runs."""
    if chosen.page or chosen.json:
        from sluice.local.standing.showing import show

        show(chosen.page, as_data=chosen.json)
        return 0
    from sluice.local import machine
    from sluice.stores.cluster import tail

    parts = machine.status()
    rows = [(part.name, _state(part), part.pid or "", part.log) for part in parts]
    print(table(("part", "state", "pid", "log"), rows))
    dead = [part for part in parts if part.pid is None and part.died]
    for part in dead:
        print(f"\n{part.name} died. The end of {part.log}:\n{tail(part.log)}")
    if dead:
        print("\n`./sluice up` starts what is dead and leaves the rest alone.")
    if parts[0].pid:  # PostgreSQL, which has the ledger
        _tell_migrations()
        _tell_estate()
    mistaken = tell_mistakes()
    return 0 if all(part.pid for part in parts) and not mistaken else 1


def psql(chosen: argparse.Namespace) -> int:
    """Become psql in one of the databases, as the role that Sluice works as there."""
    from psycopg.conninfo import conninfo_to_dict

    from sluice.local.settings import load
    from sluice.stores.binaries import binaries

    told = conninfo_to_dict(load().dsn(STORES[chosen.store]))
    names = {"host": "PGHOST", "port": "PGPORT", "dbname": "PGDATABASE", "user": "PGUSER", "password": "PGPASSWORD"}
    # In the environment, not in the arguments: those anyone on the machine can read.
    environment = {**os.environ, **{names[key]: str(value) for key, value in told.items()}}
    os.execve(binaries() / "psql", ["psql", *chosen.arguments], environment)


def _tell_migrations() -> None:
    from sluice.local.migrations import standing_table
    from sluice.local.settings import load

    if told := standing_table(load()):
        print(f"\n{told}")


def _tell_estate() -> None:
    """Show the first page; what keeps it from being shown is no reason to hide what runs."""
    from sluice.local.standing.showing import show

    try:
        show("estate", as_data=False)
    except EstateErrors:  # told by itself, each mistake by its line
        return
    except SluiceError as why:
        print(f"\nWhere the estate stands is not known: {why}")


def _state(part: Any) -> str:
    return "runs" if part.pid else "died" if part.died else "is down"
