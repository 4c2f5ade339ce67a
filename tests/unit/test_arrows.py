"""The rooms' arrows: who may import whom. ARCHITECTURE.md draws them, this holds them.

Imports are read from the syntax tree: nothing is run, and one inside a function or an `if` counts too.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

ESTATE = frozenset({"estate"})
STORES = ESTATE | {"stores"}
RECORDS = STORES | {"records"}  # of stores, the values alone: see WIRE
LEDGER = STORES | {"ledger"}
PROOF = LEDGER | {"proof"}
WORK = frozenset({"migration", "upkeep", "safety", "insight"})
OVERVIEW = PROOF | WORK | {"overview", "records"}
FLOW = OVERVIEW | {"flow"}

MAY_IMPORT: dict[str, frozenset[str]] = {
    "estate": ESTATE,
    "stores": STORES,
    "records": RECORDS,
    "ledger": LEDGER,
    "proof": PROOF,
    **{room: PROOF | {room, "records"} for room in WORK},  # siblings do not know each other
    "access": RECORDS | {"access"},  # so that an application can use it alone
    "overview": OVERVIEW,
    "flow": FLOW,
    "console": FLOW | {"access", "console"},
    "local": FLOW | {"access", "local"},
    "errors": frozenset(),
    "failpoints": frozenset(),
    "__init__": frozenset(),
}
EVERYBODYS = {"errors", "failpoints"}
KNOW_AIRFLOW = {"flow", "console", "local"}
WIRE = "sluice.stores.dynamodb.values"
KINDS = "sluice.migration.kinds."
SHARED_BY_KINDS = {
    "dynamodb_source": {"single_table", "into_postgres"},
    "postgres_target": {"same_cluster", "into_postgres"},
}
"""What two kinds have in common has a room of its own, which knows neither."""
PLUGIN_MAY = frozenset({"flow", "console"})
DAGS_MAY = frozenset({"flow", "estate"})


def imports(file: Path, package: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """Give line and full dotted name of everything that `file`, a module of `package`, imports."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            source = ".".join((*above, *filter(None, [node.module])))
            # What follows `import` may be a module too: `from sluice import flow`.
            yield from ((node.lineno, f"{source}.{alias.name}") for alias in node.names)


def room_of(name: str) -> str | None:
    """Give the room that a dotted name lies in, or None if it is not Sluice's."""
    parts = name.split(".")
    return None if parts[0] != "sluice" else (parts[1] if len(parts) > 1 else "__init__")


def knows(kind: str, name: str) -> bool:
    """Tell whether a kind may know what `name` says: itself, what it shares, and whatever is no kind. The registry knows all."""
    other = name.removeprefix(KINDS).split(".")[0] if name.startswith(KINDS) else kind
    return kind in (other, "__init__.py") or kind in SHARED_BY_KINDS.get(other, ())


def wrong_in_library(root: Path) -> Iterator[str]:
    """Name every arrow of plugins/sluice that points up, sideways, or from a lower room at Airflow."""
    library = root / "plugins" / "sluice"
    for file in sorted(library.rglob("*.py")):
        inside = file.relative_to(library)
        room = inside.parts[0] if len(inside.parts) > 1 else inside.stem
        allowed = MAY_IMPORT.get(room, frozenset()) | EVERYBODYS
        for line, name in imports(file, ("sluice", *inside.parent.parts)):
            where = f"{inside}:{line} imports {name}"
            if (target := room_of(name)) is not None and target not in allowed:
                yield f"{where}: {room} stands below it or beside it"
            elif name.split(".")[0] == "airflow" and room not in KNOW_AIRFLOW:
                yield f"{where}: only {sorted(KNOW_AIRFLOW)} know it"
            elif inside.parts[:2] == ("migration", "engine") and name.startswith("sluice.migration.kinds"):
                yield f"{where}: the engine knows no kind"
            elif inside.parts[:2] == ("migration", "kinds") and not knows(inside.parts[2], name):
                yield f"{where}: kinds do not know each other"
            elif room == "records" and target == "stores" and not name.startswith(WIRE):
                yield f"{where}: records is pure; of stores it knows the wire's form alone"


def wrong_outside(folder: Path, allowed: frozenset[str]) -> Iterator[str]:
    """Name what the files of `folder` import beyond the standard library, Airflow and the `allowed` rooms."""
    for file in sorted(folder.glob("*.py")):
        for line, name in imports(file, ()):
            top = name.split(".")[0]
            free = top == "airflow" or top in sys.stdlib_module_names
            if not free and room_of(name) not in allowed:
                yield f"{file.name}:{line} imports {name}"


def wrong(root: Path) -> list[str]:
    """Name every wrong arrow of the project at `root`."""
    dags = wrong_outside(root / "dags", DAGS_MAY)
    return [*wrong_in_library(root), *wrong_outside(root / "plugins", PLUGIN_MAY), *dags]


def test_every_arrow_points_the_right_way() -> None:
    assert wrong(ROOT) == []


def test_every_room_has_its_place() -> None:
    library = ROOT / "plugins" / "sluice"
    rooms = {path.stem for path in library.iterdir() if path.is_dir() or path.suffix == ".py"} - {"__pycache__"}
    assert {"estate", "stores", "flow", "errors"} <= rooms <= set(MAY_IMPORT)


WRONG = {
    "plugins/sluice/estate/a.py": "from sluice.stores import postgres",
    "plugins/sluice/stores/a.py": "import sluice.ledger.control",
    "plugins/sluice/ledger/a.py": "from sluice.proof.gates import verdict",
    "plugins/sluice/proof/a.py": "from sluice import migration",
    "plugins/sluice/migration/a.py": "from sluice.flow import gates",
    "plugins/sluice/upkeep/a.py": "from sluice.migration import engine",
    "plugins/sluice/safety/a.py": "from sluice.insight import capacity",
    "plugins/sluice/access/a.py": "from sluice.ledger import marks",
    "plugins/sluice/access/b.py": "from sluice.migration import kinds",
    "plugins/sluice/records/a.py": "from sluice.stores.dynamodb import client",
    "plugins/sluice/records/b.py": "from sluice.ledger import marks",
    "plugins/sluice/stores/records.py": "from sluice.records import Record",
    "plugins/sluice/proof/records.py": "from sluice.records import Record",
    "plugins/sluice/overview/a.py": "from sluice.flow import gates",
    "plugins/sluice/overview/b.py": "from airflow.sdk import dag",
    "plugins/sluice/insight/b.py": "from sluice.overview import links",
    "plugins/sluice/flow/a.py": "from sluice.local import machine",
    "plugins/sluice/flow/b.py": "from sluice.console import page",
    "plugins/sluice/console/a.py": "from sluice.local import machine",
    "plugins/sluice/local/a.py": "from sluice.console import page",
    "plugins/sluice/errors.py": "from sluice.estate import names",
    "plugins/sluice/failpoints.py": "from sluice.stores import postgres",
    "plugins/sluice/kitchen/a.py": "from sluice.estate import names",
    "plugins/sluice/stores/relative.py": "from ..ledger import control",
    "plugins/sluice/proof/diff/relative.py": "from ...flow import gates",
    "plugins/sluice/ledger/hidden.py": "def f() -> None:\n    from airflow.sdk import dag",
    "plugins/sluice/migration/engine/a.py": "from sluice.migration.kinds import same_cluster",
    "plugins/sluice/migration/engine/b.py": "from sluice.migration import kinds",
    "plugins/sluice/migration/engine/c.py": "from ..kinds import same_cluster",
    "plugins/sluice/migration/kinds/into_postgres/a.py": "from sluice.migration.kinds.single_table.ours import token",
    "plugins/sluice/migration/kinds/into_postgres/b.py": "from sluice.migration.kinds.same_cluster import layout",
    "plugins/sluice/migration/kinds/single_table/a.py": "from sluice.migration.kinds.postgres_target import verbs",
    "plugins/sluice/migration/kinds/dynamodb_source/a.py": "from sluice.migration.kinds import single_table",
    "plugins/sluice/migration/kinds/same_cluster/a.py": "from ..dynamodb_source import canary",
    "plugins/sluice_plugin.py": "from sluice.migration import engine",
    "dags/a.py": "from sluice.stores import postgres",
    "dags/b.py": "import pandas",
}

RIGHT = {
    "plugins/sluice/estate/a.py": "import yaml\nfrom sluice.errors import Terminal",
    "plugins/sluice/ledger/a.py": "from sluice.failpoints import failpoint",
    "plugins/sluice/proof/a.py": "from sluice.stores import postgres\nfrom .gates import verdict",
    "plugins/sluice/migration/kinds/a.py": "from sluice.migration import engine\nfrom sluice import proof",
    "plugins/sluice/migration/kinds/__init__.py": "from sluice.migration.kinds.single_table import SingleTable",
    "plugins/sluice/migration/kinds/into_postgres/a.py": "from sluice.migration.kinds.dynamodb_source import canary",
    "plugins/sluice/migration/kinds/into_postgres/b.py": "from ..postgres_target import verbs\nfrom . import values",
    "plugins/sluice/migration/start.py": "from sluice.migration import engine, kinds",
    "plugins/sluice/access/a.py": "from sluice.stores import postgres\nfrom sluice.records import records_of",
    "plugins/sluice/access/b.py": "from sluice.estate import read_model",
    "plugins/sluice/records/a.py": "from sluice.stores.dynamodb.values import Item\nfrom sluice.estate import templates",
    "plugins/sluice/migration/kinds/b.py": "from sluice.records import records_of",
    "plugins/sluice/overview/a.py": "from sluice.safety import exposure\nfrom sluice.ledger import seen",
    "plugins/sluice/flow/a.py": "from airflow.sdk import dag\nfrom sluice.migration import kinds",
    "plugins/sluice/local/a.py": "import airflow\nfrom sluice.flow import gates",
    "plugins/sluice_plugin.py": "import airflow.plugins_manager\nfrom sluice.console import page",
    "dags/a.py": "from pathlib import Path\nfrom airflow.sdk import dag\nfrom sluice.flow import gates",
}


def plant(root: Path, name: str, text: str) -> list[str]:
    """Write one module into an otherwise empty project and name what is wrong with it."""
    (root / name).parent.mkdir(parents=True)
    (root / name).write_text(text)
    return wrong(root)


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_arrow_is_found(tmp_path: Path, name: str) -> None:
    assert len(plant(tmp_path, name, WRONG[name])) == 1


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_arrow_is_let_be(tmp_path: Path, name: str) -> None:
    assert plant(tmp_path, name, RIGHT[name]) == []
