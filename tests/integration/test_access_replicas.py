"""An application's reads on a replica and its writes on the primary, while one or the other is late, gone or changed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sluice.access.replica_choice import Limits
from sluice.access.replicas import Node, NotThePrimary, Replicated, opening
from sluice.safety.replicas.pooler import (
    Pooler,
    PoolerRefused,
    apply_repoint,
    paused,
    plan_repoint,
    verify_repoint,
)
from sluice.safety.replicas.scratch_group import wait_for
from sluice.stores.postgres import StoreDown

from tests.replicated import PGBOUNCER, Trio, opened_pooler, opened_trio

LIMITS = Limits(out_after=2, back_after=2)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trio]:
    """One that leads, and one that follows."""
    with opened_trio(tmp_path_factory.mktemp("pair"), "b") as made:
        with made.connect() as c:
            c.execute("CREATE TABLE note (id int PRIMARY KEY)")
        yield made


@pytest.fixture
def servers(pair: Trio) -> Replicated:
    """What an application makes of them."""
    leading, (replica,) = pair.leading.server, pair.replicas
    made = Replicated(Node("a", opening(leading.dsn, writes=True)), [Node("b", opening(replica.dsn))], LIMITS)
    made.look()
    return made


def asked(servers: Replicated, pair: Trio, count: int = 20, after: str = "") -> list[bool]:
    """Read so often; tell of each whether it went to the replica."""
    found = []
    for _ in range(count):
        with servers.reading(after) as c:
            found.append(c.execute("SELECT pg_is_in_recovery() AS replica").fetchone()["replica"])  # type: ignore[index]
    return found


def replay(pair: Trio, how: str) -> None:
    """Pause the replay of the replica, or resume it."""
    with pair.connect(pair.others[0]) as c:
        c.execute(f"SELECT pg_wal_replay_{how}()")


def test_reads_are_shared_and_none_of_them_can_write(pair: Trio, servers: Replicated) -> None:
    assert sum(asked(servers, pair)) == 16
    for _ in range(10):
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction), servers.reading() as c:
            c.execute("INSERT INTO note VALUES (0)")
    assert servers.standings["b"].serves, "the application's own mistake is no fault of a server"


def test_who_has_written_sees_it_whoever_answers(pair: Trio, servers: Replicated) -> None:
    replay(pair, "pause")
    with servers.writing() as write:
        write.connection.execute("INSERT INTO note VALUES (1)")
    assert not any(asked(servers, pair, 10, write.position)), "a replica that has not replayed it was asked"
    assert any(asked(servers, pair, 10)), "who has written nothing may be told what was before"
    replay(pair, "resume")
    wait_for(lambda: any(asked(servers, pair, 5, write.position)), pair.others[0], "replay")
    with servers.reading(write.position) as c:
        assert c.execute("SELECT FROM note WHERE id = 1").fetchall()


def test_a_replica_that_is_late_is_left_out_and_taken_back(pair: Trio) -> None:
    now = [0.0]
    leading, (replica,) = pair.leading.server, pair.replicas
    servers = Replicated(
        Node("a", opening(leading.dsn, writes=True)), [Node("b", opening(replica.dsn))], LIMITS, clock=lambda: now[0]
    )
    servers.look()
    replay(pair, "pause")
    with servers.writing() as write:
        write.connection.execute("INSERT INTO note VALUES (2)")
    for now[0] in (1.0, 4.0, 7.0, 8.0):
        servers.look()
    assert servers.standings["b"].lag == 7.0
    assert not any(asked(servers, pair))
    replay(pair, "resume")
    wait_for(lambda: servers.look() or servers.standings["b"].serves, pair.others[0], "serve again")
    assert sum(asked(servers, pair)) == 16


def test_reads_go_on_whoever_is_gone_and_a_write_never_goes_to_a_replica(pair: Trio, servers: Replicated) -> None:
    (replica,) = pair.others
    replica.kill()
    assert not any(asked(servers, pair)), "the first that fail are asked elsewhere, and later ones go there at once"
    assert not servers.standings["b"].serves
    replica.start()
    wait_for(lambda: servers.look() or servers.standings["b"].serves, replica, "serve again")
    pair.leading.kill()
    assert all(asked(servers, pair))
    with pytest.raises(StoreDown), servers.writing():
        pass
    replica.kill()
    with pytest.raises(StoreDown, match="No server is left to read from"):
        asked(servers, pair, 1)
    for one in (pair.leading, replica):
        one.start()
    with servers.watched(0.1):
        wait_for(lambda: sum(asked(servers, pair, 5)) == 4, replica, "be read from")


def test_a_primary_that_is_fenced_is_told_as_such(pair: Trio, servers: Replicated) -> None:
    (replica,) = pair.others
    wrong = Replicated(Node("b", opening(replica.server.dsn)), [], LIMITS)
    with pytest.raises(NotThePrimary, match="Nothing was written"), wrong.writing() as write:
        write.connection.execute("INSERT INTO note VALUES (3)")
    with pytest.raises(StoreDown), Replicated(Node("b", opening(replica.server.dsn, writes=True)), []).writing():
        pass


@pytest.fixture
def pooler(pair: Trio, tmp_path: Path) -> Iterator[Pooler]:
    """A PgBouncer that leads to the primary."""
    with opened_pooler(pair, tmp_path) as made:
        yield made


@pytest.mark.skipif(PGBOUNCER is None, reason="there is no PgBouncer here (apt install pgbouncer)")
def test_a_pool_is_led_to_another_server_while_its_clients_wait(pair: Trio, pooler: Pooler) -> None:
    to = str(pair.others[0].place.socket)
    planned = plan_repoint(pooler.file.read_text(), "shop", to, 5432)
    with psycopg.connect(pooler.console.replace("dbname=pgbouncer", "dbname=shop"), prepare_threshold=None) as client:
        client.autocommit = True
        asked = "SELECT pg_is_in_recovery()"
        assert client.execute(asked).fetchone() == (False,)
        with pytest.raises(PoolerRefused, match="leads shop to"):
            verify_repoint(pooler, to, 5432)
        with paused(pooler):
            apply_repoint(pooler, planned)
            waiting = threading.Thread(target=lambda: found.append(client.execute(asked).fetchone()))
            found: list[object] = []
            waiting.start()
            waiting.join(0.3)
            assert not found, "it does not wait"
        waiting.join(5)
        assert found == [(True,)]
    verify_repoint(pooler, to, 5432)
    apply_repoint(pooler, plan_repoint(pooler.file.read_text(), "shop", to, 5432))
