"""A lane as a process of its own, to be killed: `python lane.py NUMBER REST`. The address travels in the environment."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from sluice.estate import read_estate
from sluice.estate.models import Limits
from sluice.migration.engine.contract import Fence
from sluice.migration.engine.lanes import work_lane
from sluice.migration.engine.throttle import Throttle
from sluice.migration.kinds import open_kind
from sluice.stores.postgres import connect

ROOT = Path(__file__).parents[2]
DSN_VARIABLE = "SLUICE_CHAOS_DSN"


def main(lane: int, rest: float) -> None:
    """Work until nothing is pending, resting for the share `rest` of the time."""
    migration = read_estate(ROOT).migrations["user_sessions"]
    kind = open_kind(migration, lambda purpose: connect(os.environ[DSN_VARIABLE], purpose=purpose))
    limits = Limits(replica_lag=None, commit_latency=None, waiting_writers=None)
    work_lane(kind, lane, Fence(kind.position().epoch), Throttle(limits, rest))


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
