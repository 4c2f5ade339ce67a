"""The whole machine, brought up in order, looked at, and taken down without a trace.

PostgreSQL, S3, DynamoDB and Airflow, and Redis where workers have the tasks (SLUICE_WORKERS). `up` converges: it
starts what does not run and leaves alone what does.
"""

from __future__ import annotations

import fcntl
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sluice.errors import Terminal
from sluice.estate import read_stores
from sluice.local import airflow_processes, databases, ports, venvs, workers
from sluice.local.airflow_api import AirflowApi
from sluice.local.documents import DocumentStore
from sluice.local.environment import write_environment
from sluice.local.objects import ObjectStore
from sluice.local.settings import PORT_SETTINGS, WORKERS_SETTING, Settings, load, remembered_ports, remembered_workers
from sluice.local.waiting import wait_for

VAULT_BUCKET = "sluice-vault"
_PARTS = {"postgres": "postgres", "objects": "s3", "documents": "dynamodb", "airflow": "api-server", "broker": "redis"}
"""Who listens on which port."""


@dataclass(frozen=True)
class Part:
    """One process of the machine. `died` tells that it was started and has ended, but not by us."""

    name: str
    pid: int | None
    died: bool
    log: Path


def up(quiet: bool = False) -> Settings:
    """Start what does not run, and wait until Airflow has read every DAG. Safe to repeat, also after an interruption.

    Raises Terminal, naming the part and its log, or the port that is taken.
    """
    settings, say = load(), _mute if quiet else _tell
    with _alone(settings):
        _check_running(settings)
        if settings.workers:
            workers.install()
        settings.remember()
        write_environment(settings)
        say("PostgreSQL …")
        start_postgres(settings)
        say("S3 …")
        start_objects(settings)
        say("DynamoDB …")
        document_store(settings).start(settings.environment())
        if settings.workers:
            say("Redis …")
            workers.broker(settings).start(settings.environment())
        say("Airflow …")
        _start_airflow(settings, say)
    return settings


def down() -> Settings:
    """End every process; the data stays. Safe to repeat. Raises Terminal when a process does not end."""
    settings = load()
    with _alone(settings):
        airflow_processes.stop(settings)
        workers.broker(settings).stop()
        document_store(settings).stop()
        object_store(settings).stop()
        settings.cluster.stop()
    return settings


def status() -> list[Part]:
    """Look at every part; change nothing."""
    settings = load()
    cluster = settings.cluster
    # PostgreSQL removes its lock when it is stopped; a lock without a server is a server that died.
    postgres = Part("postgres", cluster.pid(), (cluster.data / "postmaster.pid").exists(), cluster.log)
    stores = [object_store(settings).process, document_store(settings).process]
    redis = workers.broker(settings).process
    others = [
        *stores,
        *([redis] if settings.workers or redis.was_started() else []),
        *airflow_processes.processes(settings),
    ]
    return [postgres, *(Part(one.name, one.pid(), one.was_started(), one.log) for one in others)]


def api(settings: Settings, user: str = "admin") -> AirflowApi:
    """Give a client for our Airflow, logged in as `user`."""
    return AirflowApi(settings.airflow_url, user, settings.password(user))


def lacking_connections(settings: Settings) -> dict[str, str]:
    """Give the connections that the estate names and Airflow has not, each with what names it. Airflow must be up.

    Raises EstateErrors.
    """
    kept = api(settings).connections()
    # The scheduler's own, which may be older than this shell's.
    environment = airflow_processes.process(settings, "scheduler").environment()
    return {
        connection: whose
        for connection, whose in read_stores(venvs.ROOT).connections.items()
        if connection not in kept and f"AIRFLOW_CONN_{connection.upper()}" not in environment
    }


def object_store(settings: Settings) -> ObjectStore:
    """Give our S3."""
    return ObjectStore(
        folder=settings.state_dir / "s3",
        port=settings.ports.objects,
        key=settings.secrets["vault_key"],
        secret=settings.secrets["vault_secret"],
    )


def document_store(settings: Settings) -> DocumentStore:
    """Give our DynamoDB."""
    return DocumentStore(
        folder=settings.state_dir / "dynamodb",
        port=settings.ports.documents,
        key=settings.secrets["documents_key"],
        secret=settings.secrets["documents_secret"],
    )


def start_postgres(settings: Settings) -> None:
    """Bring up the server with its databases and roles."""
    cluster = settings.cluster
    if cluster.pid() is None:
        # Airflow rarely outlives its database, and dies of it only a while later: better now than after `up`.
        airflow_processes.stop(settings)
    cluster.create()
    cluster.start()
    databases.create_roles(cluster, settings.secrets)
    databases.create_database(cluster, "airflow", owner=databases.AIRFLOW)
    databases.create_database(cluster, "sluice", owner=databases.LEDGER)
    databases.create_certify(cluster)


def start_objects(settings: Settings) -> None:
    """Bring up S3 with the vault's bucket."""
    store = object_store(settings)
    store.start(settings.environment())
    store.create_bucket(VAULT_BUCKET)


def _start_airflow(settings: Settings, say: Callable[[str], None]) -> None:
    airflow_processes.prepare(settings)
    started = airflow_processes.start(settings)
    client = api(settings)
    airflow_processes.create_pools(client, _pool_slots(settings))
    if started:
        say("DAGs …")
        _wait_for_dags(settings, client)
    for file, reason in client.import_errors().items():
        print(f"Airflow cannot read {file}: {reason.strip().splitlines()[-1]}", file=sys.stderr)


def _wait_for_dags(settings: Settings, client: AirflowApi) -> None:
    try:
        wait_for("DAGs", lambda: not airflow_processes.unparsed(settings, client), seconds=60)
    except Terminal:
        left = ", ".join(sorted(airflow_processes.unparsed(settings, client)))
        print(f"Airflow has not read {left} yet. See `dag-processor.log`.", file=sys.stderr)


def _pool_slots(settings: Settings) -> Iterator[tuple[str, int]]:
    from sluice.estate import read_stores

    for name, store in read_stores(settings.root).stores.items():
        yield name, store.pool_slots


def _check_running(settings: Settings) -> None:
    """Raise Terminal if a port we are about to use is a stranger's, or if we run otherwise than asked for."""
    running = {part.name for part in status() if part.pid is not None}
    if running and settings.ports != remembered_ports(settings.state_dir):
        raise Terminal("Sluice runs already, on other ports than these: `./sluice down` first.")
    if running and settings.workers != (count := remembered_workers(settings.state_dir)):
        raise Terminal(f"Sluice runs already, with {WORKERS_SETTING}={count}: `./sluice down` first.")
    ports.require_free(
        [
            ports.Asked(getattr(settings.ports, purpose), part, PORT_SETTINGS[purpose])
            for purpose, part in _PARTS.items()
            if part not in running and (part != "redis" or settings.workers)
        ]
    )


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Keep a second `up` or `down` waiting while one is at work."""
    with (settings.state_dir / "machine.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _mute(line: str) -> None:
    del line
