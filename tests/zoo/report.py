"""The zoo's table, as Markdown for people and as JSON for machines."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tests.zoo.journey import MIGRATED, REFUSED, Outcome

HEAD = ("database", "table", "rows", "key", "odd types", "shape", "result")


def markdown(outcomes: Sequence[Outcome]) -> str:
    """Sums first, then a line for each table, then what went wrong."""
    counts = Counter(one.result for one in outcomes)
    sums = ", ".join(f"{count} {result}" for result, count in counts.most_common())
    databases = len({one.database for one in outcomes})
    lines = [
        "# The zoo",
        "",
        f"{len(outcomes)} tables of {databases} databases: {sums}.",
        "",
        f"| {' | '.join(HEAD)} |",
        f"|{'---|' * len(HEAD)}",
        *(_line(one) for one in outcomes),
    ]
    wrong = [one for one in outcomes if not one.good]
    lines += ["", "## What went wrong", ""] if wrong else []
    lines += [f"- `{one.database}` {one.table} ({one.shape}): {fault}" for one in wrong for fault in _faults(one)]
    unlike = [one for one in outcomes if one.unlike]
    lines += ["", "## What the new table has otherwise", ""] if unlike else []
    lines += [f"- `{one.database}` {one.table} ({one.shape}): {'; '.join(one.unlike[:6])}" for one in unlike]
    return "\n".join(lines) + "\n"


def write(folder: Path, outcomes: Sequence[Outcome]) -> None:
    """Write zoo.md and zoo.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "zoo.md").write_text(markdown(outcomes))
    (folder / "zoo.json").write_text(json.dumps([asdict(one) for one in outcomes], indent=1, ensure_ascii=False))


def result(one: Outcome) -> str:
    """`migrated`, or `refused:` with its codes, or `broken`."""
    if one.result == REFUSED:
        return "refused: " + ", ".join(
            code if word == "true" else f"{code} ({word}!)" for code, word in one.codes.items()
        )
    if one.result == MIGRATED:
        return f"migrated, {one.writes} writes" + (f", {len(one.faults)} FAULTS" if one.faults else "")
    return "BROKEN"


def _line(one: Outcome) -> str:
    shape = one.shape if one.result != REFUSED else f"({one.shape})"
    cells = (one.database, one.table, f"{one.rows:,}", one.key, one.odd, shape, result(one))
    return f"| {' | '.join(cell.replace('|', '¦') for cell in cells)} |"


def _faults(one: Outcome) -> list[str]:
    untrue = [f"refused for {code}, which is {word}" for code, word in one.codes.items() if word != "true"]
    return [fault.replace("\n", " ")[:600] for fault in (*one.faults, *(untrue if one.result == REFUSED else ()))]
