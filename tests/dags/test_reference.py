"""The DAGs' reference page is what Airflow reads in their files: each of them, each parameter, when it runs."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import pytest
from sluice.flow.reference import PAGE, dags_page
from sluice.flow.safety import stores
from sluice.local.reference import lay_estate

from tests.dags.conftest import ROOT


@pytest.fixture(scope="module")
def dags(tmp_path_factory: pytest.TempPathFactory):
    """Every DAG that there can be, of an estate with a store of every sort."""
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patched:
        patched.setattr(stores, "ROOT", lay_estate(tmp_path_factory.mktemp("reference")))
        warnings.simplefilter("ignore")  # Airflow's own, while it is imported
        from airflow.dag_processing.dagbag import DagBag

        return list(DagBag(str(ROOT / "dags")).dags.values())


def test_the_page_is_what_airflow_reads(dags) -> None:
    assert (ROOT / PAGE).read_text() == dags_page(dags), "run python -m sluice.local.reference"


def test_every_file_every_parameter_and_every_choice_is_on_the_page(dags) -> None:
    page = dags_page(dags)
    assert {f"dags/{Path(dag.fileloc).name}" for dag in dags} == set(re.findall(r"`(dags/\w+\.py)`", page))
    assert {Path(dag.fileloc) for dag in dags} == set((ROOT / "dags").glob("*.py"))
    for dag in dags:
        own = page.partition(f"`dags/{Path(dag.fileloc).name}`")[2].partition("\n### ")[0]
        assert re.findall(r"^\| `(\w+)`", own, re.M) or "It asks nothing." in own
        for name in dag.params:
            (row,) = re.findall(rf"^\| `{name}` .*", own, re.M)
            if name != "to_phase":
                assert set(dag.params.get_param(name).schema.get("enum", ())) <= set(re.findall(r"`([^`]+)`", row))


def test_a_parameter_that_must_be_given_is_told_from_one_that_may_be_left_out(dags) -> None:
    page = dags_page(dags)
    assert "| `dataset` | text | **required** |" in page
    assert "| `manifest` | text | none |" in page
    assert "| `region` | `eu-west-1` | `eu-west-1` |" in page and "Of `rds` alone. |" in page
