"""The files for MWAA that its page makes: laid out as MWAA lays them out, Airflow reads every DAG of them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

from packaging.requirements import Requirement

from tests.dags.conftest import ROOT, Tree
from tests.samples import only_ours

PAGE = ROOT / "docs/howto/run-on-rds-and-mwaa.md"


def laid_out(tmp_path: Path) -> Path:
    """Do what the page says in a copy of the project, and unpack it as MWAA would; gives Airflow's home."""
    clone, home = tmp_path / "clone", tmp_path / "airflow"
    for part in ("dags", "plugins", "include", "expectations"):
        shutil.copytree(ROOT / part, clone / part)
    only_ours(clone)
    for file in ("requirements.txt", "requirements.in"):
        shutil.copy(ROOT / file, clone)
    (block,) = re.findall(r"^```bash\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    subprocess.run(["bash", "-euo", "pipefail", "-c", block], cwd=clone, check=True)
    shutil.copytree(clone / "build/dags", home / "dags")
    shutil.copy(clone / "build/requirements.txt", home)
    subprocess.run(["sh", clone / "build/startup.sh"], env={**os.environ, "AIRFLOW_HOME": str(home)}, check=True)
    with zipfile.ZipFile(clone / "build/plugins.zip") as packed:
        packed.extractall(home / "plugins")
    return home


def test_airflow_reads_every_dag_where_mwaa_puts_the_files_of_the_page(tmp_path: Path, bag) -> None:
    home = laid_out(tmp_path)
    read = Tree(home).bag()
    assert read["errors"] == {}
    made = {Path(dag.fileloc).stem for dag in bag.dags.values() if dag.dag_id in read["dags"]}
    without_backup = {"backup_store", "name_point", "restore_drill", "restore_store", "restore_tenant", "ship_log"}
    assert made | without_backup == {path.stem for path in (ROOT / "dags").glob("*.py")}
    assert (home / "plugins/.airflowignore").exists(), "else Airflow would load the library as plugins"
    constraint, *asked = (home / "requirements.txt").read_text().splitlines()
    assert constraint == '--constraint "/usr/local/airflow/dags/constraints.txt"'
    pins = [Requirement(line.split("#")[0]) for line in (home / "dags/constraints.txt").read_text().splitlines()
            if not line.lstrip().startswith("#")]  # fmt: skip
    assert not [pin for pin in pins if pin.extras], "pip takes no extras in constraints"
    assert {Requirement(line).name for line in asked} <= {pin.name for pin in pins}
