"""Workers whose clocks are ten minutes wrong, or days: ages are measured by the store's clock, and nothing else decides."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from sluice.migration.engine.contract import Phase

from tests.chaos.drill import live
from tests.chaos.shifted import DSN_VARIABLE
from tests.harness import advance

ROOT = Path(__file__).parents[2]
SHIFTED = Path(__file__).with_name("shifted.py")
AGED = "UPDATE sluice.migration SET {column} = {column} - interval '{age}'"


def worker(stage, minutes: float, phase: str) -> subprocess.Popen[str]:
    """Start a worker whose clock is so many minutes ahead."""
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT}",
        DSN_VARIABLE: stage.database.dsn(),
    }
    command = [sys.executable, str(SHIFTED), str(minutes), phase]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def says(stage, minutes: float, phase: str) -> str:
    """What the worker had to say at its end; nothing when all went well."""
    with worker(stage, minutes, phase) as running:
        _, said = running.communicate(timeout=60)
        return said if running.returncode else ""


def test_a_wrong_clock_is_wrong():
    code = f"import sys; sys.path.insert(0, {str(SHIFTED.parent)!r}); import shifted; shifted.shift(600); import datetime, time;"
    code += "from datetime import datetime as late; print(late.now(datetime.UTC).timestamp(), time.time())"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    now = subprocess.run(["date", "+%s"], capture_output=True, text=True, check=True).stdout
    assert all(abs(float(one) - float(now) - 36_000) < 5 for one in told)


def test_workers_ten_minutes_ahead_and_behind_take_turns_and_lose_nothing(stage):
    with live(stage) as drill:
        for minutes, phase in ((10, Phase.CAPTURING), (-10, Phase.VERIFIED), (10, Phase.CUT_OVER)):
            assert says(stage, minutes, phase) == ""
            assert drill.phase is phase
        drill.judge()


def test_a_proof_is_old_by_the_stores_clock_whatever_the_worker_believes(stage):
    advance(stage.open, Phase.VERIFIED)
    stage.ask(AGED.format(column="verified_at", age="31 minutes"))
    assert "the last clean diff is older than 0:30:00" in says(stage, -10, "only the swap")
    assert stage.open().position().phase is Phase.VERIFIED


def test_a_proof_is_fresh_by_the_stores_clock_whatever_the_worker_believes(stage):
    advance(stage.open, Phase.VERIFIED)
    stage.ask(AGED.format(column="verified_at", age="25 minutes"))
    assert says(stage, 10, "only the swap") == ""
    assert stage.open().position().phase is Phase.CUT_OVER


def test_the_old_table_is_kept_for_days_of_the_stores_clock(stage):
    a_day = 24 * 60
    advance(stage.open, Phase.CUT_OVER)
    assert "may be retired from" in says(stage, 30 * a_day, Phase.RETIRED)
    assert stage.open().position().phase is Phase.CUT_OVER
    stage.ask(AGED.format(column="cut_over_at", age="8 days"))
    assert says(stage, -30 * a_day, Phase.RETIRED) == ""
    assert stage.open().position().phase is Phase.RETIRED
