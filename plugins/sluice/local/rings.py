"""The tests, a ring at a time, and one table at the end.

A ring that ran nothing has failed: no test is no proof.
"""

from __future__ import annotations

import re
import secrets
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sluice.errors import Terminal
from sluice.local import venvs
from sluice.local.tables import table

# Minutes that each ring may take on two cores; 25 in all.
BUDGETS = {"unit": 2, "dags": 1, "integration": 16, "chaos": 6, "e2e": 8}
# A ring that is only run when it is named, or with everything: services that others run, emulated; other people's databases,
# fetched; a kill at every edge; the archive in Airflow, in Chromium; the machine below all of it, which e2e starts as well; two
# workers, one of them killed.
BEYOND = {"services": 6, "zoo": 35, "kills": 20, "upkeep": 6, "machine": 5, "workers": 8}
# Rings whose files are shared by so many workers, each with engines of its own: a test and its engine take turns, so that one
# worker leaves half of two cores idle. In e2e the drill of kills, with a machine of its own, runs beside all else: both wait
# for their scheduler most of the time. The other rings with Airflow want the cores for themselves.
WORKERS = {"unit": 2, "integration": 2, "chaos": 2, "services": 2, "e2e": 2}

# Minutes of random schedules among everything, ways through the life of an archived month, promotions under load, and the
# rings that a version of PostgreSQL could change.
MINUTES = 10.0
WALKS = 200
PROMOTIONS = 20
TIMES = venvs.ROOT / ".sluice" / "promotions.json"
"""Where the times of those are written."""
OF_POSTGRES = ("integration", "chaos")


@dataclass(frozen=True)
class Outcome:
    """What one ring said. `passed`, `failed` (with errors) and `skipped` count tests; `code` is pytest's exit code."""

    ring: str
    passed: int
    failed: int
    skipped: int
    minutes: float
    code: int

    @property
    def ran(self) -> int:
        """How many tests did something."""
        return self.passed + self.failed

    @property
    def is_green(self) -> bool:
        """Whether it ran something and nothing failed."""
        return self.code == 0 and self.ran > 0

    @property
    def budget(self) -> float:
        """The minutes that it may take; what has no budget of its own may take what it likes."""
        return (
            (BUDGETS | BEYOND).get(self.ring.split(",")[0], float("inf")) if "seed" not in self.ring else float("inf")
        )


def run_rings(rings: Sequence[str]) -> bool:
    """Run the rings one after another, print the table and the closing line; tell whether all are green."""
    return _judged([run_ring(ring) for ring in rings])


def run_all(seed: str, minutes: float) -> bool:
    """Run every ring, those of PostgreSQL again on each other version that is here, and random schedules."""
    from sluice.local.versions import other_servers

    outcomes = [run_ring(ring, SLUICE_FETCH="1") for ring in (*BUDGETS, *BEYOND)]  # programs that are not here too
    outcomes += [
        run_ring(ring, f"{ring}, PostgreSQL {version}", SLUICE_PG_BIN=str(binaries))
        for version, binaries in other_servers().items()
        for ring in OF_POSTGRES
    ]
    return _judged([*outcomes, run_walks(seed), run_promotions(), run_schedules(seed, minutes)])


def run_random(seed: str, minutes: float) -> bool:
    """Play random schedules of faults; tell whether none lost anything."""
    return _judged([run_schedules(seed, minutes)])


def run_ring(ring: str, name: str = "", **environment: str) -> Outcome:
    """Run one ring in a pytest of its own."""
    workers = [f"--numprocesses={WORKERS[ring]}", "--dist=loadfile"] if ring in WORKERS else []
    return _run(name or ring, ["pytest", f"tests/{ring}", *workers], environment)


def run_schedules(seed: str, minutes: float) -> Outcome:
    """Play random schedules in a process of its own; each prints what it was, and how to repeat it if it failed."""
    command = ["tests.chaos.schedules", seed, f"--minutes={minutes}"]
    return _run(f"chaos, seed {seed}", command, {"PYTHONPATH": f"{venvs.ROOT / 'plugins'}:{venvs.ROOT}"})


def run_walks(seed: str) -> Outcome:
    """Go many ways through the life of archived months, the first of them by this seed; each that fails tells its own."""
    environment = {"SLUICE_ARCHIVE_WALKS": f"{seed.split(':')[0]}:{WALKS}"}
    return _run("walks of the archive", ["pytest", "tests/chaos/test_archive_walks.py"], environment)


def run_promotions() -> Outcome:
    """Kill the server that leads many times under load, and promote another; the times of each are in `TIMES`."""
    environment = {"SLUICE_PROMOTIONS": str(PROMOTIONS), "SLUICE_PROMOTIONS_TOLD": str(TIMES)}
    return _run("promotions under load", ["pytest", "tests/chaos/test_promotions.py"], environment)


def seed_or_any(told: str | None) -> str:
    """Give the seed, or any: whoever runs the same command tomorrow should see other schedules. Raises Terminal."""
    seed = told or str(secrets.randbelow(1_000_000))
    if not re.fullmatch(r"\d+(:[1-9]\d*)?", seed):
        raise Terminal(f"--seed {seed}: write a number, or number:schedule for that one alone, such as 7:12.")
    return seed


def _run(name: str, module: Sequence[str], environment: Mapping[str, str]) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        result, began = Path(folder) / "result.xml", time.monotonic()
        command = [sys.executable, "-m", *module, f"--junit-xml={result}"]
        code = subprocess.run(command, cwd=venvs.ROOT, env={**venvs.environment(), **environment}).returncode
        return read_outcome(name, result, (time.monotonic() - began) / 60, code)


def _judged(outcomes: Sequence[Outcome]) -> bool:
    print("\n" + report(outcomes))
    return all(outcome.is_green for outcome in outcomes)


def read_outcome(ring: str, result: Path, minutes: float, code: int) -> Outcome:
    """Read what pytest wrote down; a ring that wrote nothing ran nothing."""
    suite = ElementTree.parse(result).getroot().find("testsuite") if result.exists() else None
    count = {name: int(suite.get(name, 0)) if suite is not None else 0 for name in _COUNTS}
    failed = count["failures"] + count["errors"]
    return Outcome(ring, count["tests"] - failed - count["skipped"], failed, count["skipped"], minutes, code)


def report(outcomes: Sequence[Outcome]) -> str:
    """Lay out the table, what is wrong beyond failed tests, and the closing line."""
    rows = [
        (one.ring, one.ran, one.passed, one.failed, one.skipped, f"{one.minutes:.1f}", _shown(one.budget))
        for one in outcomes
    ]
    sums = [sum(getattr(one, name) for one in outcomes) for name in ("passed", "failed", "skipped")]
    return "\n".join(
        [
            table(("ring", "ran", "passed", "failed", "skipped", "minutes", "budget"), rows),
            *(remark for one in outcomes for remark in _remarks(one)),
            "",
            "{} passed, {} failed, {} skipped".format(*sums),
        ]
    )


def _remarks(outcome: Outcome) -> list[str]:
    remarks = []
    if outcome.ran == 0:
        remarks.append(f"{outcome.ring} ran no test: that counts as failed.")
    elif outcome.code != 0 and outcome.failed == 0:
        remarks.append(f"{outcome.ring}: pytest itself failed (exit {outcome.code}), see above.")
    if outcome.minutes > outcome.budget:
        remarks.append(f"{outcome.ring} took longer than its {outcome.budget:g} minutes.")
    return remarks


def _shown(budget: float) -> str:
    return "" if budget == float("inf") else f"{budget:g}"


_COUNTS = ("tests", "failures", "errors", "skipped")
