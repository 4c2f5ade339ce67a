"""Shows pages at a terminal: of all of them, or of one, as tables or as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sluice.errors import SluiceError, Terminal
from sluice.estate.mistakes import choice
from sluice.local.airflow_processes import use_connections

if TYPE_CHECKING:
    from rich.table import Table

    from sluice.overview.asked import Waiting

WIDE = 160
Tables = Callable[[Any], Iterable["Table"]]


class NoPage(Terminal):
    """The console has no page of that name."""


def show(name: str | None, *, as_data: bool) -> None:
    """Print a page, or all of them. Raises NoPage, NoConnection, StoreDown, EstateErrors."""
    from rich.console import Console

    found = answers(name)
    if as_data:
        from sluice.overview.as_json import as_json

        print(json.dumps({page: as_json(answer) for page, answer in found.items()}, indent=2))
        return
    console = Console(markup=False)  # what a store or a person calls a thing is text, whatever is in it
    if not console.is_terminal:
        console = Console(markup=False, width=WIDE)  # a file or a pipe has no width of its own
    for page, answer in found.items():
        for table in laid_out()[page](answer):
            console.print(table)


def answers(name: str | None) -> dict[str, Any]:
    """Answer a page, or all of them, by name. Raises NoPage, NoConnection, StoreDown, EstateErrors."""
    from sluice.overview.pages import PAGES

    if name and name not in PAGES:
        raise NoPage(f"There is no page {name!r}. There are: {choice(name, PAGES)}")
    use_connections()
    from sluice.flow.overview.answering import opened

    with opened(_waiting(), lambda dag_id: True) as asked:
        return {page: PAGES[page].answer(asked) for page in ([name] if name else PAGES)}


def laid_out() -> Mapping[str, Tables]:
    """Give what lays out each page."""
    from sluice.local.standing import capacity, drills, estate, migrations, partitions, quality

    return {
        "estate": estate.tables,
        "migrations": migrations.tables,
        "partitions": partitions.tables,
        "drills": drills.tables,
        "capacity": capacity.tables,
        "quality": quality.tables,
    }


def _waiting() -> list[Waiting]:
    """Ask Airflow which questions wait; where it is down, none are known."""
    from sluice.local import machine
    from sluice.local.settings import load
    from sluice.overview.asked import Waiting

    try:
        found = machine.api(load()).approvals()
    except SluiceError:
        return []
    return [Waiting(one.dag_id, one.run_id, one.task_id, one.map_index, one.subject, one.created_at) for one in found]
