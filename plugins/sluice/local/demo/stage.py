"""What every demo plays on: runs of Airflow's scheduler, a person's part played, and mostly an application that writes."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from types import TracebackType
from typing import ClassVar, Self

from sluice.local import machine
from sluice.local.airflow_api import FINISHED, AirflowApi, Approval, AskedNoMore
from sluice.local.certify import WorkloadProcess
from sluice.local.demo.options import Options
from sluice.local.settings import Settings

SPEAK_EVERY = 5.0


class RunFailed(Exception):
    """A run ended red; the message has the tail of each red task's log."""


@dataclass
class Stage(ABC):
    """Opened as a context: what an earlier demo left is gone, and what this one plays on is there."""

    settings: Settings
    options: Options
    began: float
    runs: list[str] = field(default_factory=list)

    dag_ids: ClassVar[Sequence[str]]
    """What runs on it, and is ended first where an earlier demo left it unfinished."""

    @abstractmethod
    def begin_afresh(self) -> None:
        """Drop what an earlier demo left and make the sample anew. Raises where that is somebody else's."""

    @cached_property
    def api(self) -> AirflowApi:
        """Airflow, to be asked."""
        return machine.api(self.settings)

    def __enter__(self) -> Self:
        for dag_id in self.dag_ids:
            for run in self.api.fail_unfinished(dag_id):
                self.say(f"stopped {run} of {dag_id}, left unfinished earlier")
        self.begin_afresh()
        return self

    def __exit__(  # noqa: B027 - not every stage has something to end
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End what goes on."""

    def say(self, text: str) -> None:
        """Print a line with the time since the beginning."""
        minutes, seconds = divmod(int(time.monotonic() - self.began), 60)
        print(f"{minutes:02d}:{seconds:02d}  {text}", flush=True)

    def run_dags(self, dag_ids: Sequence[str], conf: Mapping[str, object], where: str = "") -> dict[str, str]:
        """Run DAGs side by side, approving what they ask, and wait until all are over; gives each one's run."""
        runs = {dag_id: self.api.trigger(dag_id, conf) for dag_id in dag_ids}
        self.runs += runs.values()
        self.say(f"Airflow runs {' and '.join(runs)}{where}")
        spoke = 0.0
        while unfinished := {d: r for d, r in runs.items() if self.api.run_state(d, r) not in FINISHED}:
            for dag_id, run in unfinished.items():
                for approval in self.api.approvals(dag_id, run):
                    self._approve(dag_id, run, approval)
            if time.monotonic() - spoke > SPEAK_EVERY:
                self.say(f"  {'; '.join([*(self.progress(d, r) for d, r in unfinished.items()), *self._meanwhile()])}")
                spoke = time.monotonic()
            time.sleep(0.7)
        return runs

    def red_in(self, dag_id: str, run: str) -> list[str]:
        """Name the tasks of a run that failed."""
        return [task.task_id for task in self.api.tasks(dag_id, run) if task.state == "failed"]

    def why_red(self, dag_id: str, run: str) -> str:
        """Tell the end of each red task's log."""
        red = [t for t in self.api.tasks(dag_id, run) if t.state == "failed"]
        told = [self.api.task_log(dag_id, run, t.task_id, t.map_index, t.tries)[-1500:] for t in red]
        return "\n".join(f"{dag_id}: {t.task_id} failed:\n{log}" for t, log in zip(red, told, strict=True))

    def progress(self, dag_id: str, run: str) -> str:
        """Say what a run does just now."""
        return f"{dag_id}: {' '.join(sorted(self.working(dag_id, run))) or 'between tasks'}"

    def working(self, dag_id: str, run: str) -> set[str]:
        """Name the tasks that run, or are about to."""
        return {t.task_id for t in self.api.tasks(dag_id, run) if t.state in ("running", "queued")}

    def _approve(self, dag_id: str, run: str, approval: Approval) -> None:
        self.say(f"  Airflow asks: {approval.subject} The demo approves through the API; in your estate a person does.")
        with suppress(AskedNoMore):  # whose task died while it asked asks anew, and is answered then
            self.api.answer(dag_id, run, approval, "Approve")

    def _meanwhile(self) -> list[str]:
        """Say what else goes on."""
        return []


class Written(Stage):
    """While it is open an application writes."""

    @abstractmethod
    def make_application(self) -> WorkloadProcess:
        """Make the application that writes; it is started by who opens the stage."""

    def __enter__(self) -> Self:
        super().__enter__()
        self.app: WorkloadProcess = self.make_application()
        self.app.ledger.unlink(missing_ok=True)
        self.app.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.app.__exit__()
        super().__exit__(kind, error, trace)

    def _meanwhile(self) -> list[str]:
        seen = self.app.progress
        return [f"{seen.total.writes:,} writes acknowledged" if seen else "the application starts"]
