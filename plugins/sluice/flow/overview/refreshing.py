"""The operator of `refresh_overview`: look at what only stores and the vault know, and leave it in the ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from sluice.errors import SluiceError
from sluice.estate import read_stores
from sluice.flow.connections import dsn_of
from sluice.flow.insight.collecting import unhurried
from sluice.flow.overview.sights import SIGHTS, Sight
from sluice.flow.project import ROOT
from sluice.flow.steps import check_words

if TYPE_CHECKING:
    from airflow.sdk import Context

    from sluice.ledger.seen import SeenThings

AT_ONCE = 4
"""So many are looked at at once: one that hangs must not hide the others."""


class RefreshOverview(BaseOperator):
    """Look at everything once, and then, as often as `params.looks` says, at what changes by the second."""

    ui_color = "#e8f1fb"

    def __init__(self, *, every: float = 15.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.every = every

    def execute(self, context: Context) -> dict[str, int]:
        """Give how many looks found something, and how many did not: those are no failure of this task, each is told on its page.

        Raises StoreDown where the ledger is down, EstateErrors.
        """
        from sluice.ledger.seen import SeenThings
        from sluice.stores.postgres import connect

        check_words(context)
        told = {"found": 0, "failed": 0}
        with unhurried(), connect(dsn_of(read_stores(ROOT).ledger.connection), purpose="refresh overview") as c:
            seen = SeenThings(c).prepare()
            for number in range(int(context["params"]["looks"])):
                if number:
                    time.sleep(self.every)
                for sight in SIGHTS:
                    if sight.often or not number:
                        found, failed = refresh(seen, sight, self.log.warning if not number else _say_nothing)
                        told["found"] += found
                        told["failed"] += failed
        return told


def refresh(seen: SeenThings, sight: Sight, say: Callable[..., None]) -> tuple[int, int]:
    """Look at all of a kind, and keep it; give how many were found and how many not. Raises StoreDown, EstateErrors."""
    subjects = list(sight.subjects())
    seen.forget_others(sight.kind, subjects)
    failed = 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        began = seen.now()
        looks = {subject: pool.submit(sight.look, subject) for subject in subjects}
        for subject, look in looks.items():
            failed += not _keep(seen, sight.kind, subject, began, look, say)
    return len(subjects) - failed, failed


def _keep(
    seen: SeenThings,
    kind: str,
    subject: str,
    began: datetime,
    look: Future[Mapping[str, Any]],
    say: Callable[..., None],
) -> bool:
    try:
        found = look.result()
    except SluiceError as why:
        seen.record_failure(kind, subject, began, str(why))
        say("%s of %s: %s", kind, subject, why)
        return False
    seen.record(kind, subject, began, found)
    return True


def _say_nothing(*told: object) -> None:
    """Once in a run is enough."""
