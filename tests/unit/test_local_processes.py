"""Processes are known by their start, not by their number alone; ending one ends all it started."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest
from sluice.errors import Terminal
from sluice.local.processes import Process, end, look
from sluice.local.waiting import wait_for

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
)
# A grandchild in a session of its own, as BashOperator makes.
FAMILY = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True)
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def process(tmp_path: Path):
    process = Process("sleeper", tmp_path / "sleeper.pid", tmp_path / "sleeper.log")
    yield process
    end([process], grace=0)


def said(process: Process) -> str:
    wait_for("output", lambda: process.log.read_text() != "", [process], seconds=10)
    return process.log.read_text().strip()


def test_it_is_started_once_and_ended(process):
    process.start(SLEEP, os.environ)
    pid = process.pid()
    process.start(SLEEP, os.environ)
    assert process.pid() == pid
    end([process])
    assert process.pid() is None
    assert look(pid) is None
    assert not process.was_started()


def test_who_does_not_listen_is_killed(process):
    process.start([sys.executable, "-c", STUBBORN], os.environ)
    assert said(process) == "deaf"
    pid, began = process.pid(), time.monotonic()
    end([process], grace=0.5)
    assert look(pid) is None
    assert 0.5 <= time.monotonic() - began < 5


def test_descendants_in_sessions_of_their_own_end_too(process):
    process.start([sys.executable, "-c", FAMILY], os.environ)
    grandchild = int(said(process))
    assert look(grandchild).session == grandchild
    end([process])
    assert look(grandchild) is None


def test_children_of_a_dead_leader_end_too(process):
    process.start(["/bin/sh", "-c", "sleep 60 & echo $!; wait"], os.environ)
    orphan = int(said(process))
    os.kill(process.pid(), signal.SIGKILL)
    wait_for("death", lambda: process.pid() is None, seconds=5)
    assert process.was_started()
    assert look(orphan) is not None
    end([process])
    assert look(orphan) is None


@pytest.mark.parametrize("change", [{"started": 1}, {"boot": "another"}])
def test_a_stranger_with_our_number_is_left_alone(process, change):
    stranger = Process("stranger", process.record.with_name("stranger.pid"), process.log)
    stranger.start(SLEEP, os.environ)
    process.record.write_text(json.dumps({**json.loads(stranger.record.read_text()), **change}))
    assert process.pid() is None
    end([process], grace=0)
    assert stranger.pid() is not None
    end([stranger])


def test_waiting_says_who_died_and_what_it_said_last(process):
    process.start([sys.executable, "-c", "print('no more memory'); raise SystemExit(3)"], os.environ)
    with pytest.raises(Terminal, match=r"sleeper died while starting(.|\n)*no more memory"):
        wait_for("Never", lambda: False, [process], seconds=10)


def test_waiting_ends():
    with pytest.raises(Terminal, match="Never is not ready after 0 s"):
        wait_for("Never", lambda: False, seconds=0.1)
