"""How a table's partitions stand: what is missing, what is odd, and what is less closed than the table itself. Read only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import TypeAlias

from sluice.estate.dataset import Dataset
from sluice.stores.postgres import Connection, Row, one, rows
from sluice.stores.statements import statement
from sluice.upkeep.partitions.headroom import least_headroom
from sluice.upkeep.partitions.looking import find_strays, kept_by_another, look
from sluice.upkeep.partitions.naming import is_late
from sluice.upkeep.partitions.planning import MOST, plan
from sluice.upkeep.partitions.spans import BEGIN, END, Span, span_at
from sluice.upkeep.partitions.there import Branch, Partition, branches_of, leaves_of

Facts: TypeAlias = Mapping[str, float | int | str]
SHOWN = 10
"""How many of each are named."""


def audit(c: Connection, dataset: Dataset, now: datetime) -> Facts:
    """Give the facts that the gate judges, as of `now`. Raises what `look` raises."""
    branch = look(c, dataset)
    others = kept_by_another(c, dataset)
    left = [] if others else plan(branch, dataset, now, find_strays(c, branch, dataset))
    ranged = [one for one in branches_of(branch) if one.how == "range"]
    holes = [f"{one.table}: {gap}" for one in ranged for gap in gaps(one)]
    odd = [f"{one.table}: {span}" for one in ranged for span in odd_spans(one, dataset)]
    leaving = [str(part.table) for above in branches_of(branch) for part in above.partitions if part.leaving]
    unlike = [f"{row['partition']}: {row['what']} ({row['cure']})" for row in find_unlike(c, branch)]
    invalid = [row["index"] for row in rows(c, statement("partitions.list_invalid_indexes"), oid=branch.oid)]
    ahead, leaves = least_headroom(branch, now), [part for _, part in leaves_of(branch)]
    return {
        "partitions": len(leaves),
        "kept_by_another": int(others),
        **_told("left_to_make", list(map(str, left))),
        **_told("gaps", holes),
        **_told("odd_bounds", odd),
        **_told("leaving", leaving),
        **_told("unlike", unlike),
        **_told("invalid_indexes", invalid),
        **_told("too_many", [_too_many(branch, leaves)] if len(leaves) > MOST else []),
        "default_rows": sum(_rows_in_defaults(c, branch)),
        "headroom_days": ahead.days,
        "headline": ahead.headline,
    }


def find_unlike(c: Connection, branch: Branch) -> list[Row]:
    """Find partitions that are less closed than the table: `partition`, `what`, and the SQL that is its `cure`."""
    return rows(c, statement("partitions.find_unlike"), oid=branch.oid)


def _too_many(branch: Branch, leaves: Sequence[Partition]) -> str:
    """Say how many there are, and what can be done."""
    late = sum(1 for one in leaves if is_late(one.table))
    return (
        f"{branch.table} has {len(leaves):,} partitions, and more than {MOST:,} slow every plan: cut it into larger pieces"
        + (
            f". {late:,} are for rows that come late to months that have left: with `late: refuse` the empty ones may be dropped"
            if late
            else ", or say in its file after how long they go (`retention`)"
        )
    )


def gaps(branch: Branch) -> list[Span]:
    """Give what lies between two partitions and is in none."""
    return [Span(a.upper, b.lower) for a, b in pairwise(branch.spans) if a.upper < b.lower]


def odd_spans(branch: Branch, dataset: Dataset) -> list[Span]:
    """Give the partitions that do not begin and end where a month, week or day of UTC does: made in another time zone."""
    every = next((cut.every for cut in dataset.partition.cuts if cut.every), "month")
    return [span for span in branch.spans if not all(_on_edge(edge, every) for edge in (span.lower, span.upper))]


def _on_edge(moment: datetime, every: str) -> bool:
    return moment in (BEGIN, END) or span_at(moment, every).lower == moment  # type: ignore[arg-type]


def _rows_in_defaults(c: Connection, branch: Branch) -> Iterator[int]:
    for above in branches_of(branch):
        if above.default and above.default.branch is None:
            yield one(c, statement("partitions.count_rows", partition=above.default.table.identifier))["rows"]


def _told(name: str, found: list[str]) -> dict[str, int | str]:
    """Give how many there are, and the first of them by name."""
    more = [f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    return {name: len(found), f"{name}_told": "; ".join([*found[:SHOWN], *more])}
