"""Run a benchmark of `benchmarks/` by name.

Each has a `main()` that gives `{"bench", "ratio", "against", "results": [{"case", "seconds", "ratio"}]}`: seconds of one
run, and their ratio to the case named by `against`, measured in the same run on the same machine.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

from sluice.errors import Terminal
from sluice.local.tables import table
from sluice.local.venvs import ROOT

FOLDER = ROOT / "benchmarks"


def run_bench(name: str, output: Path | None = None) -> str:
    """Run `benchmarks/<name>.py`, write its result as JSON where asked, and give it as a table."""
    result = _load(name)
    if output:
        output.write_text(json.dumps(result, indent=1) + "\n")
    rows = [(case["case"], f"{case['seconds']:.2f}", f"{case['ratio']:.2f}") for case in result["results"]]
    closing = f"{result['bench']}: {result['ratio']:.2f} × {result['against']}"
    return f"{table(('case', 'seconds', 'ratio'), rows)}\n\n{closing}"


def names() -> list[str]:
    """Give the names of all benchmarks."""
    return sorted(path.stem for path in FOLDER.glob("[!_]*.py"))


def _load(name: str) -> dict[str, Any]:
    if name not in names():
        raise Terminal(f"There is no benchmark {name!r}: choose from {', '.join(names()) or 'none yet'}.")
    sys.path.insert(0, str(ROOT))  # they share what is in benchmarks/_scratch.py
    module = importlib.import_module(f"benchmarks.{name}")
    result: dict[str, Any] = module.main()
    return result
