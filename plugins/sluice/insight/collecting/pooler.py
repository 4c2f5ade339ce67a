"""A look at the PgBouncer before a store: who waits in its pools, how long, and how much of each is in use."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import errors
from psycopg.rows import dict_row

from sluice.errors import Terminal, Transient
from sluice.insight.collecting.lifeline import Lifeline
from sluice.insight.collecting.looked import Looked
from sluice.ledger.samples import Series
from sluice.stores.statements import as_text, statement

ITSELF = "pgbouncer"
"""Its own database, the console."""
UP = "pooler_up_count"


class PoolerSilent(Transient):
    """The console of PgBouncer does not answer."""


class NotAPooler(Terminal):
    """What answers is no console of PgBouncer, or will not show its pools to this user."""


def look_at_pooler(console: str, store: str, line: Lifeline) -> Looked:
    """Look at each pool. `console` is the address of its database `pgbouncer`. Raises PoolerSilent, NotAPooler."""
    # Not `connect` of stores: the console knows no settings, and nothing but its own words.
    try:
        with (
            psycopg.connect(console, autocommit=True, connect_timeout=5, prepare_threshold=None) as c,
            line.holding(c),
        ):
            sizes = {row["name"]: row["pool_size"] for row in _say(c, "pooler.list_databases")}
            return Looked({Series(store, UP): 1.0, **values_of(store, _say(c, "pooler.list_pools"), sizes)})
    except (psycopg.ProgrammingError, errors.ProtocolViolation) as error:
        raise _refused(store, error) from error
    except psycopg.OperationalError as error:
        if "authentication" in str(error) or "not allowed" in str(error):
            raise _refused(store, error) from error
        raise PoolerSilent(f"The PgBouncer before {store} does not answer: {_first_line(error)}.") from error


def values_of(store: str, pools: list[dict[str, Any]], sizes: dict[str, int]) -> dict[Series, float]:
    """Read what SHOW POOLS says, and SHOW DATABASES of each pool's size. Pure. A pool is called `database/user`."""
    made: dict[Series, float] = {}
    for row in (row for row in pools if row["database"] != ITSELF):
        told = {
            "pool_clients_waiting_count": row["cl_waiting"],
            "pool_clients_active_count": row["cl_active"],
            "pool_wait_seconds": row["maxwait"] + row.get("maxwait_us", 0) / 1e6,
        }
        if size := sizes.get(row["database"]):
            told["pool_servers_used_percent"] = 100 * row["sv_active"] / size
        subject = f"{row['database']}/{row['user']}"
        made |= {Series(store, metric, subject): float(value) for metric, value in told.items()}
    return made


def _say(c: psycopg.Connection[Any], name: str) -> list[dict[str, Any]]:
    return c.cursor(row_factory=dict_row).execute(as_text(statement(name), c).encode()).fetchall()


def _refused(store: str, error: Exception) -> NotAPooler:
    return NotAPooler(
        f"{store}: `watch.pooler` is to lead to the database {ITSELF} of a PgBouncer, as one of its stats_users:"
        f" {_first_line(error)}"
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
