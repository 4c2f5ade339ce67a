"""The application of `certify`, alive: writers that never stop while tables are swapped under them.

    with Workload(dsn) as workload:
        with workload.phase("cutover"):
            …
        workload.burst(10_000)
    print(workload.snapshot().phases["cutover"].longest_gap_ms)

`python -m sluice.local.certify` runs it as a process of its own, which WorkloadProcess talks to. One at a
time: it takes the rows of all tenants for its own.
"""

from __future__ import annotations

import psycopg

from sluice.local.certify.acknowledged import Acknowledged
from sluice.local.certify.crew import Crew
from sluice.local.certify.tally import Tally
from sluice.local.certify.writer import Writer


class Workload(Crew):
    """Threads that write, together `rate` transactions a second, as the role that `dsn` names (certify_app).

    `acknowledged` holds what users were told; give an earlier one to go on from it. What is older than `since`, they leave alone.
    """

    def __init__(
        self,
        dsn: str,
        *,
        seed: int = 1,
        writers: int = 4,
        rate: float = 200.0,
        acknowledged: Acknowledged | None = None,
        since: str = "-infinity",
    ) -> None:
        known, tally = Acknowledged() if acknowledged is None else acknowledged, Tally()
        self._dsn = dsn
        crew = [Writer(number, writers, dsn, seed, rate / writers, known, tally, since) for number in range(writers)]
        super().__init__(crew, known, tally)

    def reach(self) -> None:
        """Raise psycopg.OperationalError when the database cannot be reached: only later losses are waited out."""
        psycopg.connect(self._dsn, connect_timeout=5).close()
