"""Answers, for whoever asks: opened by Airflow's connection to the ledger, for what they may read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sluice.errors import Transient
from sluice.estate import Estate, EstateErrors, read_stores
from sluice.flow.connections import dsn_of
from sluice.flow.project import ROOT

if TYPE_CHECKING:
    from sluice.overview.asked import Asked, Waiting


SETS = ("control", "insight", "overview")
"""The sets of releases that answers are made from."""
PATIENCE = "8s"
"""So long a statement may take: who asks is a browser, and asks again."""


class NotYet(Transient):
    """The ledger is older than who asks."""


_good: list[Estate] = []
"""The last estate of this process in whose file nothing was wrong: a slip of the pen is no reason to see nothing at 3 a.m."""


@contextmanager
def opened(waiting: Sequence[Waiting], may_read: Callable[[str], bool]) -> Iterator[Asked]:
    """Open the ledger for an answer, which only reads: all of it in one moment. Closed afterwards.

    Raises NoConnection, StoreDown, NotYet, Outdated; EstateErrors where this process has never read an estate without a mistake.
    """
    from sluice.ledger.releases import is_current
    from sluice.overview.asked import Asked
    from sluice.stores.clock import find_now
    from sluice.stores.postgres import connect, pin_until_commit

    estate, wrong = _read()
    with connect(dsn_of(estate.ledger.connection), purpose="overview") as c, c.transaction():
        pin_until_commit(c, statement_timeout=PATIENCE, transaction_read_only="on")
        if not all(is_current(c, one) for one in SETS):
            raise NotYet(
                "The ledger has not the tables of this version yet. The next run of refresh_overview makes them: is it paused?"
            )
        yield Asked(c, estate, find_now(c), tuple(one for one in waiting if may_read(one.dag_id)), may_read, wrong)


def _read() -> tuple[Estate, str]:
    """Read the estate; where something is wrong in its file, give the one before, and what is wrong."""
    try:
        _good[:] = [read_stores(ROOT)]
    except EstateErrors as mistakes:
        if not _good:
            raise
        return _good[0], str(mistakes)
    return _good[0], ""
