"""The last comparison of every row, and each gate's last verdict: read from the ledger for many migrations at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sluice.overview.links import evidence_path, origin_of, run_path
from sluice.overview.migrations.names import COMPARES, GATES
from sluice.stores.postgres import Connection, Row, rows, translated
from sluice.stores.statements import statement


@dataclass(frozen=True)
class Verdict:
    """What a gate found last."""

    whose: str
    gate: str
    passed: bool
    compared: int
    epoch: int
    at: datetime
    run: str
    evidence: str
    """The path of its record, with its seal."""
    run_link: str
    """The path of the run that judged."""
    dag: str
    task: str
    """The task that judged, with which of several it was, and of a second record its number."""

    @property
    def unit(self) -> str:
        """What `compared` counts: rows where a migration's step compares tables, else facts; '' of any other gate."""
        if self.gate not in GATES:
            return ""
        return "rows" if self.gate in (*COMPARES, "window") else "facts"


@dataclass(frozen=True)
class Compared:
    """What the last comparison of every row came to."""

    gate: str
    at: datetime
    run: str
    compared: int
    missing: int
    extra: int
    different: int
    not_copied: int
    """Rows that had no copy yet because the copy was under way: no fault."""
    evidence: str | None
    """The path of its gate's record; None where the gate has not judged it."""

    @property
    def clean(self) -> bool:
        """Whether nothing was different."""
        return not (self.missing or self.extra or self.different)


def verdict_of(row: Row) -> Verdict:
    """Make one of its row."""
    dag, run, task = origin_of(row["key"])
    return Verdict(
        row.get("whose") or row["name"],
        row["gate"],
        row["passed"],
        row["compared"],
        row["epoch"],
        row["at"],
        row["run"],
        evidence_path(row["key"], row["sha256"]),
        run_path(dag, run),
        dag,
        task,
    )


def last_verdicts(c: Connection, names: Sequence[str], may_read: Callable[[str], bool]) -> dict[str, list[Verdict]]:
    """Give each gate's last verdict by migration, in the gates' order. Raises StoreDown."""
    with translated("reading what gates have found of migrations"):
        found = rows(c, statement("remembered.list_last_verdicts"), names=list(names), gates=list(GATES))
    given: dict[str, list[Verdict]] = {name: [] for name in names}
    for verdict in sorted(map(verdict_of, found), key=lambda one: GATES.index(one.gate)):
        if may_read(verdict.dag):
            given[verdict.whose].append(verdict)
    return given


def last_compared(
    c: Connection, names: Sequence[str], verdicts: Mapping[str, Sequence[Verdict]]
) -> dict[str, Compared]:
    """Give the last comparison of each migration that was compared. Raises StoreDown."""
    with translated("reading what was compared of migrations"):
        found = rows(c, statement("remembered.list_last_compared"), names=list(names), gates=list(COMPARES))
    newest = {row["name"]: row for row in sorted(found, key=lambda row: row["at"])}
    return {name: _compared(row, verdicts[name]) for name, row in newest.items()}


def _compared(row: Row, verdicts: Sequence[Verdict]) -> Compared:
    judged = (one for one in verdicts if (one.gate, one.run) == (row["gate"], row["run"]) and one.at >= row["at"])
    evidence = next((one.evidence for one in judged), None)
    told = {name: row[name] or 0 for name in ("compared", "missing", "extra", "different", "not_copied")}
    return Compared(row["gate"], row["at"], row["run"], **told, evidence=evidence)
