"""Settings: secrets made once and kept private, ports told or remembered."""

from __future__ import annotations

import json
import shlex
import socket
import stat
from dataclasses import replace

import pytest
from psycopg.conninfo import conninfo_to_dict
from sluice.errors import Terminal
from sluice.local import machine, ports, workers
from sluice.local.broker import program
from sluice.local.environment import variables, write_environment
from sluice.local.settings import PORT_SETTINGS, Ports, load


@pytest.fixture(autouse=True)
def state(monkeypatch, tmp_path):
    for name in (*PORT_SETTINGS.values(), "SLUICE_DAGS_DIR", "SLUICE_WORKERS", "SLUICE_REDIS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SLUICE_STATE_DIR", str(tmp_path / "state"))


def mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_secrets_are_made_once_and_only_ours_to_read():
    first = load()
    assert load().secrets == first.secrets
    assert mode(first.state_dir / "secrets.json") == 0o600
    assert mode(first.state_dir) == 0o700
    assert len(set(first.secrets.values())) == len(first.secrets)


def test_the_token_secret_is_long_enough_for_its_algorithm():
    assert len(load().secrets["jwt"].encode()) >= 64


def test_a_secret_of_a_later_version_is_added_and_the_others_stay():
    kept = load()
    path = kept.state_dir / "secrets.json"
    path.write_text(json.dumps({name: value for name, value in kept.secrets.items() if name != "jwt"}))
    now = load().secrets
    assert now["jwt"] != kept.secrets["jwt"]
    assert now["admin"] == kept.secrets["admin"]


def test_a_told_port_is_stronger_than_a_remembered_one(monkeypatch):
    replace(load(), ports=Ports(airflow=9001, postgres=9002)).remember()
    monkeypatch.setenv("SLUICE_PG_PORT", "9003")
    assert load().ports == Ports(airflow=9001, postgres=9003, objects=Ports().objects)


@pytest.mark.parametrize("nonsense", ["http", "0", "65536", "-1"])
def test_a_port_that_is_none_is_refused(monkeypatch, nonsense):
    monkeypatch.setenv("SLUICE_PORT", nonsense)
    with pytest.raises(Terminal, match="SLUICE_PORT"):
        load()


def test_without_a_word_the_scheduler_runs_its_own_tasks():
    told = variables(load())
    assert told["AIRFLOW__CORE__EXECUTOR"] == "LocalExecutor"
    assert not [name for name in told if "CELERY" in name]


def test_workers_are_told_once_and_remembered_until_told_otherwise(monkeypatch):
    monkeypatch.setenv("SLUICE_WORKERS", "2")
    load().remember()
    monkeypatch.delenv("SLUICE_WORKERS")
    settings = load()
    assert (settings.workers, workers.names(settings)) == (2, ["worker-1", "worker-2"])
    told = variables(settings)
    assert told["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor"
    address = f"redis://:{settings.secrets['broker']}@127.0.0.1:{Ports().broker}/0"
    assert told["AIRFLOW__CELERY__BROKER_URL"] == address
    monkeypatch.setenv("SLUICE_WORKERS", "0")
    assert load().workers == 0


@pytest.mark.parametrize("nonsense", ["two", "-1", "9"])
def test_a_number_of_workers_that_is_none_is_refused(monkeypatch, nonsense):
    monkeypatch.setenv("SLUICE_WORKERS", nonsense)
    with pytest.raises(Terminal, match=r"SLUICE_WORKERS is .* 0 to 8"):
        load()


@pytest.mark.parametrize("count", range(1, 9))
def test_when_a_worker_dies_the_others_have_room_for_every_task(count):
    assert workers.concurrency(count) * max(1, count - 1) >= workers.PARALLELISM


def test_a_worker_that_was_left_running_is_known_whatever_is_asked_for(monkeypatch):
    run = load().state_dir / "run"
    run.mkdir()
    (run / "worker-3.pid").write_text("{}")
    assert workers.names(load()) == ["worker-1", "worker-2", "worker-3"]
    assert {"worker-3"} <= {part.name for part in machine.status() if part.died}


def test_where_there_is_no_redis_it_is_said_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Terminal, match="apt-get install redis-server"):
        program()
    monkeypatch.setenv("SLUICE_REDIS", "/nowhere/redis-server")
    with pytest.raises(Terminal, match="SLUICE_REDIS names /nowhere/redis-server, which is no program"):
        program()


def test_a_dsn_names_the_role_that_was_asked_for():
    settings = load()
    users = [conninfo_to_dict(settings.dsn("certify", role)).get("user") for role in (None, "certify_app", "admin")]
    assert users == ["sluice_mover", "certify_app", "postgres"]
    with pytest.raises(Terminal, match="certify, sluice, airflow"):
        settings.dsn("certfy")


def test_a_shell_reads_back_the_environment_that_was_written():
    settings = load()
    write_environment(settings)
    path = settings.state_dir / "env"
    read = dict(part.split("=", 1) for line in path.read_text().splitlines() for part in shlex.split(line))
    assert read == variables(settings)
    assert mode(path) == 0o600


def test_everything_listens_on_loopback_and_nothing_phones_home():
    told = variables(load())
    assert told["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert told["AIRFLOW__USAGE_DATA_COLLECTION__ENABLED"] == "False"
    assert told["GX_ANALYTICS_ENABLED"] == "false"
    assert json.loads(told["AIRFLOW_CONN_PG_CERTIFY"])["login"] == "sluice_mover"


def test_a_taken_port_is_refused_with_its_owner_and_the_way_out():
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        port = stranger.getsockname()[1]
        with pytest.raises(Terminal, match=rf"Port {port} \(for Airflow\) is taken by pid \d+ .*\n.*SLUICE_PORT="):
            ports.require_free([ports.Asked(port, "Airflow", "SLUICE_PORT")])
    ports.require_free([ports.Asked(port, "Airflow", "SLUICE_PORT")])


def test_all_taken_ports_are_told_at_once_with_one_way_out():
    with socket.socket() as one, socket.socket() as other:
        asked = []
        for stranger, setting in ((one, "SLUICE_PORT"), (other, "SLUICE_S3_PORT")):
            stranger.bind(("127.0.0.1", 0))
            stranger.listen()
            asked.append(ports.Asked(stranger.getsockname()[1], "it", setting))
        with pytest.raises(
            Terminal, match=r"Port \d+ .*\nPort \d+ .*\n.*SLUICE_PORT=\d+ SLUICE_S3_PORT=\d+ ./sluice up"
        ):
            ports.require_free(asked)
