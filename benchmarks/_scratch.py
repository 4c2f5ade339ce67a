"""What every benchmark stands on: a PostgreSQL of its own with fsync on, the sample estate in it, and fair rounds."""

from __future__ import annotations

import os
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from sluice.estate import SameClusterMigration, read_estate
from sluice.estate.models import Limits
from sluice.local import databases
from sluice.local.certify import WorkloadProcess, seed
from sluice.local.ports import free_port
from sluice.local.venvs import ROOT
from sluice.migration.engine.contract import Fence, Kind
from sluice.migration.engine.lanes import work_lane
from sluice.migration.engine.throttle import Throttle
from sluice.migration.kinds import open_kind
from sluice.stores.cluster import Cluster
from sluice.stores.postgres import Connection, connect
from sluice.stores.statements import statement

DATABASE = "certify"


def setting(name: str, default: int) -> int:
    """Give a size, which the environment may shrink: `SLUICE_BENCH_ROWS=50000 ./sluice bench backfill`."""
    return int(os.environ.get(f"SLUICE_BENCH_{name}", default))


ROWS = setting("ROWS", 1_200_000)


@dataclass
class Scratch:
    """A seeded server and the migration `user_sessions` on it; gone when its context ends."""

    cluster: Cluster
    passwords: Mapping[str, str]
    migration: SameClusterMigration
    folder: Path
    opened: list[Connection]

    def dsn(self, role: str = databases.MOVER) -> str:
        """Give the address for a role."""
        return self.cluster.dsn(DATABASE, role, self.passwords[role])

    def connect(self, purpose: str = "bench") -> Connection:
        """Open a connection that is closed with the scratch."""
        self.opened.append(connect(self.dsn(), purpose=purpose))
        return self.opened[-1]

    def kind(self) -> Kind:
        """Open the migration's kind with a connection of its own, as each lane has."""
        return open_kind(self.migration, self.connect)

    def application(self, rate: float) -> WorkloadProcess:
        """Give the sample application, four writers, together at `rate` transactions a second."""
        ledger = self.folder / "acknowledged.jsonl"
        ledger.unlink(missing_ok=True)
        return WorkloadProcess(self.dsn(databases.APPLICATION), ledger, rate=rate)

    def settle(self) -> None:
        """Let no case pay for the one before: vacuum the table and write out what is dirty."""
        with connect(self.cluster.dsn(DATABASE), purpose="bench") as admin:
            admin.execute(statement("bench.vacuum_source"))
            admin.execute(statement("bench.checkpoint"))


@contextmanager
def scratch(rows: int = ROWS, make: type[Cluster] = Cluster) -> Iterator[Scratch]:
    """Make a server with `rows` sessions, crash safe as a real one."""
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as name:
        folder = Path(name)
        cluster = make(folder, free_port(), secrets.token_urlsafe())
        passwords = {role: secrets.token_urlsafe() for role in databases.LOGINS}
        migration = read_estate(ROOT).migrations["user_sessions"]
        assert isinstance(migration, SameClusterMigration)
        made = Scratch(cluster, passwords, migration, folder, [])
        try:
            cluster.create()
            cluster.start()
            databases.create_roles(cluster, passwords)
            databases.create_certify(cluster, DATABASE)
            seed(made.connect("seed"), rows=rows, report=lambda _: None)
            yield made
        finally:
            for connection in made.opened:
                connection.close()
            cluster.stop()


def begin(kind: Kind) -> None:
    """Take the migration to where its backfill can start, whatever an earlier case left behind."""
    kind.abort()
    kind.expand()
    kind.start_capture()
    kind.plan_chunks()


def copy_all(made: Scratch, lanes: int) -> int:
    """Work the backfill with so many lanes, unthrottled; gives the rows written."""
    unlimited = Limits(replica_lag=None, commit_latency=None, waiting_writers=None)
    fence = Fence(made.kind().position().epoch)
    kinds = [made.kind() for _ in range(lanes)]
    with ThreadPoolExecutor(lanes) as pool:
        done = pool.map(lambda lane: work_lane(kinds[lane], lane, fence, Throttle(unlimited)), range(lanes))
        return sum(result.rows for result in done)


def timed(work: Callable[[], object]) -> float:
    """Give the seconds that `work` takes."""
    began = time.monotonic()
    work()
    return time.monotonic() - began


def rounds(cases: Mapping[str, Callable[[], float]], count: int) -> dict[str, list[float]]:
    """Run each case (it gives seconds) once a round: what disturbs the machine disturbs all of them."""
    seen: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(count):
        for name in cases if number % 2 == 0 else reversed([*cases]):
            seen[name].append(cases[name]())
            print(f"round {number + 1} of {count}, {name}: {seen[name][-1]:.2f} s", flush=True)
    return seen


def summary(bench: str, headline: str, against: str, seen: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Give a benchmark's result: medians, and ratios made within each round, with their range."""
    results = []
    for name, seconds in seen.items():
        ratios = [mine / limit for mine, limit in zip(seconds, seen[against], strict=True)]
        results.append(
            {
                "case": name,
                "seconds": median(seconds),
                "ratio": median(ratios),
                "range": [min(ratios), max(ratios)],
            }
        )
    ratio = next(result["ratio"] for result in results if result["case"] == headline)
    return {"bench": bench, "ratio": ratio, "against": against, "results": results}
