"""How a store in trouble is asked by the watch: for seconds, whatever it does, and nothing is left in its sessions."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo
from sluice.flow.insight import watching
from sluice.flow.insight.watching import NoAnswer, opened_store
from sluice.insight.collecting.sessions import ThroughPooler
from sluice.stores.postgres import StoreDown

from tests.as_airflow import postgres_connection
from tests.conftest import Database
from tests.replicated import PGBOUNCER, opened_pooler, opened_trio

ESTATE = """estate: sample
vault: {connection: s3_vault, bucket: sluice-vault}
ledger: {connection: sluice_ledger}
stores:
  certify: {engine: postgres, connection: pg_certify, rto: 5m, rpo: 30s}
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project of one store."""
    file = tmp_path / "include/estate/estate.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(ESTATE)
    monkeypatch.setattr(watching, "ROOT", tmp_path)
    return tmp_path


@pytest.fixture
def asked(root: Path, database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Its server."""
    monkeypatch.setenv("AIRFLOW_CONN_PG_CERTIFY", postgres_connection(database.dsn()))
    return database


@pytest.mark.usefixtures("asked")
def test_a_server_that_freezes_while_it_is_asked_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "ANSWERED_WITHIN", timedelta(seconds=0.5))
    began = time.monotonic()
    with pytest.raises(StoreDown, match="certify"), opened_store("certify") as c:
        backend = c.info.backend_pid
        os.kill(backend, signal.SIGSTOP)
        try:
            c.execute(b"SELECT 1")
        finally:
            os.kill(backend, signal.SIGCONT)
    assert time.monotonic() - began < 10


@pytest.mark.usefixtures("asked")
def test_a_question_that_takes_too_long_is_no_failure_of_the_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "QUESTION", "50ms")
    with pytest.raises(NoAnswer, match=r"certify .* 50ms"), opened_store("certify") as c:
        c.execute(b"SELECT pg_sleep(3)")


@pytest.mark.usefixtures("asked")
def test_what_is_asked_in_time_is_answered_and_nobody_is_cut_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "ANSWERED_WITHIN", timedelta(seconds=0.5))
    with opened_store("certify") as c:
        assert c.execute(b"SELECT 1 AS one").fetchone() == {"one": 1}
    time.sleep(0.6)


@pytest.mark.skipif(PGBOUNCER is None, reason="no PgBouncer is installed here")
def test_behind_a_pooler_that_lends_its_sessions_nothing_is_set(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened_trio(tmp_path, "") as group, opened_pooler(group, tmp_path, "transaction") as pooler:
        through = make_conninfo(pooler.console, dbname="shop")
        monkeypatch.setenv("AIRFLOW_CONN_PG_CERTIFY", postgres_connection(through))
        with pytest.raises(ThroughPooler), opened_store("certify"):
            raise AssertionError("it was asked")
