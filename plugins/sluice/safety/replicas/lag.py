"""How far behind a replica is, in seconds: a beat is written where one leads, and waited for where it is to arrive.

What PostgreSQL tells of its last replayed commit lies on a server that nobody writes to: it grows, and nothing is missing. A beat
that was just written tells the truth, and only our own clock is asked, or the one of the server that wrote it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sluice.safety.drill.heartbeat import beat
from sluice.safety.replicas.servers import Server
from sluice.stores.postgres import Connection, Refused, StoreDown, connect, one, translated
from sluice.stores.statements import statement

BETWEEN_LOOKS = 0.005
"""Seconds; a measure is as fine as that and one request."""


@dataclass(frozen=True)
class Lag:
    """How long a write takes until a replica shows it."""

    behind: timedelta
    arrived: bool
    """False: the beat did not come while we waited. `behind` is then from the newest that came to the one that was written."""


def measure_lags(leading: Server, replicas: Sequence[Server], patience: timedelta) -> dict[str, Lag]:
    """Write a beat, and wait for it on each replica at once; one that cannot be asked is missing. It needs a heart.

    Raises StoreDown, Refused where it cannot be written.
    """
    with ExitStack() as open_ones, ThreadPoolExecutor(max(1, len(replicas))) as pool:
        asked = [one for one in pool.map(_open, replicas) if one]
        for _, session in asked:
            open_ones.enter_context(session)
        with connect(leading.dsn, purpose="lag") as c, translated(f"a beat of {leading.name}"):
            written, began = beat(c), time.monotonic()
        found = pool.map(lambda one: (one[0].name, _wait(one[0], one[1], written, began, patience)), asked)
        return {name: lag for name, lag in found if lag}


def _open(replica: Server) -> tuple[Server, Connection] | None:
    with suppress(StoreDown, Refused):
        return replica, connect(replica.dsn, purpose="lag")
    return None


def _wait(replica: Server, c: Connection, written: datetime, began: float, patience: timedelta) -> Lag | None:
    with suppress(StoreDown, Refused), translated(f"beats of {replica.name}"):
        while True:
            newest: datetime | None = one(c, statement("replicas.find_newest_beat"))["at"]
            waited = timedelta(seconds=time.monotonic() - began)
            if newest and newest >= written:
                return Lag(waited, True)
            if waited > patience:
                return Lag(written - newest if newest else patience, False)
            time.sleep(BETWEEN_LOOKS)
    return None
