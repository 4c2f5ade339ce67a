"""What every ring shares: a real PostgreSQL, S3 and DynamoDB, and a marker for each folder.

`database` is a fresh database for one test; its server lives for the whole session, in a temporary folder, on a free
port. Nothing here touches the machine of `./sluice up`: tests may run beside it.
"""

from __future__ import annotations

import itertools
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from sluice.local import databases
from sluice.local.objects import ObjectStore
from sluice.local.ports import free_port
from sluice.local.rings import BEYOND, BUDGETS
from sluice.stores.cluster import ADMIN, Cluster

from tests import documents as dynamodb

_HERE = Path(__file__).parent
_COUNT = itertools.count(1)
_TEMPLATE = "certify_template"


def pytest_configure() -> None:
    """Give Airflow a home of its own before anything imports it, so that no test meets a live scheduler's."""
    home = tempfile.mkdtemp(prefix="sluice-airflow-")
    os.environ["AIRFLOW_HOME"] = home
    os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = f"sqlite:///{home}/airflow.db"
    os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
    os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(_HERE.parent / "dags")
    os.environ["AIRFLOW__CORE__PLUGINS_FOLDER"] = str(_HERE.parent / "plugins")
    os.environ["AIRFLOW__USAGE_DATA_COLLECTION__ENABLED"] = "False"
    os.environ["GX_ANALYTICS_ENABLED"] = "false"


def pytest_unconfigure() -> None:
    """Take that home away again."""
    shutil.rmtree(os.environ["AIRFLOW_HOME"], ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with the ring whose folder it lives in."""
    for item in items:
        ring = item.path.relative_to(_HERE).parts[0] if item.path.is_relative_to(_HERE) else ""
        if ring in BUDGETS | BEYOND:
            item.add_marker(ring)


@dataclass(frozen=True)
class Server:
    """A running scratch server, with the roles of the sample estate."""

    cluster: Cluster
    passwords: dict[str, str]

    def create_certify(self, name: str) -> None:
        """Make a fresh database of the sample, as a copy of one that nobody uses."""
        databases.copy_certify(self.cluster, _TEMPLATE, name)


@dataclass(frozen=True)
class Database:
    """A fresh database shaped like `certify`, and a ledger's database beside it, made when first asked for."""

    server: Server
    name: str
    ledgers: list[str] = field(default_factory=list)

    def dsn(self, role: str = databases.MOVER) -> str:
        """Give the connection string for `sluice_mover`, `certify_app`, `admin` or `sluice_ledger`."""
        cluster = self.server.cluster
        if role == "admin":
            return cluster.dsn(self.name)
        name = self._ledger() if role == databases.LEDGER else self.name
        return cluster.dsn(name, role, self.server.passwords[role])

    def _ledger(self) -> str:
        if not self.ledgers:
            self.ledgers.append(f"{self.name}_ledger")
            databases.create_database(self.server.cluster, self.ledgers[0], owner=databases.LEDGER)
        return self.ledgers[0]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A scratch PostgreSQL for the whole session: fast, not crash safe, gone at the end."""
    folder = tmp_path_factory.mktemp("postgres")
    cluster = Cluster(folder, free_port(), secrets.token_urlsafe(), durable=False)
    cluster.create()
    cluster.start()
    try:
        _hash_once(cluster)
        passwords = {role: secrets.token_urlsafe() for role in databases.LOGINS}
        databases.create_roles(cluster, passwords)
        databases.create_certify(cluster, _TEMPLATE)
        yield Server(cluster, passwords)
    finally:
        cluster.stop()


def _hash_once(cluster: Cluster) -> None:
    """Let passwords be hashed once instead of 4096 times, where PostgreSQL can: half of what a connection costs a test."""
    with psycopg.connect(cluster.dsn(), autocommit=True) as c:
        if c.info.server_version < 160_000:
            return
        c.execute("ALTER ROLE ALL SET scram_iterations = 1")
        c.execute("SET scram_iterations = 1")
        c.execute(SQL("ALTER ROLE {} PASSWORD {}").format(Identifier(ADMIN), cluster.password))


@dataclass(frozen=True)
class ScratchVault:
    """A bucket that keeps versions, in a real S3 on a free port."""

    store: ObjectStore
    bucket: str

    @property
    def endpoint(self) -> str:
        """The S3 address."""
        return self.store.url

    def client(self):
        """Give a fresh boto3 client."""
        return self.store.client()


@pytest.fixture(scope="session")
def services_read_once() -> Iterator[None]:
    """What a service is like botocore reads from files for each session, a tenth of a second of work: here it does it once."""
    import botocore.session

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", cache(botocore.session.create_loader))
        yield


@pytest.fixture(scope="session")
def vault(tmp_path_factory: pytest.TempPathFactory, services_read_once: None) -> Iterator[ScratchVault]:
    """A scratch S3 for the whole session, with one bucket; its engine is installed once and shared with `up`."""
    store = ObjectStore(tmp_path_factory.mktemp("s3"), free_port(), "SCRATCH", secrets.token_urlsafe())
    try:
        store.start(os.environ)
        store.create_bucket("sluice-vault")
        yield ScratchVault(store, "sluice-vault")
    finally:
        store.stop()


@pytest.fixture(scope="session")
def documents(tmp_path_factory: pytest.TempPathFactory, services_read_once: None) -> Iterator[dynamodb.Documents]:
    """A DynamoDB for the whole session: our own, or the one that SLUICE_DYNAMODB_URL or SLUICE_AWS=1 names."""
    with dynamodb.running(tmp_path_factory.mktemp("dynamodb")) as engine:
        yield engine


@pytest.fixture
def make_table(documents: dynamodb.Documents) -> Iterator[Callable[..., str]]:
    """A function: `make_table(partition="id", sort=None, name="users", ttl=…, indexes=…)` makes a table for this test.

    It has a stream unless told `stream=False`. Gives its name; all are dropped after the test.
    """
    made: list[str] = []

    def make(*arguments: Any, **rest: Any) -> str:
        made.append(documents.make(*arguments, **rest))
        return made[-1]

    yield make
    for table in made:
        documents.drop(table)


@pytest.fixture
def make_database(server: Server) -> Iterator[Callable[[], Database]]:
    """Make as many fresh databases as a test wants; all are dropped after it."""
    made: list[Database] = []

    def make() -> Database:
        name = f"certify_{next(_COUNT)}"
        server.create_certify(name)
        made.append(Database(server, name))
        return made[-1]

    yield make
    for database in made:
        for name in (database.name, *database.ledgers):
            databases.drop_database(server.cluster, name)


@pytest.fixture
def database(make_database: Callable[[], Database]) -> Database:
    """A fresh database for one test."""
    return make_database()
