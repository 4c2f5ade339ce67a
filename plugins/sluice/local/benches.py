"""Run a benchmark of `benchmarks/` by name.

Each has a `main()` that gives `{"bench", "ratio", "against", "results": [{"case", "seconds", "ratio"}]}`: seconds of one
run, and their ratio to the case named by `against`, measured in the same run on the same machine.
"""

from __future__ import annotations

import importlib.util
import json
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
    path = FOLDER / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"benchmarks.{name}", path) if path.is_file() else None
    if spec is None or spec.loader is None:
        raise Terminal(f"There is no benchmark {name!r}: choose from {', '.join(names()) or 'none yet'}.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    result: dict[str, Any] = module.main()
    return result
