"""The DAGs as Airflow's own loader reads them: a bag of the real tree, and of copies with mistakes in them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import pytest
from sluice.flow.safety import stores

from tests.samples import only_ours

ROOT = Path(__file__).resolve().parents[2]
READ_BAG = """
import json, sys, time, warnings
warnings.simplefilter("ignore")
from airflow.dag_processing.dagbag import DagBag
known, began = set(sys.modules), time.monotonic()
bag = DagBag(sys.argv[1])
heavy = ("great_expectations", "pandas", "boto3", "botocore", "sqlalchemy", "numpy")
print(json.dumps({
    "seconds": time.monotonic() - began,
    "heavy": sorted(name for name in heavy if name in set(sys.modules) - known),
    "errors": {path.rpartition("/")[2]: said for path, said in bag.import_errors.items()},
    "dags": {name: {"doc": dag.doc_md, "tags": sorted(dag.tags)} for name, dag in bag.dags.items()},
}))
"""


TABLES = "    backup: {by: documents, connection: dynamodb_tyler, tables: [tyler]}\n"
"""Below the last store of the sample, which is one of tables."""
SERVED = """  in_rds:
    engine: postgres
    connection: pg_in_rds
    rto: 60m
    rpo: 10m
    backup: {by: rds, connection: pg_in_rds, service: aws, instance: shop, region: eu-west-1, copies: [{region: eu-central-1}]}
  at_neon:
    {engine: postgres, connection: pg_neon, rto: 5m, rpo: 1d, backup: {by: neon, connection: pg_neon, service: neon, project: a}}
"""
"""Stores that a service keeps."""
ELSEWHERE = "elsewhere: {connection: s3_there, bucket: there, region: eu-west-3}"


@pytest.fixture(scope="session")
def bag(tmp_path_factory: pytest.TempPathFactory):
    """Everything in dags/, as an estate has it that backs its stores up, in every way there is, and copies that elsewhere."""
    root = tmp_path_factory.mktemp("backed_up")
    (root / "include/estate").mkdir(parents=True)
    estate = (ROOT / "include/estate/estate.yaml").read_text()
    estate = estate.replace("# backup: {", f"backup: {{{ELSEWHERE}, ")
    (root / "include/estate/estate.yaml").write_text(estate + TABLES + SERVED)
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patched:
        patched.setattr(stores, "ROOT", root)
        warnings.simplefilter("ignore")  # Airflow's own, while it is imported
        from airflow.dag_processing.dagbag import DagBag

        return DagBag(str(ROOT / "dags"))


@dataclass(frozen=True)
class Tree:
    """A copy of the project that may be spoilt."""

    root: Path

    def python(self, code: str, *arguments: str) -> str:
        """Run Python with this tree's code; give what it printed last."""
        env = {**os.environ, "PYTHONPATH": str(self.root / "plugins"), "AIRFLOW__CORE__UNIT_TEST_MODE": "False"}
        env["AIRFLOW__CORE__PLUGINS_FOLDER"] = str(self.root / "plugins")
        done = subprocess.run([sys.executable, "-c", code, *arguments], env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip().splitlines()[-1]

    def bag(self) -> dict:
        """Read dags/ in a process of its own: what it imports is seen."""
        import json

        return json.loads(self.python(READ_BAG, str(self.root / "dags")))


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """A fresh copy, compiled files too."""
    for part in ("dags", "plugins", "include", "expectations"):
        shutil.copytree(ROOT / part, tmp_path / part)
    only_ours(tmp_path)
    return Tree(tmp_path)
