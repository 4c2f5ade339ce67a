"""`python -m sluice.local.reference` writes the reference pages that want a server or Airflow: the ledger's, and the DAGs'.

What they say is said beside what they tell of: `ledger/reference.py`, `flow/reference.py`. Here is what these are read from: two
empty databases, and an estate that has a store of every sort.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sluice.errors import Terminal
from sluice.flow.reference import ESTATE, dags_page
from sluice.flow.reference import PAGE as DAGS
from sluice.flow.safety import stores
from sluice.ledger.reference import PAGE as LEDGER
from sluice.ledger.reference import ledger_page
from sluice.local.databases import create_database
from sluice.local.ports import free_port
from sluice.local.venvs import ROOT
from sluice.stores.cluster import ADMIN, Cluster
from sluice.stores.postgres import connect


class WrongDags(Terminal):
    """A DAG file raises."""


@contextmanager
def scratch_server() -> Iterator[Cluster]:
    """A PostgreSQL of our own on a free port, in a folder that goes afterwards."""
    with tempfile.TemporaryDirectory(prefix="sluice-reference-") as folder:
        cluster = Cluster(Path(folder) / "postgres", free_port(), secrets.token_urlsafe(), durable=False)
        cluster.create()
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()


def write_ledger(root: Path = ROOT) -> None:
    """Write the ledger's page under `root`, of a server of its own; takes some seconds."""
    with scratch_server() as cluster:
        for name in ("store", "ledger"):
            create_database(cluster, name, owner=ADMIN)
        with (
            connect(cluster.dsn("store"), purpose="page") as store,
            connect(cluster.dsn("ledger"), purpose="page") as c,
        ):
            (root / LEDGER).write_text(ledger_page(store, c), encoding="utf-8")


def write_dags(root: Path = ROOT) -> None:
    """Write the DAGs' page under `root`; takes some seconds. For a process of its own: it lends its DAGs another estate.

    Raises WrongDags.
    """
    os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
    from airflow.dag_processing.dagbag import DagBag

    with tempfile.TemporaryDirectory(prefix="sluice-reference-") as folder:
        vars(stores)["ROOT"] = lay_estate(Path(folder))
        bag = DagBag(str(root / "dags"))
    if bag.import_errors:
        raise WrongDags(f"these cannot be read: {bag.import_errors}. Mend them, then write the page again.")
    (root / DAGS).write_text(dags_page(list(bag.dags.values())), encoding="utf-8")


def lay_estate(folder: Path) -> Path:
    """Write the sample's estate with a store of every sort into a folder; gives it back."""
    (folder / "include/estate").mkdir(parents=True)
    sample = (ROOT / "include/estate/estate.yaml").read_text(encoding="utf-8")
    (folder / "include/estate/estate.yaml").write_text(sample + ESTATE, encoding="utf-8")
    return folder


if __name__ == "__main__":
    write_ledger()
    write_dags()
