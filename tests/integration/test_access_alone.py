"""The library alone: the how-to page's code as a plain script, in a Python that has no Airflow."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sluice.ledger.item_marks import ItemMarks
from sluice.stores.dynamodb.applying import apply_tables
from sluice.stores.dynamodb.tables import TableDefinition
from sluice.stores.dynamodb.writes import write_together

from tests.integration.accessing import MODEL, Tyler

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/howto/use-the-new-tables.md"
MAY = {"access", "records", "stores", "estate", "errors", "failpoints"}
"""The rooms that an application loads with the library, and no other."""

# `None` makes an import fail as if it were not installed; what is not loaded by the script is told at its end.
RUN = """
import sys
sys.modules["airflow"] = None
sys.path.insert(0, sys.argv[1])
import runpy
runpy.run_path(sys.argv[2], run_name="__main__")
rooms = {name.split(".")[1] for name in sys.modules if name.startswith("sluice.")}
heavy = {"pandas", "great_expectations", "psycopg", "sqlalchemy"} & sys.modules.keys()
print("loaded", *sorted(rooms | heavy))
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """The code of the page, one block after the other, beside an estate that has the design and its migration."""
    estate = tmp_path / "include/estate"
    shutil.copytree(ROOT / "tests/estate_tyler", estate)
    shutil.copy(MODEL, estate / "tyler.yaml")
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    assert len(blocks) > 5
    found = tmp_path / "script.py"
    found.write_text("\n".join(blocks))
    return found


def run(script: Path, tyler: Tyler) -> subprocess.CompletedProcess[str]:
    documents = tyler.documents
    given = {
        "DYNAMODB_URL": documents.endpoint,
        "AWS_ACCESS_KEY_ID": documents.key,
        "AWS_SECRET_ACCESS_KEY": documents.secret,
        "TABLE_PREFIX": tyler.layout.prefix,
        "CURSOR_KEY": "a secret of the application",
    }
    environment = {**os.environ, **{name: value for name, value in given.items() if value}}
    command = [sys.executable, "-W", "error", "-c", RUN, str(ROOT / "plugins"), str(script)]
    return subprocess.run(command, cwd=script.parent, env=environment, capture_output=True, text=True, timeout=60)


def test_the_page_runs_as_a_plain_script_without_airflow(tyler: Tyler, script: Path) -> None:
    prefix = tyler.layout.prefix
    marks = ItemMarks(tyler.client, "tyler_users", f"{prefix}sluice-marks")
    marks.prepare()
    apply_tables(tyler.client, (TableDefinition(f"{prefix}users", "userId"),))
    try:
        write_together(tyler.client, [marks.tell("shadow", "old", 1, 5.0)])
        done = run(script, tyler)
    finally:
        for table in (f"{prefix}users", marks.table):
            tyler.documents.drop(table)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert set(said[-1].split()[1:]) <= MAY, said[-1]
    assert any(line.startswith("hit ratio") for line in said)
    assert any(line.startswith("compared 1: ") for line in said)


def test_a_script_that_wants_airflow_is_found(tyler: Tyler, script: Path) -> None:
    """Else the test above would prove nothing."""
    script.write_text("import sluice.flow.policy\nimport airflow\n")
    done = run(script, tyler)
    assert done.returncode != 0
    assert "airflow" in done.stderr
