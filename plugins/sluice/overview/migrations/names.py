"""What a migration's things are called, and what one types to do something about it. Pure."""

from __future__ import annotations

from urllib.parse import quote

from sluice.migration.engine.contract import Phase
from sluice.overview.links import run_path

GATES = (
    "expanded",
    "capturing",
    "backfilled",
    "verified",
    "shadowing",
    "cut_over",
    "cut_back",
    "retired",
    "validated",
    "window",
)
"""Every gate that judges a migration, in the order in which one meets them."""
COMPARES = ("verified", "cut_over", "cut_back", "retired", "validated")
"""Those whose step compares every row."""


BESIDE = ("validated", "window")
"""Those that are judged by the clock or by hand, wherever the migration stands: no step waits for them."""


def dag_of(name: str) -> str:
    """Name the DAG that moves it: who may not read that is told nothing of it."""
    return f"migrate__{name}"


def page_of(name: str) -> str:
    """Give its own page, below Airflow's address."""
    return f"/sluice/migrations/{quote(name)}"


def link_of(name: str, run: str) -> str | None:
    """Give the page of a run of its DAG; None where a hand was told in its place: by the command line, or psql."""
    return run_path(dag_of(name), run) if "__" in run else None


def run_to(name: str, phase: Phase) -> str:
    """Say what one types to have it go to a phase."""
    return f"""./sluice run {dag_of(name)} --conf '{{"to_phase": "{phase}"}}'"""
