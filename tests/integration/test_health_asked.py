"""How a store in trouble is asked by the watch: for seconds, whatever it does, and nothing is left in its sessions."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo
from sluice.errors import Transient
from sluice.estate import read_stores
from sluice.flow.insight import watching
from sluice.flow.insight.watching import NoAnswer, opener_of
from sluice.insight.collecting.lifeline import cut_after
from sluice.insight.collecting.sessions import ThroughPooler, opened
from sluice.insight.health.asking import NotBack, ask_all
from sluice.insight.health.rules import Rule
from sluice.ledger.samples import Series
from sluice.stores.postgres import Connection, Refused, StoreDown

from tests.as_airflow import postgres_connection
from tests.conftest import Database
from tests.replicated import PGBOUNCER, opened_pooler, opened_trio
from tests.watched import a_rule

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


def asking_certify() -> AbstractContextManager[Connection]:
    return opener_of(read_stores(watching.ROOT).stores)("certify")


@pytest.mark.usefixtures("asked")
def test_a_server_that_freezes_while_it_is_asked_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "ANSWERED_WITHIN", timedelta(seconds=0.5))
    began = time.monotonic()
    with pytest.raises(StoreDown, match="certify"), asking_certify() as c:
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
    with pytest.raises(NoAnswer, match=r"certify .* 50ms"), asking_certify() as c:
        c.execute(b"SELECT pg_sleep(3)")


@pytest.mark.usefixtures("asked")
def test_what_is_asked_in_time_is_answered_and_nobody_is_cut_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "ANSWERED_WITHIN", timedelta(seconds=0.5))
    with asking_certify() as c:
        assert c.execute(b"SELECT 1 AS one").fetchone() == {"one": 1}
    time.sleep(0.6)


@pytest.mark.skipif(PGBOUNCER is None, reason="no PgBouncer is installed here")
def test_behind_a_pooler_that_lends_its_sessions_nothing_is_set(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened_trio(tmp_path, "") as group, opened_pooler(group, tmp_path, "transaction") as pooler:
        through = make_conninfo(pooler.console, dbname="shop")
        monkeypatch.setenv("AIRFLOW_CONN_PG_CERTIFY", postgres_connection(through))
        with pytest.raises(ThroughPooler), asking_certify():
            raise AssertionError("it was asked")


def questions(*stores: str) -> dict[str, Rule]:
    """Three questions of each store."""
    asked = [(store, n) for n in range(3) for store in stores]
    return {
        f"{store}_{n}": replace(
            a_rule(f"{store}_{n}"), metric=f"own_{store}_{n}", sql=f"SELECT {n} AS value", store=store
        )
        for store, n in asked
    }


def test_a_store_that_accepts_and_is_silent_holds_up_no_other_and_is_asked_once(database: Database) -> None:
    tried: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mute = f"host=127.0.0.1 port={silent.getsockname()[1]} user=x dbname=x"
        dsns = {"certify": database.dsn(), "shop": mute, "other": mute}

        @contextmanager
        def open_store(name: str) -> Iterator[Connection]:
            tried.append(name)
            with cut_after(timedelta(seconds=1)) as line, opened(dsns[name], name, "health", line) as c:
                yield c

        numbers, failures = ask_all(questions("shop", "certify", "other"), open_store, timedelta(seconds=3))
    assert numbers == {Series("certify", f"own_certify_{n}"): float(n) for n in range(3)}
    assert sorted(failures) == [f"{store}_{n}" for store in ("other", "shop") for n in range(3)]
    assert all(isinstance(one, Transient) for one in failures.values())
    assert tried.count("shop") == tried.count("other") == 1, "who does not answer is left alone until the next look"


def test_who_is_not_back_when_all_others_are_is_waited_for_no_longer() -> None:
    gone, tried = threading.Event(), []

    def open_store(name: str) -> AbstractContextManager[Connection]:
        tried.append(name)
        if len(tried) > 1:
            gone.wait()
        raise Refused("shop refuses")

    numbers, failures = ask_all(questions("shop"), open_store, timedelta(seconds=0.5))
    gone.set()
    assert {name: type(one) for name, one in failures.items()} == {
        "shop_0": Refused, "shop_1": NotBack, "shop_2": NotBack
    }  # fmt: skip
    text = "Rule shop_1: shop has not answered within 0.5 s. It is asked again at the next look."
    assert str(failures["shop_1"]) == text and numbers == {}


def test_what_is_nobody_s_fault_but_ours_makes_the_look_red() -> None:
    def open_store(name: str) -> AbstractContextManager[Connection]:
        raise KeyError(name)

    with pytest.raises(KeyError, match="shop"):
        ask_all(questions("shop"), open_store)
