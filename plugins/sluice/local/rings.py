"""The tests, a ring at a time, and one table at the end.

A ring that ran nothing has failed: no test is no proof.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sluice.local import venvs
from sluice.local.tables import table

# Minutes that each ring may take on two cores; 24 in all.
BUDGETS = {"unit": 2, "dags": 2, "integration": 8, "chaos": 4, "e2e": 8}


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


def run_rings(rings: Sequence[str]) -> bool:
    """Run the rings one after another, print the table and the closing line; tell whether all are green."""
    outcomes = [run_ring(ring) for ring in rings]
    print("\n" + report(outcomes))
    return all(outcome.is_green for outcome in outcomes)


def run_ring(ring: str) -> Outcome:
    """Run one ring in a pytest of its own."""
    with tempfile.TemporaryDirectory() as folder:
        result, began = Path(folder) / "result.xml", time.monotonic()
        command = [sys.executable, "-m", "pytest", f"tests/{ring}", f"--junit-xml={result}"]
        code = subprocess.run(command, cwd=venvs.ROOT, env=venvs.environment()).returncode
        return read_outcome(ring, result, (time.monotonic() - began) / 60, code)


def read_outcome(ring: str, result: Path, minutes: float, code: int) -> Outcome:
    """Read what pytest wrote down; a ring that wrote nothing ran nothing."""
    suite = ElementTree.parse(result).getroot().find("testsuite") if result.exists() else None
    count = {name: int(suite.get(name, 0)) if suite is not None else 0 for name in _COUNTS}
    failed = count["failures"] + count["errors"]
    return Outcome(ring, count["tests"] - failed - count["skipped"], failed, count["skipped"], minutes, code)


def report(outcomes: Sequence[Outcome]) -> str:
    """Lay out the table, what is wrong beyond failed tests, and the closing line."""
    rows = [
        (one.ring, one.ran, one.passed, one.failed, one.skipped, f"{one.minutes:.1f}", BUDGETS[one.ring])
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
    if outcome.minutes > BUDGETS[outcome.ring]:
        remarks.append(f"{outcome.ring} took longer than its {BUDGETS[outcome.ring]} minutes.")
    return remarks


_COUNTS = ("tests", "failures", "errors", "skipped")
