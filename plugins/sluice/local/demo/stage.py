"""What every demo plays on: migrations run by Airflow's scheduler, side by side, and a person's part in them played."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import TracebackType
from typing import ClassVar, Self

from sluice.local import machine
from sluice.local.airflow_api import FINISHED, AirflowApi, Approval
from sluice.local.certify import WorkloadProcess
from sluice.local.demo.options import Options
from sluice.local.settings import Settings

SPEAK_EVERY = 5.0
LANES = "backfill.copy_lane"


class RunFailed(Exception):
    """A run ended red; the message has the tail of each red task's log."""


@dataclass
class Stage(ABC):
    """Opened as a context: the sample is seeded and its application writes until the context ends."""

    settings: Settings
    options: Options
    began: float
    runs: list[str] = field(default_factory=list)

    migrations: ClassVar[Sequence[str]]
    """What is moved, side by side."""

    @abstractmethod
    def begin_afresh(self) -> None:
        """Drop what an earlier demo left and make the sample anew. Raises where that is somebody else's."""

    @abstractmethod
    def make_application(self) -> WorkloadProcess:
        """Make the application that writes; it is started by who opens the stage."""

    @abstractmethod
    def copied(self, name: str) -> str:
        """Say how far a migration's copy is: its share, rate and ETA."""

    @cached_property
    def api(self) -> AirflowApi:
        """Airflow, to be asked."""
        return machine.api(self.settings)

    def __enter__(self) -> Self:
        for name in self.migrations:
            for run in self.api.fail_unfinished(f"migrate__{name}"):
                self.say(f"stopped {run} of migrate__{name}, left unfinished earlier")
        self.begin_afresh()
        self.app: WorkloadProcess = self.make_application()
        self.app.ledger.unlink(missing_ok=True)
        self.app.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.app.__exit__()

    def say(self, text: str) -> None:
        """Print a line with the time since the beginning."""
        minutes, seconds = divmod(int(time.monotonic() - self.began), 60)
        print(f"{minutes:02d}:{seconds:02d}  {text}", flush=True)

    def migrate(self, to_phase: str, **conf: object) -> None:
        """Run every migration to a phase, approving what they ask. Raises RunFailed with the red tasks."""
        red = [self.why(name, run) for name, run in self.run_all(to_phase, **conf).items() if self.red_tasks(name, run)]
        if red:
            raise RunFailed("\n".join(red))

    def run_all(self, to_phase: str, **conf: object) -> dict[str, str]:
        """Run every migration to a phase and wait until all are over; gives each one's run."""
        runs = {name: self.api.trigger(f"migrate__{name}", {"to_phase": to_phase, **conf}) for name in self.migrations}
        self.runs += runs.values()
        self.say(f"Airflow runs {' and '.join(f'migrate__{name}' for name in runs)} to {to_phase}")
        spoke = 0.0
        while unfinished := {n: r for n, r in runs.items() if self.api.run_state(f"migrate__{n}", r) not in FINISHED}:
            for name, run in unfinished.items():
                for approval in self.api.approvals(f"migrate__{name}", run):
                    self._approve(name, run, approval)
            if time.monotonic() - spoke > SPEAK_EVERY:
                self.say(f"  {'; '.join(self._progress(n, r) for n, r in unfinished.items())}; {self._writing()}")
                spoke = time.monotonic()
            time.sleep(0.7)
        return runs

    def red_tasks(self, name: str, run: str) -> list[str]:
        """Name the tasks of a run that failed."""
        return [task.task_id for task in self.api.tasks(f"migrate__{name}", run) if task.state == "failed"]

    def why(self, name: str, run: str) -> str:
        """Tell the end of each red task's log."""
        dag_id = f"migrate__{name}"
        red = [t for t in self.api.tasks(dag_id, run) if t.state == "failed"]
        told = [self.api.task_log(dag_id, run, t.task_id, t.map_index, t.tries)[-1500:] for t in red]
        return "\n".join(f"{name}: {t.task_id} failed:\n{log}" for t, log in zip(red, told, strict=True))

    def _approve(self, name: str, run: str, approval: Approval) -> None:
        self.say(f"  Airflow asks: {approval.subject} The demo approves through the API; in your estate a person does.")
        self.api.answer(f"migrate__{name}", run, approval, "Approve")

    def _progress(self, name: str, run: str) -> str:
        """The phase that the run is in; in the backfill how far it is."""
        now = {t.task_id for t in self.api.tasks(f"migrate__{name}", run) if t.state in ("running", "queued")}
        if LANES in now:
            return f"{name}: {self.copied(name)}"
        return f"{name}: {' '.join(sorted(task.split('.')[0] for task in now)) or 'between tasks'}"

    def _writing(self) -> str:
        seen = self.app.progress
        return f"{seen.total.writes:,} writes acknowledged" if seen else "the application starts"
