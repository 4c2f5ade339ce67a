"""What a table's policy would do to the partitions that are there, as text. Read only."""

from __future__ import annotations

from sluice.estate.dataset import Dataset
from sluice.stores.postgres import Connection
from sluice.upkeep.archive.simulating import simulate
from sluice.upkeep.partitions.looking import find_now, look
from sluice.upkeep.partitions.there import branches_of


def foresee(c: Connection, dataset: Dataset) -> str:
    """Say for each of the months to come what goes, what is held, and how many partitions stay. Nothing is changed."""
    if dataset.retention is None:
        return f"{dataset.table}: its file has no `retention`. Everything stays."
    now = find_now(c)
    told = []
    for branch in branches_of(look(c, dataset)):
        if branch.how == "range":
            foreseen = simulate(branch.spans, dataset, dataset.retention, now)
            told += [f"{branch.table}:", *(f"  {month}" for month in foreseen)]
    return "\n".join(told)
