"""Answers, for whoever asks: opened by Airflow's connection to the ledger, for what they may read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sluice.estate import read_stores
from sluice.flow.connections import dsn_of
from sluice.flow.project import ROOT

if TYPE_CHECKING:
    from sluice.overview.asked import Asked, Waiting


@contextmanager
def opened(waiting: Sequence[Waiting], may_read: Callable[[str], bool]) -> Iterator[Asked]:
    """Open the ledger for an answer; closed afterwards. Raises NoConnection, StoreDown, Outdated, EstateErrors."""
    from sluice.ledger.control import Control
    from sluice.ledger.samples import Samples
    from sluice.ledger.seen import SeenThings
    from sluice.overview.asked import Asked
    from sluice.stores.postgres import connect

    estate = read_stores(ROOT)
    with connect(dsn_of(estate.ledger.connection), purpose="overview") as c:
        Control(c, "", "").prepare()
        Samples(c).prepare()
        now = SeenThings(c).prepare().now()
        yield Asked(c, estate, now, tuple(one for one in waiting if may_read(one.dag_id)), may_read)
