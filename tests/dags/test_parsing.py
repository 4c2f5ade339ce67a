"""Reading the DAG files is light, and a person's mistake in one YAML is told where it is and hides nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.dags.conftest import Tree

MISTAKEN = """\
migration: wrong
from: {store: certfy, table: app.user_sessions}
into: {table: app.wrong_by_month, partition: {range: started_at, every: month}, months_ahed: 3}
"""
LOAD_PLUGINS = """
import json, sys, warnings
warnings.simplefilter("ignore")
from airflow import plugins_manager as manager
manager.ensure_plugins_loaded()
plugins, errors = manager._get_plugins()
ours = [name for name, module in sys.modules.items() if (getattr(module, "__file__", None) or "").startswith(sys.argv[1])]
strays = [name for name in ours if name.partition(".")[0] != "sluice"]
print(json.dumps([[p.name for p in plugins if p.name.startswith("sluice")], errors, strays]))
"""


def test_reading_all_files_imports_nothing_heavy(tree: Tree) -> None:
    read = tree.bag()
    print(f"dags/ is read in {read['seconds']:.2f} s")
    assert read["errors"] == {}
    assert read["heavy"] == []
    assert read["seconds"] < 10  # a busy machine; about 0.1 s on an idle one


def test_a_mistaken_file_breaks_its_own_dags_and_says_where(tree: Tree) -> None:
    sound = tree.bag()["dags"]
    (tree.root / "include/estate/migrations/wrong.yaml").write_text(MISTAKEN)
    read = tree.bag()
    assert read["errors"] == {}
    broken = {name: dag for name, dag in read["dags"].items() if "broken" in dag["tags"]}
    assert set(broken) == {"migrate__wrong", "backfill_window__wrong"}
    assert {name: dag for name, dag in read["dags"].items() if name not in broken} == sound
    for dag in broken.values():
        assert 'include/estate/migrations/wrong.yaml:2: from.store: found "certfy"' in dag["doc"]
        assert "did you mean certify?" in dag["doc"]
        assert "include/estate/migrations/wrong.yaml:3: into.months_ahed" in dag["doc"]


def test_a_second_file_for_a_table_breaks_no_dag(tree: Tree) -> None:
    sound = tree.bag()["dags"]
    first = tree.root / "include/estate/migrations/user_sessions.yaml"
    first.with_name("again.yaml").write_text(first.read_text().replace("migration: user_sessions", "migration: again"))
    read = tree.bag()["dags"]
    assert {name: dag for name, dag in read.items() if not name.endswith("__again")} == sound
    assert [name for name, dag in read.items() if "broken" in dag["tags"]] == []


def test_a_broken_dag_fails_with_the_mistakes_and_is_not_tried_again() -> None:
    from airflow.sdk.exceptions import AirflowFailException
    from sluice.flow.broken import broken_dag

    [task] = broken_dag("migrate", Path("wrong.yaml"), ValueError("wrong.yaml:2: from.store")).tasks
    assert task.retries == 0
    with pytest.raises(AirflowFailException, match=r"wrong\.yaml:2: from\.store"):
        task.execute({})


def test_a_mistaken_estate_is_an_import_error_that_says_where(tree: Tree) -> None:
    path = tree.root / "include/estate/estate.yaml"
    path.write_text(path.read_text().replace("engine: postgres", "engine: postgers").replace("rto: 5m", "rto: soon"))
    read = tree.bag()
    assert {"migrate.py", "backfill_window.py"} <= set(read["errors"])
    for file in ("migrate.py", "backfill_window.py"):
        told = read["errors"][file]
        assert "include/estate/estate.yaml" in told
        assert 'stores.certify.engine: found "postgers"' in told
        assert 'stores.certify.rto: found "soon"' in told
    assert "validate_data" in read["dags"], "it reads the estate as it runs"


def test_airflow_loads_one_plugin_and_leaves_the_library_alone(tree: Tree) -> None:
    names, errors, strays = json.loads(tree.python(LOAD_PLUGINS, f"{tree.root}/plugins/sluice/"))
    assert (names, errors) == (["sluice"], {})
    assert strays == [], "plugins/.airflowignore no longer keeps Airflow from running the library's files one by one"
