"""A base, the shipping of a stream and a restore of tables, killed at each edge: half of one is none, nothing told is lost."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from sluice import failpoints
from sluice.failpoints import EDGES
from sluice.safety.documents.driver import Documents
from sluice.safety.documents.tables import Clients, Tables
from sluice.safety.driver import Clock, name_scratch
from sluice.safety.target import Target
from sluice.stores.dynamodb.client import dynamodb_client, streams_client
from sluice.stores.objects import Vault, vault_client

from tests.documented import STORE, Shop, one_second

EVERY = [edge.name for edge in EDGES if "safety/documents" in edge.where]
BUCKET = "killed-documents"
SHIPPED = [name for name in EVERY if "round" in name]
TAKEN = ["documents.log_begun", "documents.part_stored", "documents.base_stored", "documents.base_kept"]
RESTORED = [name for name in EVERY if name not in (*SHIPPED, *TAKEN)]


@dataclass(frozen=True)
class Told:
    """What a process has to know."""

    table: str
    engine: tuple[str | None, str | None, str | None, str]
    vault: tuple[str, str, str]

    @property
    def opened(self) -> Documents:
        """The tables, with clients of this process's own."""
        clients = Clients(dynamodb_client(*self.engine), streams_client(*self.engine))
        return Documents(Tables(STORE, (self.table,), clients), Vault(vault_client(*self.vault, "us-east-1"), BUCKET))


def ship(told: Told, armed: str) -> None:
    """Ship a round."""
    driver = told.opened
    failpoints.arm(armed)
    driver.shippers[told.table].step()


def take(told: Told, armed: str) -> None:
    """Take a base."""
    driver = told.opened
    failpoints.arm(armed)
    driver.take(print)


def restore(told: Told, armed: str) -> None:
    """Bring the newest base back, under the name of every try."""
    driver = told.opened
    failpoints.arm(armed)
    driver.restore(Target("latest"), name_of(driver), Clock(), print)


def name_of(driver: Documents) -> str:
    """Name the one copy: a second try has the name of the first."""
    return name_scratch(STORE, driver.backups()[0].whole_at, "killed")


def run(does: Callable[[Told, str], None], told: Told, armed: str) -> int | None:
    """Do it in a process of its own; gives how that ended."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pytest", "tests.chaos.test_documents_edges", "boto3", "pyarrow"])
    process = context.Process(target=does, args=(told, armed))
    process.start()
    process.join(60)
    return process.exitcode


def test_killed_at_each_edge_it_is_whole_afterwards(documents, vault, make_table: Callable[..., str]) -> None:
    vault.store.create_bucket(BUCKET)
    engine = (documents.endpoint, documents.key, documents.secret, documents.region)
    told = Told(make_table("id"), engine, (vault.endpoint, vault.store.key, vault.store.secret))
    driver = told.opened
    shop = Shop(documents, driver.tables.clients.dynamodb, driver)
    with one_second():
        for number, edge in enumerate(TAKEN):
            shop.put(number, edge)
            assert run(take, told, f"{edge}=kill") == -signal.SIGKILL, edge
            assert len(driver.backups()) == (edge == "documents.base_kept"), f"{edge}: half of one is told as a backup"
        for edge in SHIPPED:
            shop.put(1, edge)
            shop.delete(0)
            assert run(ship, told, f"{edge}=kill") == -signal.SIGKILL, edge
        time.sleep(1.1)  # the log has to come past the second in which the newest base was whole
        shop.put(1, "behind the base")
        assert run(ship, told, "") == 0
        counted = shop.counted()
        for edge in RESTORED:
            assert run(restore, told, f"{edge}=kill") == -signal.SIGKILL, edge
            assert driver.scratches() == [name_of(driver)]
        driver.destroy(name_of(driver))
        assert shop.drilled(Target.at(counted.at), counted).wrong == ()
    assert set(EVERY) == {*TAKEN, *SHIPPED, *RESTORED}
