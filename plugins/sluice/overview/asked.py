"""What an answer is made from, and what all answers have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sluice.estate import Estate
from sluice.stores.postgres import Connection


@dataclass(frozen=True)
class Waiting:
    """A question in Airflow that waits for a person."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    subject: str
    since: datetime | None

    @property
    def link(self) -> str:
        """Where it is answered, below Airflow's address."""
        from sluice.overview.links import question_path

        return question_path(self.dag_id, self.run_id, self.task_id, self.map_index)


@dataclass(frozen=True)
class Asked:
    """Who asks, when, and what there is to answer from."""

    ledger: Connection
    """Its schemas are there, and as new as this version knows them."""
    estate: Estate
    """The stores of estate.yaml."""
    now: datetime
    """By the ledger's clock, in UTC."""
    waiting: Sequence[Waiting]
    may_read: Callable[[str], bool]
    """Whether who asks may read a DAG: what lies behind one that they may not is left out of every answer."""
    wrong: str = ""
    """What is wrong in estate.yaml now, a mistake a line: `estate` is of before then."""
