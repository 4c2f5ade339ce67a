"""What stands beside a thing: a migration's own page, and the tabs of Airflow's UI for a DAG, a run and a task.

A tab shows what may be seen of its DAG, to who may read that DAG, and leads on to the page that shows more.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse, Response

from sluice.console.headers import LIVE
from sluice.console.pages import live_page
from sluice.console.waiting import waiting
from sluice.console.who import ReadableDags, may_read
from sluice.flow.overview.answering import opened
from sluice.overview.asked import Asked
from sluice.overview.beside import migration_of, of_dag, of_run, of_task, page_for
from sluice.overview.migrations.one import NoMigration, migration
from sluice.overview.pages import PAGES

router = APIRouter()
Asking = Callable[[], AbstractContextManager[Asked]]


def asking(readable: ReadableDags) -> Asking:
    """Give what opens the ledger for who asks."""
    return lambda: opened(waiting(), readable.__contains__)


FromLedger = Annotated[Asking, Depends(asking)]


@router.get("/migrations/{name}")
def show_migration(name: str, ledger: FromLedger) -> Response:
    """Show one migration."""
    with ledger() as asked:
        return _page("migration", migration(asked, name), below="migrations", wrong=asked.wrong)


@router.get("/of/{dag_id}", dependencies=[Depends(may_read)])
def show_dag(dag_id: str, ledger: FromLedger) -> Response:
    """Show beside a DAG what the ledger has of it: of a migration's, that migration."""
    name = migration_of(dag_id)
    with ledger() as asked:
        if name:
            try:
                return _page("migration", migration(asked, name), alone=True, wrong=asked.wrong)
            except NoMigration:
                pass  # it was not looked at yet
        return _page("of_dag", of_dag(asked, dag_id, page_for(dag_id, PAGES)), alone=True, wrong=asked.wrong)


@router.get("/of/{dag_id}/{run_id}", dependencies=[Depends(may_read)])
def show_run(dag_id: str, run_id: str, ledger: FromLedger) -> Response:
    """Show beside a run what it has left."""
    with ledger() as asked:
        return _page("of_run", of_run(asked, dag_id, run_id, page_for(dag_id, PAGES)), alone=True, wrong=asked.wrong)


@router.get("/of/{dag_id}/{run_id}/{task_id}", dependencies=[Depends(may_read)])
def show_task(dag_id: str, run_id: str, task_id: str, ledger: FromLedger, map_index: str = "-1") -> Response:
    """Show beside a task what it has left; Airflow writes no number for one that is alone."""
    with ledger() as asked:
        answer = of_task(asked, dag_id, run_id, task_id, index_of(map_index), page_for(dag_id, PAGES))
        return _page("of_run", answer, alone=True, wrong=asked.wrong)


def index_of(told: str) -> int:
    """Give which of several a task is, as an address says it; -1 for one that is alone, and for whatever is no number."""
    return int(told) if re.fullmatch(r"[0-9]{1,6}", told) else -1


def _page(name: str, answer: object, *, alone: bool = False, below: str | None = None, wrong: str = "") -> Response:
    return HTMLResponse(live_page(name, answer, alone=alone, below=below, wrong=wrong), headers=LIVE)
