"""Failpoints: free when not armed, loud when misspelt, each where the list says, and none that the list does not know."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sluice import failpoints
from sluice.errors import Transient
from sluice.failpoints import EDGES, NAMES, NoFailpoint, armed, failpoint

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "plugins" / "sluice"
PASSES_TWICE = (
    "from sluice.failpoints import failpoint\nfor hit in 1, 2:\n    failpoint('chunk.filled')\n    print(hit)"
)


def standing(library: Path) -> Iterator[tuple[str, str]]:
    """Give name and place of every failpoint in the code."""
    for file in sorted(library.rglob("*.py")):
        tree = ast.parse(file.read_text())
        for place, call in calls(tree, ()):
            (name,) = call.args
            assert isinstance(name, ast.Constant), f"{file}:{call.lineno}: a failpoint's name is written out"
            yield str(name.value), f"{file.relative_to(library)} {'.'.join(place)}"


def calls(node: ast.AST, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], ast.Call]]:
    """Give every call of `failpoint` below `node`, with the classes and functions around it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call) and isinstance(child.func, ast.Name) and child.func.id == "failpoint":
            yield place, child
        named = isinstance(child, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef)
        yield from calls(child, (*place, child.name) if named else place)


def test_every_failpoint_stands_where_the_list_says_and_no_other_anywhere():
    listed, found = {edge.name: edge.where for edge in EDGES}, Counter(standing(LIBRARY))
    assert len(listed) == len(EDGES), "a name is listed twice"
    assert found == Counter(listed.items())


def test_a_failpoint_that_is_not_listed_is_found(tmp_path):
    (tmp_path / "a.py").write_text("class A:\n    def b(self):\n        failpoint('kitchen.on_fire')\n")
    assert list(standing(tmp_path)) == [("kitchen.on_fire", "a.py A.b")]


def test_each_says_what_it_lies_between():
    assert all(edge.what and edge.what[0].islower() and not edge.what.endswith(".") for edge in EDGES)


def test_not_armed_it_does_nothing():
    failpoint("chunk.filled")
    failpoint("no such name: nothing is looked up but the armed ones")


def test_raise_is_transient_and_only_at_the_hit_asked_for():
    with armed("chunk.filled=raise@2"):
        failpoint("chunk.filled")
        with pytest.raises(Transient, match=r"chunk\.filled"):
            failpoint("chunk.filled")
        failpoint("chunk.filled")
    failpoint("chunk.filled")


def test_without_a_hit_it_fires_each_time():
    with armed("chunk.filled=raise"):
        for _ in range(3):
            with pytest.raises(Transient):
                failpoint("chunk.filled")


def test_sleep_sleeps():
    began = time.monotonic()
    with armed("lane.begun=sleep:0.05, lane.finished=sleep:0.05"):
        failpoint("lane.begun")
        failpoint("lane.finished")
    assert time.monotonic() - began > 0.09


def test_an_action_of_the_drills_own(monkeypatch):
    seen = []
    monkeypatch.setitem(failpoints.ACTIONS, "note", lambda name, argument: seen.append((name, argument)))
    with armed("lane.begun=note:twice@2"):
        failpoint("lane.begun")
        failpoint("lane.begun")
    assert seen == [("lane.begun", "twice")]


def test_terminate_without_anybody_who_can_is_loud():
    with armed("lane.begun=terminate"), pytest.raises(NoFailpoint, match="ACTIONS"):
        failpoint("lane.begun")


@pytest.mark.parametrize(
    "text", ["chunk.fill=kill", "chunk.filled", "chunk.filled=explode", "chunk.filled=kill@0", "chunk.filled=kill@x"]
)
def test_what_would_never_fire_is_refused(text):
    with pytest.raises(NoFailpoint, match="names no failpoint"):
        failpoints.arm(text)
    assert not failpoints._armed


def process(armed: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Pass one failpoint twice in a process of its own."""
    told = {**os.environ, "PYTHONPATH": str(ROOT / "plugins"), failpoints.VARIABLE: armed, **environment}
    return subprocess.run([sys.executable, "-c", PASSES_TWICE], capture_output=True, text=True, env=told)


def test_kill_kills_the_process_by_the_environment_alone():
    assert process("chunk.filled=kill@2").returncode == -signal.SIGKILL
    assert process("chunk.filled=kill@3").returncode == 0


def test_a_misspelt_environment_stops_whoever_imports_it():
    done = process("chunk.fileld=kill")
    assert done.returncode == 1
    assert "'chunk.fileld=kill' names no failpoint" in done.stderr


def test_once_means_once_for_all_processes(tmp_path):
    once = {failpoints.ONCE_VARIABLE: str(tmp_path)}
    assert process("chunk.filled=kill", **once).returncode == -signal.SIGKILL
    done = process("chunk.filled=kill", **once)
    assert (done.returncode, done.stdout) == (0, "1\n2\n")
    assert [note.name for note in tmp_path.iterdir()] == ["chunk.filled"]


def test_no_name_looks_like_a_statements():
    domains = {file.stem for file in (ROOT / "include/sql").glob("*.sql")}
    assert not domains & {name.split(".")[0] for name in NAMES}
