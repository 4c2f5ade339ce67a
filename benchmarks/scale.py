"""What a migration of 30 M rows takes, said before it is run, from laws fitted on 1, 3 and 10 M; then it is run.

What was measured is kept in `.sluice/bench/scale.json` at once, the prediction before its run begins: a run that was cut
short goes on behind the sizes that are there. `python -m benchmarks._told` makes the tables of docs/scale.md of it.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from sluice.local.tables import table
from sluice.local.venvs import ROOT
from sluice.proof.diff.rows import RANGE_ROWS

from benchmarks._model import Prediction, bend, laws
from benchmarks._phases import PHASES, migrate
from benchmarks._scratch import setting

SIZES = [int(size) for size in os.environ.get("SLUICE_BENCH_SIZES", "1000000,3000000,10000000").split(",")]
PREDICTED = setting("PREDICT", 30_000_000)
REPEAT_UP_TO = setting("REPEAT_UP_TO", 3_000_000)
"""Rows of all runs of one size together: small ones are repeated, at most three times."""
KEPT = Path(os.environ.get("SLUICE_BENCH_FOLDER", ROOT / ".sluice/bench"))
AGAINST = "what was predicted before it was run"
FREE_OF_ROWS = ("seconds: capture", "seconds: shadow", "pause_ms")
"""What no table's length enters into."""
WRITTEN = ("wal", "transactions", "chunks", "rows of marks", "heap", "source", "target")


def main() -> dict[str, Any]:
    """Measure the sizes, predict, measure what was predicted, and compare."""
    kept = _begun()
    for rows in SIZES:
        for _ in range(_times(rows) - sum(run["rows"] == rows for run in kept["runs"])):
            kept["runs"].append(_run(rows, kept))
            _keep(kept)
    predicted = laws([_quantities(run) for run in kept["runs"]], PREDICTED, FREE_OF_ROWS)
    if "predicted" not in kept:
        kept["predicted"] = {"rows": PREDICTED, "at": _now(), "quantities": _told(predicted)}
        kept |= {"disk_mb": _disk_mb(), "cores": len(os.sched_getaffinity(0)), "bends": _bends(kept, predicted)}
        _keep(kept)  # before it is run
    print(_listed(kept, predicted), flush=True)
    kept["seen"] = _run(PREDICTED, kept)
    kept["seen_quantities"] = _quantities(kept["seen"])
    kept["errors"] = {
        name: predicted[name].error(value) for name, value in _quantities(kept["seen"]).items() if name != "rows"
    }
    _keep(kept)
    print(_judged(kept, predicted), flush=True)
    return _result(kept, predicted)


def _begun() -> dict[str, Any]:
    """Go on with what is there, if it was made for the same sizes and not finished."""
    asked = {"sizes": SIZES, "predict": PREDICTED}
    before = json.loads((KEPT / "scale.json").read_text()) if (KEPT / "scale.json").exists() else {}
    unfinished = before.get("asked") == asked and "seen" not in before
    return before if unfinished else {"bench": "scale", "asked": asked, "runs": []}


def _keep(kept: dict[str, Any]) -> None:
    KEPT.mkdir(parents=True, exist_ok=True)
    unfinished = KEPT / "scale.json.unfinished"
    unfinished.write_text(json.dumps(kept, indent=1) + "\n")
    unfinished.rename(KEPT / "scale.json")


def _times(rows: int) -> int:
    return max(1, min(3, REPEAT_UP_TO // rows))


def _run(rows: int, kept: dict[str, Any]) -> dict[str, Any]:
    """One migration; says before it how long all that is left may take, by what a row has taken so far."""
    ranges = -(-PREDICTED // RANGE_ROWS)
    done = sum(run["rows"] for run in kept["runs"])
    asked = sum(size * _times(size) for size in SIZES) + PREDICTED
    took = sum(run["took"] for run in kept["runs"])
    left = f", some {took / done * (asked - done) / 60:.0f} minutes to go" if done else ""
    print(f"{datetime.now():%H:%M:%S} {rows:,} rows{left}", flush=True)
    began = time.monotonic()
    run = migrate(rows, ranges, say=lambda told: print(told, flush=True))
    return {**run, "took": time.monotonic() - began, "at": _now()}


def _quantities(run: dict[str, Any]) -> dict[str, float]:
    """What is predicted: seconds of each phase and of all, and what is written and left."""
    seconds = {f"seconds: {name}": run["phases"][name]["seconds"] for name in PHASES}
    return {
        "rows": run["rows"],
        **seconds,
        "seconds": run["seconds"],
        **{name: run[name] for name in WRITTEN},
        "pause_ms": median(run["pauses_ms"]),
    }


def _told(predicted: dict[str, Prediction]) -> dict[str, Any]:
    return {
        name: {"fixed": p.law.fixed, "each": p.law.each, "value": p.value, "low": p.low, "high": p.high}
        for name, p in predicted.items()
    }


def _bends(kept: dict[str, Any], predicted: dict[str, Prediction]) -> dict[str, float]:
    quantities = [_quantities(run) for run in kept["runs"]]
    return {name: bend([(run["rows"], run[name]) for run in quantities]) for name in predicted}


def _listed(kept: dict[str, Any], predicted: dict[str, Prediction]) -> str:
    """The prediction, and where the three sizes do not lie on a line."""
    rows = [
        (name, *map(_short, (p.law.fixed, 1e6 * p.law.each, p.value, p.low, p.high, kept["bends"][name])))
        for name, p in predicted.items()
    ]
    titles = ("what", "fixed", "a million rows", "predicted", "least", "most", "bend")
    return f"\nfor {PREDICTED:,} rows:\n{table(titles, rows)}\n"


def _short(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:,.2f}"


def _judged(kept: dict[str, Any], predicted: dict[str, Prediction]) -> str:
    seen = _quantities(kept["seen"])
    rows = [
        (name, _short(p.value), _short(seen[name]), f"{100 * kept['errors'][name]:.1f} %")
        for name, p in predicted.items()
    ]
    return f"\n{table(('what', 'predicted', 'measured', 'error'), rows)}\n"


def _result(kept: dict[str, Any], predicted: dict[str, Prediction]) -> dict[str, Any]:
    """Seconds of each phase at the predicted size, and their ratio to the prediction."""
    seen = _quantities(kept["seen"])
    timed = [f"seconds: {name}" for name in PHASES] + ["seconds"]
    results = [
        {
            "case": f"{PREDICTED:,} rows: {name.removeprefix('seconds: ')}" if name != "seconds" else "all",
            "seconds": seen[name],
            "ratio": seen[name] / predicted[name].value,
        }
        for name in timed
    ]
    return {**kept, "ratio": results[-1]["ratio"], "against": AGAINST, "results": results}


def _disk_mb() -> float:
    """Megabytes a second that reach the disk, one file written from end to end."""
    block, blocks = os.urandom(1 << 20), 1024
    with tempfile.TemporaryFile() as file:
        began = time.monotonic()
        for _ in range(blocks):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
        return blocks * len(block) / 1e6 / (time.monotonic() - began)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
