"""What people get who have a server brought back: durable, reachable, and up on a machine that is not the original's."""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from sluice.local.ports import free_port
from sluice.safety.driver import Clock, name_scratch
from sluice.safety.physical.driver import Physical
from sluice.safety.physical.scratch import Scratch
from sluice.safety.physical.taking import take
from sluice.safety.target import Target
from sluice.stores.cluster import Cluster
from sluice.stores.objects import Vault
from sluice.stores.postgres import Connection, connect

from tests.backed_up import STORE, Shop, ids, opened_shop

FILES = ("postgresql.conf", "pg_hba.conf", "pg_ident.conf")


@dataclass(frozen=True)
class Apart(Cluster):
    """A server whose settings and rules lie outside of its data folder, as Debian's packages have it."""

    @property
    def etc(self) -> Path:
        """Where they lie."""
        return self.folder / "etc"

    def move(self, *settings: str) -> None:
        """Bring them there, with more settings."""
        self.stop()
        self.etc.mkdir()
        for name in FILES:
            (self.data / name).rename(self.etc / name)
        places = {"data_directory": self.data, "hba_file": self.etc / FILES[1], "ident_file": self.etc / FILES[2]}
        with (self.etc / FILES[0]).open("a") as file:
            file.writelines(f"{line}\n" for line in (*(f"{name} = '{at}'" for name, at in places.items()), *settings))
        subprocess.run(["chmod", "--recursive", "a+rX", str(self.etc)], check=True)
        self.start()

    def _settings(self) -> dict[str, str]:
        there = (self.etc / FILES[0]).exists()
        return {**super()._settings(), **({"config_file": str(self.etc / FILES[0])} if there else {})}


@pytest.fixture
def shop(vault, tmp_path: Path) -> Iterator[Shop]:
    """A server like any other."""
    if "handed-over" not in {bucket["Name"] for bucket in vault.client().list_buckets()["Buckets"]}:
        vault.store.create_bucket("handed-over")
    kept = Vault(vault.client(), "handed-over")
    for key in kept.list(""):
        kept.remove(key)
    with opened_shop(tmp_path, free_port(), kept) as made:
        yield made


@contextmanager
def handed_over(shop: Shop, port: int | None) -> Iterator[tuple[Connection, Path]]:
    """Take a backup, bring it back, hand it over; gives a session through its socket, and its data folder."""
    with shop.shipped():
        take(shop.cluster.dsn(), STORE, shop.vault, None, shop.said.append)
    driver = Physical(STORE, shop.cluster.dsn(), shop.vault, shop.folder / "drills")
    name = name_scratch(STORE, datetime.now(UTC), "handed over")
    try:
        back = driver.restore(Target("latest"), name, Clock(), shop.said.append)
        for _ in range(2):
            address = driver.hand_over(back, port)
        with connect(make_conninfo(address, password="secret"), purpose="test") as c:
            yield c, Scratch(driver.scratch / name).data
    finally:
        driver.destroy(name)


def settings(c: Connection, *names: str) -> dict[str, str]:
    """Give settings of a server."""
    found = c.execute("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", (list(names),)).fetchall()
    return {row["name"]: row["setting"] for row in found}


def test_a_copy_is_durable_though_the_settings_of_its_original_lie_outside_of_its_data_folder(shop: Shop) -> None:
    apart, port = Apart(shop.cluster.folder, shop.cluster.port, "secret", durable=False), free_port()
    apart.move("work_mem = '77MB'", "deadlock_timeout = '3s'", "lc_messages = 'C'")
    with handed_over(shop, port) as (c, _):
        on = ("fsync", "full_page_writes", "autovacuum")
        assert settings(c, *on) == dict.fromkeys(on, "on")
        assert settings(c, "work_mem", "deadlock_timeout", "max_connections") == {
            "work_mem": "78848",
            "deadlock_timeout": "3000",
            "max_connections": "200",
        }
        c.execute("CREATE ROLE people LOGIN PASSWORD 'theirs'")
        with psycopg.connect(f"host=127.0.0.1 port={port} user=people password=theirs dbname=postgres") as theirs:
            assert theirs.execute("SELECT count(*) > 0 FROM pg_tables").fetchone() == (True,)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(f"host=127.0.0.1 port={port} user=people password=wrong dbname=postgres")
    (told,) = [line for line in shop.said if "has no postgresql.conf, no pg_hba.conf, no pg_ident.conf" in line]
    assert "lets in whoever has a password" in told


def test_a_copy_comes_up_without_the_libraries_and_the_memory_that_this_machine_does_not_have(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    with (shop.cluster.data / FILES[0]).open("a") as file:
        file.write("shared_buffers = '4TB'\nshared_preload_libraries = 'pg_stat_statements, not_on_this_machine'\n")
    with caplog.at_level(logging.WARNING), handed_over(shop, None) as (c, _):
        found = settings(c, "shared_buffers", "shared_preload_libraries")
        assert found["shared_preload_libraries"] == '"pg_stat_statements"'
        assert int(found["shared_buffers"]) * 8192 < 1 << 40
        assert c.execute("SELECT count(*) AS many FROM pg_tables").fetchone()
    assert "not_on_this_machine of shared_preload_libraries is left out" in caplog.text
    assert 'could not access file "not_on_this_machine"' in caplog.text
    assert "shared_buffers is" in caplog.text


def test_a_server_that_was_given_more_of_something_since_its_backup_comes_back(shop: Shop) -> None:
    with shop.shipped():
        full = take(shop.cluster.dsn(), STORE, shop.vault, None, shop.said.append)
    with shop.connect() as c:
        c.execute("ALTER SYSTEM SET max_worker_processes = 32")
    shop.cluster.stop()
    shop.cluster.start()
    with shop.shipped(), shop.connect() as c:
        c.execute("INSERT INTO notes (text) VALUES ('since')")
        held = ids(c)
    with shop.restored([full], Target("latest")) as (_, copy, _):
        assert ids(copy) == held
