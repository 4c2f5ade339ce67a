"""A backup, the shipping of the log and a restore, killed at each edge: what is kept is whole, no file of the log is missing."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sluice import failpoints
from sluice.failpoints import EDGES
from sluice.local.ports import free_port
from sluice.safety.backup import backups_of
from sluice.safety.driver import LogLost
from sluice.safety.physical.choosing import choose
from sluice.safety.physical.scratch import Scratch
from sluice.safety.physical.shipping import stop_shipping
from sluice.safety.physical.taking import take
from sluice.safety.target import Target
from sluice.stores.objects import Vault, vault_client

from tests.backed_up import RECEIVED, STORE, Shop, ids, opened_shop

EVERY = [edge.name for edge in EDGES if "safety/physical" in edge.where]
BUCKET = "killed-backups"
# The server knows the receiver of one that was killed for a while: what that has received is in no folder of ours.
OURS = RECEIVED + "AND backend_start > %(now)s"
FIRST = "SELECT min(name) AS file FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'"


@dataclass(frozen=True)
class Told:
    """What a process has to know."""

    dsn: str
    vault: tuple[str, str, str]
    folder: Path

    @property
    def opened(self) -> Vault:
        """The vault, with a client of this process's own."""
        return Vault(vault_client(*self.vault, "us-east-1"), BUCKET)


def take_one(told: Told, armed: str) -> None:
    """Take a full backup."""
    failpoints.arm(armed)
    take(told.dsn, STORE, told.opened, None, print)


def ship(told: Told, armed: str) -> None:
    """Ship all of the log that there is."""
    failpoints.arm(armed)
    shop = shop_of(told)
    with shop.connect() as c:
        now = c.execute("SELECT clock_timestamp() AS now").fetchone()
        shop.shipper().run(timedelta(seconds=30), lambda: bool(c.execute(OURS, now).fetchall()))


def restore(told: Told, armed: str) -> None:
    """Bring the newest backup back, and stop it again."""
    failpoints.arm(armed)
    shop, latest = shop_of(told), Target("latest")
    with shop.restored(choose(shop.vault, STORE, latest), latest):
        pass


def shop_of(told: Told) -> Shop:
    """Give the shop, as this process sees it."""
    return Shop(_Address(told.dsn), told.opened, told.folder)  # type: ignore[arg-type]


@dataclass(frozen=True)
class _Address:
    """A server that another process has started."""

    address: str

    def dsn(self) -> str:
        """Give its address."""
        return self.address


def start(does: Any, told: Any, armed: str) -> Any:
    """Begin it in a process of its own."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pytest", "tests.chaos.test_backup_edges", "boto3", "pyarrow"])
    process = context.Process(target=does, args=(told, armed))
    process.start()
    return process


def run(does: Any, told: Any, armed: str) -> int | None:
    """Do it in a process of its own; gives how that ended."""
    process = start(does, told, armed)
    process.join(60)
    code: int | None = process.exitcode
    return code


@pytest.fixture
def shop(vault, tmp_path: Path) -> Iterator[Shop]:
    """A server with a full backup, and its log shipped so far."""
    vault.store.create_bucket(BUCKET)
    with opened_shop(tmp_path, free_port(), Vault(vault.client(), BUCKET)) as made:
        yield made


def test_killed_at_each_edge_it_is_whole_afterwards(shop: Shop, vault) -> None:
    told = Told(shop.cluster.dsn(), (vault.endpoint, vault.store.key, vault.store.secret), shop.folder)
    passed = set()
    with shop.connect() as c:
        assert run(ship, told, "") == 0  # from now on nothing of the log may be lost
        for edge in (name for name in EVERY if name.startswith("base.")):
            assert run(take_one, told, f"{edge}=kill") == -signal.SIGKILL, edge
            assert len(backups_of(shop.vault, STORE)) == (edge == "base.kept"), (
                f"{edge}: half of one is told as a backup"
            )
            passed.add(edge)
        for edge in (name for name in EVERY if name.startswith("log.")):
            c.execute(
                "INSERT INTO notes (text) SELECT md5(g::text) FROM generate_series(1, 100) AS g; SELECT pg_switch_wal()"
            )
            c.execute("INSERT INTO notes (text) VALUES ('after the file')")
            assert run(ship, told, f"{edge}=kill") == -signal.SIGKILL, edge
            passed.add(edge)
        assert run(ship, told, "") == 0
        held = ids(c)
    for edge in (name for name in EVERY if name.startswith("restore.")):
        assert run(restore, told, f"{edge}=kill") == -signal.SIGKILL, edge
        for left in shop.folder.glob("scratch*"):
            Scratch(left).remove()
        passed.add(edge)
    with shop.restored(choose(shop.vault, STORE, Target("latest")), Target("latest")) as (_, copy, _):
        assert ids(copy) == held
    assert passed == set(EVERY)


def test_whoever_stops_shipping_lets_the_server_go_of_its_log(shop: Shop, vault) -> None:
    told = Told(shop.cluster.dsn(), (vault.endpoint, vault.store.key, vault.store.secret), shop.folder)
    assert run(ship, told, "") == 0
    with shop.connect() as c:
        for left in (1, 0, 0):
            assert len(c.execute("SELECT FROM pg_replication_slots").fetchall()) == left
            stop_shipping(c, "sluice_log")


@pytest.mark.parametrize("how", ["the slot was dropped", "the slot has outgrown its limit"])
def test_a_log_with_a_gap_goes_on_once_a_backup_was_taken_behind_it(shop: Shop, vault, how: str) -> None:
    told = Told(shop.cluster.dsn(), (vault.endpoint, vault.store.key, vault.store.secret), shop.folder)
    assert run(ship, told, "") == 0
    with shop.connect() as c:
        first = c.execute(FIRST).fetchone()
        if how == "the slot was dropped":
            stop_shipping(c, "sluice_log")
        else:
            c.execute("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'")
            c.execute("SELECT pg_reload_conf()")
        for _ in range(4):
            c.execute("CREATE TABLE gap (); DROP TABLE gap; SELECT pg_switch_wal()")
        c.execute("CHECKPOINT")
        ends = time.monotonic() + 60
        while c.execute(FIRST).fetchone() == first:  # what sums the log up keeps it as well, until it has read it
            assert time.monotonic() < ends, "the server keeps its log for somebody else"
            time.sleep(0.05)
            c.execute("CHECKPOINT")
        c.execute("ALTER SYSTEM RESET max_slot_wal_keep_size")
        c.execute("SELECT pg_reload_conf()")
    with pytest.raises(LogLost, match="take a backup now, and it goes on behind that"):
        shop.shipper().run(timedelta(seconds=1))
    behind = take(told.dsn, STORE, told.opened, None, print)
    with shop.connect() as c:
        c.execute("INSERT INTO notes (text) VALUES ('behind the gap')")
        held = ids(c)
    assert run(ship, told, "") == 0
    with shop.restored([behind], Target("latest")) as (_, copy, _):
        assert ids(copy) == held
