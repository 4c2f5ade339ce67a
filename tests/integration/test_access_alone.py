"""The library alone: the how-to page's code as a plain script, in a Python that has no Airflow."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from sluice.access.development import RouteTaken, set_route
from sluice.access.routing import Route
from sluice.ledger.item_marks import ItemMarks
from sluice.stores.dynamodb.reads import get_item
from sluice.stores.dynamodb.values import canonical_item
from sluice.stores.dynamodb.writes import write_together

from tests.documents import Documents

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
    """The code of the page, one block after the other, as a user of a clone has it: with what is in the clone, and no more."""
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    # What asks PostgreSQL has a driver of the application's, and a test of its own: test_into_postgres_route.py.
    blocks = [block for block in blocks if "psycopg" not in block and "trail" not in block]
    assert len(blocks) > 5
    found = tmp_path / "script.py"
    found.write_text("\n".join(blocks))
    return found


@pytest.fixture
def prefix(documents: Documents) -> Iterator[str]:
    """What the script's own tables begin with; they are dropped at the end."""
    told = f"{documents.prefix}alone-"
    yield told
    for table in documents.client().list_tables()["TableNames"]:
        if table.startswith(told):
            documents.drop(table)


def run(script: Path, documents: Documents, prefix: str) -> subprocess.CompletedProcess[str]:
    given = {
        "DYNAMODB_URL": documents.endpoint,
        "AWS_ACCESS_KEY_ID": documents.key,
        "AWS_SECRET_ACCESS_KEY": documents.secret,
        "TABLE_PREFIX": prefix,
        "CURSOR_KEY": "a secret of the application",
    }
    environment = {**os.environ, **{name: value for name, value in given.items() if value}}
    command = [sys.executable, "-W", "error", "-c", RUN, str(ROOT / "plugins"), str(script)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)


def test_the_page_runs_as_a_plain_script_without_airflow(documents: Documents, prefix: str, script: Path) -> None:
    done = run(script, documents, prefix)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert set(said[-1].split()[1:]) <= MAY, said[-1]
    assert any(line.startswith("hit ratio") for line in said)
    assert any(line.startswith("compared 0 of 1: ") for line in said)
    assert any("1 differ and are looked at again" in line for line in said)
    client, marks = documents.client(), ItemMarks(documents.client(), "tyler_users", f"{prefix}sluice-marks")
    ((report,),) = [marks.shadow_reports(1)]
    assert (report["SK"]["S"], report["compared"]["N"]) == ("SHADOW#web-1", "0")
    assert (
        client.describe_time_to_live(TableName=f"{prefix}tyler-event")["TimeToLiveDescription"]["AttributeName"]
        == "ttl"
    )


def test_the_route_of_development_is_the_one_that_sluice_writes(documents: Documents, prefix: str) -> None:
    client = documents.client()
    marks = ItemMarks(client, "tyler_users", f"{prefix}sluice-marks")
    set_route(client, "tyler_users", Route("new", "none", 3, 2.5), marks.table)
    ours = get_item(client, marks.table, {"PK": {"S": "tyler_users"}, "SK": {"S": "ROUTE"}})
    write_together(client, [marks.tell("new", "none", 3, 2.5)])
    theirs = get_item(client, marks.table, {"PK": {"S": "tyler_users"}, "SK": {"S": "ROUTE"}})
    assert ours is not None
    assert theirs is not None
    assert canonical_item(ours) == canonical_item({name: theirs[name] for name in ours})


def test_the_route_of_a_migration_that_is_under_way_is_not_set_by_hand(documents: Documents, prefix: str) -> None:
    client, marks = documents.client(), ItemMarks(documents.client(), "tyler_users", f"{prefix}sluice-marks")
    marks.prepare()
    state = {"PK": {"S": marks.name}, "SK": {"S": "STATE"}, "phase": {"S": "capturing"}}
    client.put_item(TableName=marks.table, Item=state)
    with pytest.raises(RouteTaken, match="Take another table"):
        set_route(client, marks.name, Route("old", "old", 1, 5.0), marks.table)
    assert get_item(client, marks.table, {"PK": {"S": marks.name}, "SK": {"S": "ROUTE"}}) is None


def test_a_script_that_wants_airflow_is_found(documents: Documents, prefix: str, script: Path) -> None:
    """Else the first test would prove nothing."""
    script.write_text("import sluice.flow.policy\nimport airflow\n")
    done = run(script, documents, prefix)
    assert done.returncode != 0
    assert "airflow" in done.stderr


def test_what_the_cache_lacks_names_the_extra_that_has_it() -> None:
    code = "import sys; sys.modules['cachetools'] = None; sys.path.insert(0, sys.argv[1]); import sluice.access.cache"
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT / "plugins")], capture_output=True, text=True, timeout=60
    )
    assert "sluice[access]" in done.stderr


def test_the_package_says_that_it_has_types_and_what_applications_need() -> None:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = {re.split(r"[><=]", one)[0] for one in (*told["dependencies"], *told["optional-dependencies"]["access"])}
    assert {"boto3", "cachetools", "pydantic", "pyyaml"} <= named
    assert (ROOT / "plugins/sluice/py.typed").exists()
    assert "pip install '.[access]'" in PAGE.read_text()
