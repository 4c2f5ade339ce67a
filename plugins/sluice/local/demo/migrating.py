"""A stage on which tables are moved, side by side: each by a migration of its own."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from sluice.local.demo.stage import RunFailed, Written

FAMILY = "migrate__"
LANES = "backfill.copy_lane"


class Migrating(Written):
    """Its runs go by the names of migrations."""

    migrations: ClassVar[Sequence[str]]
    """What is moved."""

    def __init_subclass__(cls) -> None:
        cls.dag_ids = [f"{FAMILY}{name}" for name in cls.migrations]

    @abstractmethod
    def copied(self, name: str) -> str:
        """Say how far a migration's copy is: its share, rate and ETA."""

    def migrate(self, to_phase: str, **conf: object) -> None:
        """Run every migration to a phase, approving what they ask. Raises RunFailed with the red tasks."""
        red = [self.why(name, run) for name, run in self.run_all(to_phase, **conf).items() if self.red_tasks(name, run)]
        if red:
            raise RunFailed("\n".join(red))

    def run_all(self, to_phase: str, **conf: object) -> dict[str, str]:
        """Run every migration to a phase and wait until all are over; gives each one's run."""
        runs = self.run_dags(self.dag_ids, {"to_phase": to_phase, **conf}, f" to {to_phase}")
        return {dag_id.removeprefix(FAMILY): run for dag_id, run in runs.items()}

    def red_tasks(self, name: str, run: str) -> list[str]:
        """Name the tasks of a migration's run that failed."""
        return self.red_in(f"{FAMILY}{name}", run)

    def why(self, name: str, run: str) -> str:
        """Tell the end of each red task's log."""
        return self.why_red(f"{FAMILY}{name}", run)

    def progress(self, dag_id: str, run: str) -> str:
        """The phase that the run is in; in the backfill how far it is."""
        name, now = dag_id.removeprefix(FAMILY), self.working(dag_id, run)
        if LANES in now:
            return f"{name}: {self.copied(name)}"
        return f"{name}: {' '.join(sorted(task.split('.')[0] for task in now)) or 'between tasks'}"
