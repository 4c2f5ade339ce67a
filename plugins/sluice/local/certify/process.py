"""The live workload as a child process, so that the demo's own Python does not colour the waiting times.

The same verbs as Workload; a command a line goes in and a JSON answer comes out. The address travels in the
environment, where `ps` does not show it.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any

from sluice.local.certify.acknowledged import Acknowledged
from sluice.local.certify.crew import GRACE, WorkloadStuck
from sluice.local.certify.tally import Snapshot

DSN_VARIABLE = "SLUICE_CERTIFY_DSN"
PLUGINS = Path(__file__).resolve().parents[3]
ANSWER = 30.0  # seconds for any answer but that of a burst


class WorkloadProcess:
    """A workload in a child process. What was acknowledged is in the file `ledger` after `pause` or `stop`.

    A file that is there already is gone on from: remove it when the database is a new one. `dsn` is the address as
    `module`, the application's, reads it. What is older than `since`, users leave alone.
    """

    def __init__(
        self,
        dsn: str,
        ledger: Path,
        *,
        seed: int = 1,
        writers: int = 4,
        rate: float = 200.0,
        module: str = "sluice.local.certify",
        since: str | None = None,
    ) -> None:
        self.ledger = ledger
        self.measured: dict[str, Any] = {}
        self._dsn = dsn
        self._module = module
        self._arguments = [
            "--seed",
            str(seed),
            "--writers",
            str(writers),
            "--rate",
            str(rate),
            "--ledger",
            str(ledger),
            *(["--since", since] if since else []),
        ]
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self._latest: Snapshot | None = None
        self._child: subprocess.Popen[str] | None = None
        self._phase = "running"

    def __enter__(self) -> WorkloadProcess:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._child is not None:
            self.stop()

    def start(self) -> None:
        """Start the child and wait until its writers go. Raises WorkloadStuck."""
        path = os.pathsep.join(filter(None, (str(PLUGINS), os.environ.get("PYTHONPATH"))))
        self._answers = queue.Queue()
        self._child = subprocess.Popen(
            [sys.executable, "-m", self._module, *self._arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            start_new_session=True,  # a Ctrl-C is the parent's: the child goes when its input ends
            env={**os.environ, "PYTHONPATH": path, DSN_VARIABLE: self._dsn},
        )  # fmt: skip
        Thread(target=self._listen, args=(self._child,), daemon=True).start()
        try:
            self._wait_for("started")
        except WorkloadStuck:
            self._let_go()
            raise

    def stop(self) -> Snapshot:
        """Stop the writers, have the ledger written and the child gone. Gives the last report.

        Raises WorkloadStuck.
        """
        try:
            self._tell("stop")
            stopped = self._wait_for("stopped", 2 * GRACE + ANSWER)
            self.measured = stopped["measured"]
            self._latest = Snapshot.from_json(stopped["snapshot"])
            return self._latest
        finally:
            self._let_go()

    def mark(self, name: str) -> None:
        """From now on it is phase `name` (one word)."""
        self._ask(f"phase {name}", "phase")
        self._phase = name

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Be in phase `name` for a while, then in the one before."""
        before = self._phase
        self.mark(name)
        try:
            yield
        finally:
            self.mark(before)

    def burst(self, writes: int, timeout: float = 300.0) -> float:
        """Have at least `writes` more acknowledged, as fast as they go. Gives the seconds."""
        return float(self._ask(f"burst {writes} {timeout}", "burst", timeout + ANSWER)["seconds"])

    def pause(self) -> Acknowledged:
        """Rest the writers and give what was acknowledged, so that it can be verified exactly."""
        self._ask("pause", "paused", 2 * GRACE + ANSWER)
        return self.acknowledged

    def resume(self) -> None:
        """Let the writers go on after `pause`."""
        self._ask("resume", "resumed")

    def snapshot(self) -> Snapshot:
        """Report as it stands now."""
        return Snapshot.from_json(self._ask("snapshot", "snapshot")["snapshot"])

    @property
    def progress(self) -> Snapshot | None:
        """The report of a second ago, without asking; None before the first."""
        return self._latest

    @property
    def acknowledged(self) -> Acknowledged:
        """What was acknowledged, as of the last `pause` or `stop`."""
        return Acknowledged.load(self.ledger)

    def _ask(self, command: str, event: str, timeout: float = ANSWER) -> dict[str, Any]:
        self._tell(command)
        return self._wait_for(event, timeout)

    def _tell(self, command: str) -> None:
        pipe = self._running().stdin
        assert pipe is not None  # it was opened as a pipe
        try:
            pipe.write(command + "\n")
            pipe.flush()
        except BrokenPipeError as error:
            raise WorkloadStuck(
                f"the workload is gone; {command!r} could not be said. Its errors are above."
            ) from error

    def _wait_for(self, event: str, timeout: float = ANSWER) -> dict[str, Any]:
        try:
            answer = self._answers.get(timeout=timeout)
        except queue.Empty as error:
            raise WorkloadStuck(f"the workload did not answer {event!r} in {timeout:.0f} s.") from error
        if answer["event"] != event:
            raise WorkloadStuck(f"the workload answered {answer} and not {event!r}.")
        return answer

    def _listen(self, child: subprocess.Popen[str]) -> None:
        answers = self._answers
        assert child.stdout is not None  # it was opened as a pipe
        with child.stdout as lines:
            for answer in map(json.loads, lines):
                if answer["event"] == "progress":
                    self._latest = Snapshot.from_json(answer["snapshot"])
                else:
                    answers.put(answer)
        answers.put({"event": "gone"})

    def _let_go(self) -> None:
        """End the child's input and wait for it; kill it when it does not go."""
        child, self._child = self._running(), None
        with suppress(BrokenPipeError):
            if child.stdin is not None:
                child.stdin.close()
        try:
            child.wait(timeout=GRACE)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def _running(self) -> subprocess.Popen[str]:
        if self._child is None:
            raise WorkloadStuck("the workload is not started.")
        return self._child
