"""What the reports of all demos have in common: where they look, and how they count."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

from sluice.local import databases
from sluice.local.demo.stage import Stage
from sluice.stores.postgres import Row, connect, rows
from sluice.stores.statements import statement

Report: TypeAlias = dict[str, Any]


def read_ledger(stage: Stage) -> tuple[list[Row], list[Row]]:
    """Give the facts and the evidence that the demo's runs left."""
    with connect(stage.settings.dsn("sluice", databases.LEDGER), purpose="demo report") as ledger:
        facts = rows(ledger, statement("demo.list_facts"), runs=stage.runs)
        return facts, rows(ledger, statement("demo.list_evidence"), runs=stage.runs)


def differences(facts: Sequence[Row]) -> int:
    """Count what all comparisons found to differ."""
    return sum(f["facts"].get(f"rows_{how}", 0) for f in facts for how in ("missing", "extra", "different"))


def megabytes(*folders: Path) -> int:
    """Give the size of what lies in folders."""
    sizes = (
        path.stat().st_size
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    )
    return round(sum(sizes) / 1e6)
