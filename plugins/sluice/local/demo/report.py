"""What the reports of all demos have in common: where they look, and how they count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from sluice.local import databases
from sluice.local.demo.migrating import Migrating
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


def comparisons(facts: Sequence[Row]) -> int:
    """Count the comparisons that compared something: an empty one proves nothing."""
    return sum(f["facts"].get("rows_compared", 0) > 0 for f in facts)


def steps_taken(stage: Migrating, facts: Sequence[Row]) -> dict[str, dict[str, int]]:
    """Count for each migration of the stage how often each gate had facts to judge."""
    taken: dict[str, Counter[str]] = {name: Counter() for name in stage.migrations}
    for fact in facts:
        taken[fact["migration"]][fact["gate"]] += 1
    return {name: dict(gates) for name, gates in taken.items()}


def not_taken(report: Report, wanted: Mapping[str, int]) -> list[str]:
    """Name what a migration's way lacks: a step that was skipped kept no promise. No migration at all lacks everything."""
    return [
        f"{name} {gate} ({taken.get(gate, 0)} of {least})"
        for name, taken in (report["steps"] or {"no migration": {}}).items()
        for gate, least in wanted.items()
        if taken.get(gate, 0) < least
    ]


def megabytes(*folders: Path) -> int:
    """Give the size of what lies in folders."""
    sizes = (
        path.stat().st_size
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    )
    return round(sum(sizes) / 1e6)
