"""What reading our DAG files costs Airflow: a fresh process that reads `dags/`, against one that reads an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from sluice.local.venvs import ROOT

from benchmarks._scratch import rounds, setting, summary, timed

EMPTY, OURS = "an empty folder that imports airflow.sdk", "dags/"
READ = """
import sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(sys.argv[1])
assert not bag.import_errors, bag.import_errors
print(len(bag.dags))
"""


def main() -> dict[str, Any]:
    """Read each in turn, the interpreter's start and Airflow's imports included, once beforehand for the caches."""
    with tempfile.TemporaryDirectory(prefix="sluice-parse-") as name:
        empty = Path(name, "dags")
        empty.mkdir()
        (empty / "nothing.py").write_text("import airflow.sdk\n")
        environment = {
            **os.environ,
            "AIRFLOW_HOME": name,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(Path(name, "plugins")),
            "PYTHONPATH": str(ROOT / "plugins"),
        }
        subprocess.run(
            [sys.executable, "-m", "airflow", "db", "migrate"], env=environment, check=True, capture_output=True
        )
        cases = {told: partial(_read, folder, environment) for told, folder in ((EMPTY, empty), (OURS, ROOT / "dags"))}
        for case in cases.values():
            case()
        dags = int(_output(ROOT / "dags", environment))
        result = summary("parse", OURS, EMPTY, rounds(cases, setting("ROUNDS", 5)))
    allowed = 1.3 + 0.05 * dags / result["results"][0]["seconds"]
    return {**result, "dags": dags, "allowed": allowed}


def _read(folder: Path, environment: dict[str, str]) -> float:
    return timed(lambda: _output(folder, environment))


def _output(folder: Path, environment: dict[str, str]) -> str:
    command = [sys.executable, "-c", READ, str(folder)]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
