"""The application of `tyler`, alive: writers on a few threads, and a probe of the lag for each table."""

from __future__ import annotations

from typing import Any

from sluice.local.certify.acknowledged import Acknowledged
from sluice.local.certify.crew import Crew
from sluice.local.certify.tally import Tally
from sluice.local.tyler.probe import Probe
from sluice.local.tyler.seed import seeded_counts
from sluice.local.tyler.shape import LEGACY
from sluice.local.tyler.sides import Sides, client_at
from sluice.local.tyler.writer import Writer


class Application(Crew):
    """Writers, together `rate` writes a second, at the store whose address is `dsn`. Its tables are seeded by then."""

    def __init__(
        self,
        dsn: str,
        *,
        seed: int = 1,
        writers: int = 4,
        rate: float = 40.0,
        acknowledged: Acknowledged | None = None,
    ) -> None:
        known, tally = Acknowledged() if acknowledged is None else acknowledged, Tally()
        sides = Sides(client_at(dsn))
        self._client, self._counts = sides.client, seeded_counts(sides.client)
        self._probes = [Probe(sides, legacy, known) for legacy in LEGACY.values()]
        crew = [
            Writer(number, writers, sides, self._counts, writers / rate, known, tally, seed)
            for number in range(writers)
        ]
        super().__init__([*crew, *self._probes], known, tally)

    def reach(self) -> None:
        """Raise where a legacy table is not there."""
        for table in LEGACY:
            self._client.describe_table(TableName=table)

    def measured(self) -> dict[str, Any]:
        """Give the lags, in seconds."""
        return {"lags": [lag for probe in self._probes for lag in probe.lags]}
