"""The operator of `refresh_overview`: look at what only stores and the vault know, and leave it in the ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
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

    from sluice.ledger.seen import Kind, SeenThings

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

        Raises StoreDown where the ledger is down, EstateErrors; at its end, whatever a look has raised that no store says.
        """
        from sluice.ledger.control import Control
        from sluice.ledger.samples import Samples
        from sluice.ledger.seen import SeenThings
        from sluice.overview.looked import REFRESHES
        from sluice.stores.postgres import connect

        check_words(context)
        looks, told = int(context["params"]["looks"]), Refreshed()
        with unhurried(), connect(dsn_of(read_stores(ROOT).ledger.connection), purpose="refresh overview") as c:
            Control(c, "", "").prepare()  # pages read all of it, and make nothing
            Samples(c).prepare()
            seen, until = SeenThings(c).prepare(), time.monotonic() + looks * self.every
            while time.monotonic() < until:  # and not so many times: where stores do not answer, each look takes long
                first = not told.looks
                for sight in SIGHTS:
                    if sight.often or first:
                        told += refresh(seen, sight, self.log.warning if first else _say_nothing)
                seen.note_looked(REFRESHES)
                time.sleep(max(0.0, min(self.every, until - time.monotonic())))
        if told.mistakes:
            raise told.mistakes[0]
        return {"found": told.looks - told.failed, "failed": told.failed}


@dataclass(frozen=True)
class Refreshed:
    """What came of looks."""

    looks: int = 0
    failed: int = 0
    mistakes: tuple[Exception, ...] = ()
    """What they raised that is none of a store's: a mistake of ours, which keeps no other look from being made."""

    def __add__(self, other: Refreshed) -> Refreshed:
        return Refreshed(self.looks + other.looks, self.failed + other.failed, self.mistakes + other.mistakes)


def refresh(seen: SeenThings, sight: Sight, say: Callable[..., None]) -> Refreshed:
    """Look at all of a kind, and keep what is found, or why nothing is. Raises StoreDown, of the ledger, and EstateErrors."""
    subjects = list(sight.subjects())
    seen.forget_others(sight.kind, subjects)
    told = Refreshed()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        began = seen.now()
        looks = {subject: pool.submit(sight.look, subject) for subject in subjects}
        for subject, look in looks.items():
            told += _kept(seen, sight.kind, subject, began, look, say)
    return told


def _kept(
    seen: SeenThings,
    kind: Kind,
    subject: str,
    began: datetime,
    look: Future[Mapping[str, Any]],
    say: Callable[..., None],
) -> Refreshed:
    why = look.exception()
    if why is None:
        seen.record(kind, subject, began, look.result())
        return Refreshed(1)
    ours = not isinstance(why, SluiceError)
    text = f"{type(why).__name__}: {why}" if ours else str(why)
    seen.record_failure(kind, subject, began, text)
    say("%s of %s: %s", kind, subject, text)
    if not isinstance(why, Exception):
        raise why
    return Refreshed(1, 1, (why,) if ours else ())


def _say_nothing(*told: object) -> None:
    """Once in a run is enough."""
