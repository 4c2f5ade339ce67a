"""Long-running processes, each in a session of its own: start one, know it again later, end it with all it started.

What is written down is a process id *and* the moment the kernel started it, so after a reboot, or when a number is
used again, a stranger is never taken for ours. Linux only: everything is read from /proc.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sluice.errors import Terminal

_BOOT = Path("/proc/sys/kernel/random/boot_id")
# They outlive us on purpose: without a reference, Python would warn about each that still runs.
_CHILDREN: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True)
class Seen:
    """A living process as /proc shows it. `started` is in clock ticks since boot."""

    pid: int
    parent: int
    session: int
    started: int


@dataclass(frozen=True)
class Process:
    """One of ours, by the file in which its number is written down."""

    name: str
    record: Path
    log: Path

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start it, apart from our terminal, unless it runs already."""
        if self.pid() is not None:
            return
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("w") as log:
            child = subprocess.Popen(
                command,
                env=dict(environment),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        _CHILDREN.append(child)
        seen = look(child.pid)
        record = {"pid": child.pid, "started": seen.started if seen else 0, "boot": _BOOT.read_text()}
        self.record.parent.mkdir(parents=True, exist_ok=True)
        self.record.write_text(json.dumps(record))

    def pid(self) -> int | None:
        """Give its process id while it lives."""
        kept = self._kept()
        seen = look(kept["pid"]) if kept else None
        return seen.pid if kept and seen and seen.started == kept["started"] else None

    def was_started(self) -> bool:
        """Tell whether it was started and never ended by us: dead then means it died."""
        return self.record.exists()

    def session(self) -> int | None:
        """Give the session in which its children live, also when it died before them.

        The kernel does not use a number again while a session carries it. So if a process of that number lives and is
        not ours, our whole session is gone.
        """
        kept = self._kept()
        if kept is None or (look(kept["pid"]) is not None and self.pid() is None):
            return None
        return int(kept["pid"])

    def forget(self) -> None:
        """Note that it was ended on purpose."""
        self.record.unlink(missing_ok=True)

    def environment(self) -> dict[str, str]:
        """Give the environment it was started in; empty when it does not live."""
        pid = self.pid()
        try:
            told = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace") if pid else ""
        except OSError:
            return {}
        return {name: value for name, _, value in (one.partition("=") for one in told.split("\0")) if name}

    def _kept(self) -> dict[str, int] | None:
        try:
            kept = json.loads(self.record.read_text())
        except (OSError, ValueError):
            return None
        return kept if kept.get("boot") == _BOOT.read_text() else None


def end(processes: Iterable[Process], grace: float = 15) -> None:
    """End processes and everything they started: ask, wait `grace` seconds, then insist.

    Raises Terminal when something survives even that.
    """
    processes = list(processes)
    family = family_of(processes)
    _signal(family, signal.SIGTERM)
    deadline = time.monotonic() + grace
    # Asked anew each time: who is told to end may still start somebody.
    while alive := _still(family := {**family, **family_of(processes)}):
        late = time.monotonic() - deadline
        if late > 10:
            raise Terminal(f"Processes {sorted(alive)} do not end, even killed: look at them with `ps`.")
        if late > 0:
            _signal(alive, signal.SIGKILL)
        time.sleep(0.1)
    for process in processes:
        process.forget()


def look(pid: int) -> Seen | None:
    """Give one living process; a zombie does not live."""
    try:
        # The name, in parentheses, may hold anything; what follows the last one is plain.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else Seen(pid, int(fields[1]), int(fields[3]), int(fields[19]))


def family_of(processes: Iterable[Process]) -> dict[int, Seen]:
    """Give everyone in the sessions of `processes`, and their descendants who left for a session of their own."""
    everyone = [seen for entry in Path("/proc").glob("[0-9]*") if (seen := look(int(entry.name)))]
    sessions = {session for process in processes if (session := process.session()) is not None}
    family = {seen.pid: seen for seen in everyone if seen.session in sessions}
    while born := [seen for seen in everyone if seen.parent in family and seen.pid not in family]:
        family |= {seen.pid: seen for seen in born}
    family.pop(os.getpid(), None)
    return family


def _still(family: Mapping[int, Seen]) -> dict[int, Seen]:
    return {pid: seen for pid, seen in family.items() if (now := look(pid)) is not None and now.started == seen.started}


def _signal(family: Iterable[int], number: signal.Signals) -> None:
    for pid in family:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
