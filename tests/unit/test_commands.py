"""Other people's programs are found, and told where to work: PostgreSQL's clients, and Airflow's own command."""

from __future__ import annotations

from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo
from sluice.errors import Terminal
from sluice.flow.cleaning import address, environment
from sluice.stores import binaries
from sqlalchemy import make_url


def test_a_client_is_the_one_that_was_chosen_else_the_wheels_else_the_machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SLUICE_PG_BIN", raising=False)
    assert binaries.client("pg_dump") == binaries.binaries() / "pg_dump"
    monkeypatch.setenv("SLUICE_PG_BIN", str(tmp_path))
    assert binaries.client("pg_dump") == tmp_path / "pg_dump"
    monkeypatch.setattr(binaries, "_folder", lambda: None)
    own = tmp_path / "pg_dump"
    own.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert binaries.client("pg_dump") == own
    with pytest.raises(Terminal, match="There is no pg_restore here: install PostgreSQL's client"):
        binaries.client("pg_restore")
    with pytest.raises(Terminal, match="No PostgreSQL here"):
        binaries.binaries()


def test_an_address_is_read_by_sqlalchemy_as_it_was_meant() -> None:
    told = {
        "host": "db",
        "port": 5433,
        "user": "air flow",
        "password": "p@:/%x?",
        "dbname": "a/b",
        "sslmode": "require",
    }
    url = make_url(address(make_conninfo("", **told)))
    assert (url.drivername, url.host, url.port, url.username, url.password) == (
        "postgresql+psycopg2", "db", 5433, "air flow", "p@:/%x?",
    )  # fmt: skip
    assert (url.database, dict(url.query)) == ("a/b", {"sslmode": "require"})
    assert make_url(address("dbname=airflow user=a")).port == 5432


def test_a_command_gets_its_database_and_nothing_of_the_task_it_runs_in(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__CORE__SQL_ALCHEMY_CONN"):
        monkeypatch.setenv(name, "airflow-db-not-allowed:///")
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "client")
    monkeypatch.setenv("KEPT", "yes")
    found = environment("host=db dbname=airflow user=a password=b")
    assert found["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == "postgresql+psycopg2://a:b@db:5432/airflow"
    assert found["KEPT"] == "yes"
    assert not {"AIRFLOW__CORE__SQL_ALCHEMY_CONN", "_AIRFLOW_PROCESS_CONTEXT"} & found.keys()
