"""A machine of its own whose tasks and scheduler die where a drill says so, and what must hold when all is over."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sluice import failpoints
from sluice.local import airflow_processes, databases, machine
from sluice.local.airflow_api import FINISHED, AirflowApi, AskedNoMore, TaskState
from sluice.local.certify import WorkloadProcess, seed, verify
from sluice.local.machine import VAULT_BUCKET
from sluice.local.ports import free_port
from sluice.local.processes import Process, family_of, look
from sluice.local.settings import PORT_SETTINGS, ROOT, Settings
from sluice.local.waiting import wait_for
from sluice.proof.gates.evidence import read
from sluice.stores.objects import Vault
from sluice.stores.postgres import Row, connect, rows

from tests.e2e.driver import DAG, Driver

ROWS = 2_000
RATE = 40.0
STILL = 180
"""Below the five minutes after which Airflow itself looks for the tasks of a dead scheduler, unless it is told otherwise."""
CHUNK_ROWS = 200
"""So that there are chunks to die in."""

_SOON = '''

def task_policy(task):
    """For the drill: tried again at once."""
    from datetime import timedelta

    task.retry_delay = timedelta(seconds=0.1)
    task.retry_exponential_backoff = 0
    task.retries = {retries}
'''
"""Added to the file in which Airflow looks for a house's own policies: the DAGs themselves stay as they are."""


@dataclass
class Killing:
    """Airflow, armed; `notes` is where each failpoint that fired has left its note; `app` writes until `judge`.

    `asked` holds the body of each question, by the task that asked it.
    """

    driver: Driver
    notes: Path
    app: WorkloadProcess
    asked: dict[str, str] = field(default_factory=dict)

    def run(self, to_phase: str, then: dict[str, Callable[[Killing], None]] | None = None, **conf: object) -> str:
        """Run to a phase and give the run's id. Whatever it asks is approved.

        `then` says what happens when a failpoint has fired, a task has succeeded, or one asks. A run in which nothing
        changes for STILL seconds hangs: that is a finding, and says where.
        """
        left, api = dict(then or {}), self.api
        seen, since = list[TaskState](), time.monotonic()
        run = api.trigger(DAG, {"to_phase": to_phase, "chunk_rows": CHUNK_ROWS, **conf})
        while (state := api.run_state(DAG, run)) not in FINISHED:
            for what in [what for what in left if self._has_come(what, run)]:
                left.pop(what)(self)
            for question in api.approvals(DAG, run):
                if happens := left.pop(question.task_id, None):
                    happens(self)
                self.asked[question.task_id] = question.body
                with suppress(AskedNoMore):  # who was killed while it asked asks anew, and is answered then
                    api.answer(DAG, run, question, "Approve")
            if (now := api.tasks(DAG, run)) != seen:
                seen, since = now, time.monotonic()
            assert time.monotonic() < since + STILL, f"{run} hangs: {self._told(run)}"
            time.sleep(0.2)
        assert state == "success", f"{run} ended as {state}: {self._told(run)}"
        assert not left, f"nobody came to {', '.join(left)}"
        return run

    @property
    def api(self) -> AirflowApi:
        """Airflow, asked as its administrator."""
        return self.driver.api

    @property
    def scheduler(self) -> Process:
        """Airflow's scheduler, under which every task runs."""
        return next(one for one in airflow_processes.processes(self.driver.settings) if one.name == "scheduler")

    def kill_scheduler(self) -> None:
        """SIGKILL for the scheduler alone: what it has started goes on, and nobody hears of it."""
        pid = self.scheduler.pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_for("the scheduler's death", lambda: self.scheduler.pid() is None, seconds=10)

    def restart(self) -> None:
        """What a person does: `./sluice up`. Nothing of the dead one is left."""
        orphans = family_of([self.scheduler])
        assert orphans, "it had nobody"
        machine.up(quiet=True)
        assert not [pid for pid in orphans if look(pid)], "the dead one's workers live on, and `down` cannot find them"

    def fired(self) -> set[str]:
        """Give the failpoints that have fired since the last `forget`."""
        return {note.name for note in self.notes.iterdir()}

    def forget(self) -> None:
        """Let every failpoint fire once more."""
        for note in self.notes.iterdir():
            note.unlink()

    def rest(self) -> None:
        """Let nobody die until the next `forget`."""
        for edge in failpoints.NAMES:
            (self.notes / edge).touch()

    def compare(self) -> None:
        """While two tables are in step, they are the same."""
        diff = self.driver.kind.diff()
        assert diff.clean, diff.samples
        assert diff.source_rows == diff.target_rows == diff.compared > 0

    def judge(self) -> None:
        """No acknowledged write is lost, no user saw an error, and users can write still."""
        self.app.burst(20)
        seen = self.app.stop()
        report = verify(self.driver.mover, self.app.acknowledged)
        print(f"{report}; {seen.total.writes:,} writes")
        assert report.ok, report
        assert seen.total.user_errors == 0, seen.total.samples

    def ledger(self, query: str) -> list[Row]:
        """Ask the ledger."""
        with connect(self.driver.settings.dsn("sluice"), purpose="e2e") as ledger:
            return rows(ledger, query)

    def check_ledger(self) -> None:
        """Control tells one unbroken way, and its end is where the marks stand."""
        told = self.ledger("SELECT step, from_phase, to_phase, epoch FROM control.transition ORDER BY id")
        assert [t["from_phase"] for t in told] == ["planned", *(t["to_phase"] for t in told[:-1])], told
        assert "reconcile" not in {t["step"] for t in told}, told
        now = self.driver.kind.position()
        assert (told[-1]["to_phase"], told[-1]["epoch"]) == (str(now.phase), now.epoch)

    def evidence(self, run: str) -> tuple[list[Row], set[str]]:
        """Give what the ledger names of a run, each found in the vault as it was sealed, and all that the vault holds."""
        client = machine.object_store(self.driver.settings).client()
        vault = Vault(client, VAULT_BUCKET)
        named = [e for e in self.ledger("SELECT * FROM control.evidence ORDER BY id") if e["run"] == run]
        for one in named:
            assert read(vault, one["key"], one["sha256"]).intact, one
        client.close()
        return named, set(vault.list(f"evidence/{DAG}/{run}/"))

    def _has_come(self, what: str, run: str) -> bool:
        return (self.notes / what).exists() or any(
            task.task_id == what and task.state == "success" for task in self.api.tasks(DAG, run)
        )

    def _told(self, run: str) -> str:
        tasks = [task for task in self.api.tasks(DAG, run) if task.state not in ("success", "skipped", None)]
        red = [t for t in tasks if t.state == "failed"]
        logs = "\n".join(self.api.task_log(DAG, run, t.task_id, t.map_index, t.tries)[-1500:] for t in red)
        return f"{tasks}, fired: {sorted(self.fired())}\n{logs}"


@contextmanager
def killing(folder: Path, *, kill: Iterable[str], sleep: Iterable[str] = (), retries: int = 3) -> Iterator[Killing]:
    """Bring up Airflow with failpoints armed, each for one time, seed the sample and let its application write."""
    notes = folder / "notes"
    notes.mkdir()
    assert failpoints.NAMES, "imported before the variable is set: whoever tests is not to die"
    armed = [*(f"{edge}=kill" for edge in kill), *(f"{edge}=sleep:6" for edge in sleep)]
    policy = _SOON.format(retries=retries)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLUICE_STATE_DIR", str(folder / "state"))
        patch.setenv("SLUICE_DAGS_DIR", str(_dags(folder / "dags")))
        for name in PORT_SETTINGS.values():
            patch.setenv(name, str(free_port()))
        patch.setenv(failpoints.VARIABLE, ",".join(armed))
        patch.setenv(failpoints.ONCE_VARIABLE, str(notes))
        # A dead scheduler is taken for dead sooner, or each of its deaths would cost half a minute.
        patch.setenv("AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD", "15")
        patch.setattr(airflow_processes, "_PRELOAD", airflow_processes._PRELOAD + policy)
        try:
            with _at_work(machine.up(quiet=True), notes, folder / "acknowledged.jsonl") as made:
                yield made
        finally:
            machine.down()


def _dags(folder: Path) -> Path:
    """The DAG of migrations alone: what others do beside it would die at the edges meant for it, and takes half the machine."""
    folder.mkdir()
    shutil.copy(ROOT / "dags/migrate.py", folder)
    return folder


@contextmanager
def _at_work(settings: Settings, notes: Path, ledger: Path) -> Iterator[Killing]:
    application = settings.dsn("certify", databases.APPLICATION)
    with connect(settings.dsn("certify"), purpose="e2e") as mover:
        seed(mover, rows=ROWS, report=lambda line: None)
        with WorkloadProcess(application, ledger, rate=RATE) as app:
            yield Killing(Driver(settings, machine.api(settings), mover), notes, app)
