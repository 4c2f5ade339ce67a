"""What a server says of its log to whoever replicates it: whose it is, how far it is, and by which timelines it came there.

SQL tells the timeline of the last checkpoint, for a while after a promotion an old one; this tells the one that is written.
https://www.postgresql.org/docs/18/protocol-replication.html
"""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from sluice.safety.physical.timelines import Line, read_line
from sluice.safety.physical.wal import position
from sluice.stores.postgres import KEEPALIVES, translated
from sluice.stores.statements import statement


@dataclass(frozen=True)
class Source:
    """The log of a living server."""

    system: str
    reaches: int
    """The position up to which it is on the server's disk."""
    line: Line


def ask(dsn: str, purpose: str) -> Source:
    """Ask a server. The role needs REPLICATION. Raises StoreDown, Refused."""
    asked = {
        **KEEPALIVES,
        "replication": "true",
        "client_encoding": "utf8",
        "application_name": f"sluice:{purpose}"[:63],
    }
    address = make_conninfo(dsn, **asked)
    with (
        translated(purpose),
        psycopg.connect(address, autocommit=True, row_factory=dict_row, connect_timeout=10) as c,
    ):
        # Without values, as psycopg sends them at once: a session that replicates knows no other way.
        told = c.execute(statement("replication.identify")).fetchone()
        assert told
        timeline = int(told["timeline"])
        line = Line.alone(timeline)
        if timeline > 1:
            found = c.execute(statement("replication.show_history", timeline=sql.Literal(timeline))).fetchone()
            assert found
            history = found["content"]
            line = read_line(timeline, history.decode() if isinstance(history, bytes) else history)
    return Source(told["systemid"], position(told["xlogpos"]), line)
