"""What Insight keeps in the ledger's database, opened for a task: numbers, incidents, forecasts, and what was scaled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sluice.estate import read_stores
from sluice.flow.connections import dsn_of
from sluice.flow.project import ROOT

if TYPE_CHECKING:  # an import of each costs every reading of the DAG files
    from sluice.ledger.forecasts import Forecasts
    from sluice.ledger.incidents import Incidents
    from sluice.ledger.samples import Samples
    from sluice.ledger.scalings import Scalings
    from sluice.stores.postgres import Connection


@dataclass(frozen=True)
class Ledger:
    """All of it, over one session."""

    connection: Connection
    samples: Samples
    incidents: Incidents
    forecasts: Forecasts
    scalings: Scalings


@contextmanager
def opened_ledger(purpose: str) -> Iterator[Ledger]:
    """Open it, with its tables as they must be; closed afterwards. Raises NoConnection, StoreDown, Outdated."""
    from sluice.ledger.forecasts import Forecasts
    from sluice.ledger.incidents import Incidents
    from sluice.ledger.samples import Samples
    from sluice.ledger.scalings import Scalings
    from sluice.stores.postgres import connect

    with connect(dsn_of(read_stores(ROOT).ledger.connection), purpose=purpose) as c:
        yield Ledger(c, Samples(c).prepare(), Incidents(c), Forecasts(c), Scalings(c))
