"""The sample estate `certify`: rows to migrate, an application that never stops, and the oracle that judges.

seed(mover)                                   # once
with WorkloadProcess(app_dsn, ledger) as app:
    with app.phase("cutover"):
        …
report = verify(mover, app.acknowledged)      # report.ok
"""

from __future__ import annotations

from sluice.local.certify.acknowledged import Acknowledged
from sluice.local.certify.crew import WorkloadStuck
from sluice.local.certify.oracle import OracleReport, Sample, verify
from sluice.local.certify.process import WorkloadProcess
from sluice.local.certify.seed import Seeded, seed
from sluice.local.certify.tally import PhaseReport, Snapshot
from sluice.local.certify.workload import Workload

__all__ = [
    "Acknowledged",
    "OracleReport",
    "PhaseReport",
    "Sample",
    "Seeded",
    "Snapshot",
    "Workload",
    "WorkloadProcess",
    "WorkloadStuck",
    "seed",
    "verify",
]
