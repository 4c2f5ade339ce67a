"""The months that a run of the archive was at, as their ledgers have them, for a terminal."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING

from sluice.errors import SluiceError
from sluice.local.airflow_processes import use_connections
from sluice.local.tables import table

if TYPE_CHECKING:
    from sluice.upkeep.archive.ledger import Month


def months_table(datasets: Iterable[str], months: Collection[str]) -> str:
    """Lay out where the `months` of these datasets stand, their rows and where they are in the vault. Read only."""
    use_connections()
    shown, silent = [], []
    for name in datasets:
        try:
            shown += [_cells(month) for month in _months_of(name) if str(month.partition) in months]
        except SluiceError as why:
            silent.append(f"{name}: {why}")
    laid = [table(("month", "from, to", "state", "rows", "manifest"), shown)] if shown else []
    return "\n".join([*laid, *silent])


def _months_of(name: str) -> Iterator[Month]:
    from sluice.flow.keeping import opened_dataset
    from sluice.upkeep.archive.ledger import is_there, months_of
    from sluice.upkeep.partitions.looking import look
    from sluice.upkeep.partitions.there import branches_of

    with opened_dataset(name) as (dataset, c):
        for branch in branches_of(look(c, dataset)) if is_there(c) else ():
            yield from months_of(c, branch.table)


def _cells(month: Month) -> tuple[object, ...]:
    stored = (month.export.rows, month.export.key) if month.export else ("", "")
    return str(month.partition), str(month.span), month.standing, *stored
