"""What a server says of its log to whoever replicates it: whose it is, how far it is, and by which timelines it came there.

SQL tells the timeline of the last checkpoint, for a while after a promotion an old one; this tells the one that is written.
https://www.postgresql.org/docs/18/protocol-replication.html
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.pq import ExecStatus
from psycopg.rows import dict_row

from sluice.safety.physical.timelines import Line, read_line
from sluice.safety.physical.wal import Segment, as_text, position
from sluice.stores.postgres import KEEPALIVES, Row, translated
from sluice.stores.statements import raw, statement


@dataclass(frozen=True)
class Source:
    """The log of a living server."""

    system: str
    reaches: int
    """The position up to which it is on the server's disk."""
    line: Line


def ask(dsn: str, purpose: str) -> Source:
    """Ask a server. The role needs REPLICATION. Raises StoreDown, Refused."""
    with _opened(dsn, purpose) as c:
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


def still_has(dsn: str, file: Segment, purpose: str) -> bool:
    """Tell whether a server can send a file of its log, though no slot keeps it there: one that it has written past.

    Raises StoreDown, Refused.
    """
    where = {"place": raw(as_text(file.begins)), "timeline": sql.Literal(file.timeline)}
    with _opened(dsn, purpose) as c:
        asked = statement("replication.stream_log", **where).as_bytes(c)
        if c.pgconn.exec_(asked).status != ExecStatus.COPY_BOTH:
            return False  # it knows of no such place in its history
        try:
            while (said := bytes(c.pgconn.get_copy_data(0)[1])[:1]) == b"k":
                pass
        except psycopg.OperationalError:
            return False  # the file is gone
        if said == b"w":
            return True
        ended = c.pgconn.get_result()
        return ended is not None and ended.status != ExecStatus.FATAL_ERROR


@contextmanager
def _opened(dsn: str, purpose: str) -> Iterator[psycopg.Connection[Row]]:
    asked = {
        **KEEPALIVES,
        "replication": "true",
        "client_encoding": "utf8",
        "application_name": f"sluice:{purpose}"[:63],
    }
    with translated(purpose):
        c = psycopg.connect(make_conninfo(dsn, **asked), autocommit=True, row_factory=dict_row, connect_timeout=10)
        try:
            yield c
        finally:
            c.close()
