"""What the demo plays on: the sample estate made afresh, the application writing, and Airflow to be asked."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from types import TracebackType

from sluice.local import databases, machine
from sluice.local.airflow_api import AirflowApi, Approval
from sluice.local.certify import WorkloadProcess, seed
from sluice.local.demo.options import Options
from sluice.local.settings import Settings
from sluice.stores.postgres import Connection, connect
from sluice.stores.statements import statement

MIGRATION = "user_sessions"
DAG_ID = f"migrate__{MIGRATION}"


@dataclass
class Stage:
    """Opened as a context: the sample is seeded and the application writes until the context ends."""

    settings: Settings
    options: Options
    began: float
    runs: list[str] = field(default_factory=list)

    def __enter__(self) -> Stage:
        self.api: AirflowApi = machine.api(self.settings)
        self.mover: Connection = connect(self.settings.dsn("certify"), purpose="demo")
        self._begin_afresh()
        ledger = self.settings.state_dir / "certify-ledger.jsonl"
        ledger.unlink(missing_ok=True)
        dsn = self.settings.dsn("certify", databases.APPLICATION)
        self.app = WorkloadProcess(dsn, ledger, rate=self.options.rate)
        self.app.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.app.__exit__()
        self.mover.close()

    def say(self, text: str) -> None:
        """Print a line with the time since the beginning."""
        minutes, seconds = divmod(int(time.monotonic() - self.began), 60)
        print(f"{minutes:02d}:{seconds:02d}  {text}", flush=True)

    def migrate(self, to_phase: str, **conf: object) -> None:
        """Run the migration's DAG to a phase, approving what it asks. Raises RunFailed with the red tasks."""
        run = self.api.trigger(DAG_ID, {"to_phase": to_phase, **conf})
        self.runs.append(run)
        self.say(f"Airflow runs {DAG_ID} to {to_phase}")
        told, spoke = "", 0.0
        while (state := self.api.run_state(DAG_ID, run)) not in ("success", "failed"):
            for approval in self.api.approvals(DAG_ID, run):
                self._approve(run, approval)
            line = self._progress(run)
            if line != told or time.monotonic() - spoke > 10:
                self.say(f"  {line}; {self._writing()}")
                told, spoke = line, time.monotonic()
            time.sleep(0.7)
        if state == "failed":
            raise RunFailed(self._why(run))

    def _approve(self, run: str, approval: Approval) -> None:
        self.say(f"  Airflow asks: {approval.subject} The demo approves through the API; in your estate a person does.")
        self.app.mark(f"{PHASE_OF[approval.task_id]}_{len(self.runs)}")
        self.api.answer(DAG_ID, run, approval, "Approve")

    def _progress(self, run: str) -> str:
        now = [t.task_id for t in self.api.tasks(DAG_ID, run) if t.state in ("running", "queued", "scheduled")]
        return ", ".join(sorted(set(now))) or "between tasks"

    def _writing(self) -> str:
        seen = self.app.progress
        return f"{seen.total.writes:,} writes acknowledged so far" if seen else "the application starts"

    def _why(self, run: str) -> str:
        red = [t for t in self.api.tasks(DAG_ID, run) if t.state == "failed"]
        told = [self.api.task_log(DAG_ID, run, t.task_id, t.map_index, t.tries)[-1500:] for t in red]
        return "\n".join(f"{t.task_id} failed:\n{log}" for t, log in zip(red, told, strict=True))

    def _begin_afresh(self) -> None:
        """Stop runs that an interrupted demo left, drop the sample and make it anew."""
        for run in self.api.fail_unfinished(DAG_ID):
            self.say(f"stopped {run}, left by an earlier demo")
        self.mover.execute(statement("demo.clear_sample"))
        if self.mover.execute(statement("releases.find_history")).fetchone() == {"there": True}:
            self.mover.execute(statement("demo.clear_releases"))
        seed(self.mover, rows=self.options.rows, report=self.say)


class RunFailed(Exception):
    """A run ended red; the message has the tail of each red task's log."""


PHASE_OF = {"cutover.approve_cutover": "cutover", "retire.approve_retire": "retire"}
