"""What the demo plays on: the sample estate made afresh, the application writing, and Airflow to be asked."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from types import TracebackType

from sluice.local import databases, machine
from sluice.local.airflow_api import FINISHED, AirflowApi, Approval
from sluice.local.certify import WorkloadProcess, seed
from sluice.local.demo.holders import clear_sample
from sluice.local.demo.options import Options
from sluice.local.demo.strangers import check_strangers
from sluice.local.settings import Settings
from sluice.stores.postgres import Connection, connect, rows
from sluice.stores.statements import statement

MIGRATIONS = ("user_sessions", "audit_log")
"""Both tables of the sample go the whole way, side by side: keys change in the second only, an identity never does."""
SPEAK_EVERY = 5.0


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
        """Run both migrations to a phase, approving what they ask. Raises RunFailed with the red tasks."""
        runs = {name: self.api.trigger(f"migrate__{name}", {"to_phase": to_phase, **conf}) for name in MIGRATIONS}
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
        red = [why for name, run in runs.items() if (why := self._why(name, run))]
        if red:
            raise RunFailed("\n".join(red))

    def _approve(self, name: str, run: str, approval: Approval) -> None:
        self.say(f"  Airflow asks: {approval.subject} The demo approves through the API; in your estate a person does.")
        self.api.answer(f"migrate__{name}", run, approval, "Approve")

    def _progress(self, name: str, run: str) -> str:
        """The phase that the run is in; in the backfill its share, rate and ETA."""
        now = {t.task_id for t in self.api.tasks(f"migrate__{name}", run) if t.state in ("running", "queued")}
        if "backfill.copy_lane" not in now:
            return f"{name}: {' '.join(sorted(task.split('.')[0] for task in now)) or 'between tasks'}"
        status = {row["migration"]: row for row in rows(self.mover, statement("marks.show_status"))}[name]
        done = f"{status['chunks_done']}/{status['chunks']} chunks"
        eta = "unknown" if status["eta"] is None else str(status["eta"]).split(".")[0]
        return f"{name}: {done}, {status['rows_per_second'] or 0:,} rows/s, ETA {eta}"

    def _writing(self) -> str:
        seen = self.app.progress
        return f"{seen.total.writes:,} writes acknowledged" if seen else "the application starts"

    def _why(self, name: str, run: str) -> str:
        dag_id = f"migrate__{name}"
        red = [t for t in self.api.tasks(dag_id, run) if t.state == "failed"]
        told = [self.api.task_log(dag_id, run, t.task_id, t.map_index, t.tries)[-1500:] for t in red]
        return "\n".join(f"{name}: {t.task_id} failed:\n{log}" for t, log in zip(red, told, strict=True))

    def _begin_afresh(self) -> None:
        """Stop runs that an interrupted demo left, drop the sample and make it anew. Raises Strangers, SampleHeld."""
        if not self.options.fresh:
            check_strangers(self.mover, MIGRATIONS)
        for name in MIGRATIONS:
            for run in self.api.fail_unfinished(f"migrate__{name}"):
                self.say(f"stopped {run} of migrate__{name}, left unfinished earlier")
        clear_sample(self.mover)
        seed(self.mover, rows=self.options.rows, report=self.say)


class RunFailed(Exception):
    """A run ended red; the message has the tail of each red task's log."""
