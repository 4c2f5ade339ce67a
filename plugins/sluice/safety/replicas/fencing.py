"""Make sure that the old server takes no more writes which anybody believes in. One that does not answer is not dead.

Three ways, and each says what it has proven:

- *read-only*: the old one answers. Sessions begin read-only from now on, those that are open are ended, and no transaction gets
  a number any more. What it wrote last is known, and the replica that is promoted has it. It is a default and no lock: a session
  that asks for READ WRITE writes past it. So the next number is kept, and each look compares it (health.py).
- *quorum*: it does not answer, and its commits wait for standbys. So many of them are told to listen no more that it can have
  no commit acknowledged any more (promise.py), wherever it lives.
- *word*: a person says that it is dead. Nobody proves it.

All of it is written to the servers' own settings: a server that is started again is fenced still.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from sluice.errors import Terminal
from sluice.safety.physical.wal import position
from sluice.safety.replicas.servers import Server
from sluice.stores.postgres import Connection, connect, one, rows, translated
from sluice.stores.statements import statement

How = Literal["read-only", "quorum", "word"]
CUT = "/sluice-cut"
"""The host that a replica follows which is to follow nobody: no such socket is ever there. All else of its address stays."""
STILL = 0.3
"""Seconds in which no transaction may get a number."""
TRIES = 20


class NotFenced(Terminal):
    """The old server may still take writes: nothing was promoted."""


@dataclass(frozen=True)
class Fenced:
    """How the old server was kept from writes."""

    how: How
    proof: str
    last: int | None = None
    """The position up to which it has written, where it was asked."""
    next_write: int | None = None
    """The number that its next transaction would get, if one wrote past the fence; None where it was not asked."""


# ---- the old one answers ----


def fence_writes(old: Server) -> Fenced:
    """Let the old server write no more. Safe to repeat; `allow_writes` takes it back. Raises NotFenced, Refused, StoreDown."""
    with connect(old.dsn, purpose="fence") as c, translated(f"fencing {old.name}"):
        c.execute(statement("replicas.set_read_only"))
        c.execute(statement("replicas.stop_autovacuum"))  # or its numbers would be taken for somebody's writes
        one(c, statement("replicas.reload"))
        _wait_reloaded(old)
        for _ in range(TRIES):
            for row in rows(c, statement("replicas.list_writers")):
                one(c, statement("replicas.end_session"), pid=row["pid"])
            before = one(c, statement("replicas.find_next_write"))
            time.sleep(STILL)
            after = one(c, statement("replicas.find_next_write"))
            if before["next"] == after["next"] and not after["writing"]:
                proof = f"{old.name} begins every session read-only, and wrote nothing for {STILL} s: {after['next']} is next"
                last = position(one(c, statement("replicas.flush_all"))["position"])
                return Fenced("read-only", proof, last, after["next"])
    raise NotFenced(
        f"{old.name} begins its sessions read-only, and somebody writes all the same: a role or a database that sets"
        " default_transaction_read_only of its own. Take that setting away, or stop the server. Nothing was promoted."
    )


def allow_writes(old: Server) -> None:
    """Take the fence back: the old server leads on. Safe to repeat. Raises Refused, StoreDown."""
    with connect(old.dsn, purpose="fence") as c, translated(f"fencing {old.name}"):
        c.execute(statement("replicas.reset_read_only"))
        c.execute(statement("replicas.reset_autovacuum"))
        one(c, statement("replicas.reload"))


def _wait_reloaded(old: Server) -> None:
    """Wait until sessions that begin now are read-only: the setting is read some moments after it was written."""
    for _ in range(TRIES):
        with connect(old.dsn, purpose="fence") as c:
            if one(c, statement("replicas.find_default"))["read_only"]:
                return
        time.sleep(0.1)
    raise NotFenced(
        f"{old.name} was told to begin sessions read-only, and does not: its command line or this role's own settings say"
        " otherwise. Stop the server. Nothing was promoted."
    )


# ---- it does not ----


def cut(replicas: Sequence[Server]) -> None:
    """Tell replicas to listen to nobody; they serve reads on. Safe to repeat. `listen_to` takes it back.

    Raises NotFenced, Refused, StoreDown.
    """
    for replica in replicas:
        _point(replica, host=CUT, hostaddr="")
    for replica in replicas:
        _wait_cut(replica)


def listen_to(replica: Server, leading: Server) -> None:
    """Have a replica follow a server. Safe to repeat. Raises Refused, StoreDown."""
    told = conninfo_to_dict(leading.dsn)
    _point(
        replica, host=str(told.get("host", "")), hostaddr=str(told.get("hostaddr", "")), port=str(told.get("port", ""))
    )


def is_cut(replica: Server) -> bool:
    """Whether a replica was told to listen to nobody. Raises Refused, StoreDown."""
    with connect(replica.dsn, purpose="fence") as c, translated(f"looking whom {replica.name} follows"):
        return conninfo_to_dict(one(c, statement("replicas.find_conninfo"))["conninfo"]).get("host") == CUT


def _point(replica: Server, **where: str) -> None:
    """Change where a replica follows; as whom, and by which password, stays."""
    with connect(replica.dsn, purpose="fence") as c, translated(f"changing whom {replica.name} follows"):
        told: dict[str, Any] = conninfo_to_dict(one(c, statement("replicas.find_conninfo"))["conninfo"])
        to = {name: value for name, value in {**told, **where}.items() if value not in (None, "")}
        if to == told:
            return
        conninfo = sql.Literal(make_conninfo(**{"application_name": replica.name, **to}))
        c.execute(statement("replicas.set_conninfo", conninfo=conninfo))
        one(c, statement("replicas.reload"))


def _wait_cut(replica: Server) -> None:
    with connect(replica.dsn, purpose="fence") as c, translated(f"looking whether {replica.name} listens"):
        for _ in range(TRIES * 5):
            if not _receives(c):
                return
            time.sleep(0.05)
    raise NotFenced(
        f"{replica.name} was told to listen to nobody, and receives still. Stop its server, or the old one."
    )


def _receives(c: Connection) -> bool:
    told = conninfo_to_dict(one(c, statement("replicas.find_conninfo"))["conninfo"])
    return told.get("host") != CUT or bool(one(c, statement("replicas.find_following"))["receiver"])
