"""Rows that a suite may look at where no SQL can be asked: a sample taken for it, or a table among the facts.

{"over": "rows", "rows_at_most": 1000, "where": {"record": "METADATA"}}     a sample of what migrates, typed
{"over": "table", "of": "record_types"}                                     a fact that is a table, as JSON
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from sluice.proof.gates.verdict import Row
from sluice.proof.gates.window import WindowSubject


@dataclass(frozen=True)
class RowsSubject:
    """Where rows come from: `take` gives so many at most, typed. `key` names the columns that tell which row it is."""

    name: str
    take: Callable[[int], Sequence[Row]]
    key: tuple[str, ...]


Subject: TypeAlias = WindowSubject | RowsSubject
"""Where a person's own suites look: a window of a live table, or rows where SQL cannot be asked."""


@dataclass(frozen=True)
class Asked:
    """What a suite's `meta.sluice` asks for: of a sample, only rows `where` columns have these values."""

    rows_at_most: int = 1000
    rows_at_least: int = 1
    where: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, meta: Mapping[str, Any]) -> Asked:
        """Read it; a word that is not known raises TypeError, so a slip of the pen is not a default."""
        return cls(**{name: value for name, value in meta.items() if name not in ("over", "of")})

    def wants(self, row: Row) -> bool:
        """Tell whether a row is one of those asked for."""
        return all(row.get(name) == value for name, value in self.where.items())


def rows_of(subject: RowsSubject, asked: Asked) -> list[Row]:
    """Take the sample that is asked for. Raises what the subject's store raises."""
    return [row for row in subject.take(asked.rows_at_most) if asked.wants(row)]


def table_of(facts: Mapping[str, Any], name: str) -> list[Row]:
    """Read a table among the facts. Raises ValueError where there is none."""
    told = facts.get(name)
    if not isinstance(told, str):
        raise ValueError(f"nobody knows {name}")
    rows = json.loads(told)
    if not isinstance(rows, list):
        raise ValueError(f"{name} is no table")
    return rows


def frame_of(rows: Sequence[Row]) -> Any:
    """Give rows as pandas' frame, each value as it is: no whole number becomes a float because a row lacks it."""
    import pandas

    columns = list(dict.fromkeys(name for row in rows for name in row))
    return pandas.DataFrame([[row.get(name) for name in columns] for row in rows], columns=columns, dtype=object)
