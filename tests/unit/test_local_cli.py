"""The command line's own words: what it says of wrong files, of an interruption, of a refused table, of where things are."""

from __future__ import annotations

import argparse
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from graphlib import CycleError
from pathlib import Path
from types import SimpleNamespace

import pytest
from sluice.errors import Terminal
from sluice.local import cli, commands, machine, progress, runs
from sluice.local.airflow_api import in_order
from sluice.local.demo import command
from sluice.local.demo.command import alone
from sluice.local.demo.options import USUAL
from sluice.local.demo.stories import named
from sluice.local.init_migration import closing
from sluice.local.runs import standing
from sluice.local.tables import table
from sluice.migration.engine.contract import Finding
from sluice.stores.postgres import StoreDown

from tests.samples import copy_estate

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """The sample's estate, where files may be spoilt; nothing runs there."""
    copy_estate(tmp_path)
    monkeypatch.setattr(cli.venvs, "ROOT", tmp_path)
    monkeypatch.setenv("SLUICE_STATE_DIR", str(tmp_path / "state"))
    return tmp_path


def test_status_lists_each_wrong_file_with_its_mistakes(project, capsys):
    assert cli.main(["status"]) == 1, "nothing runs"
    assert "include/estate" not in capsys.readouterr().out
    files = project / "include/estate/migrations"
    (files / "broken.yaml").write_text("migration: broken\nfrom: {")
    again = (files / "audit_log.yaml").read_text().replace("migration: audit_log", "migration: again")
    (files / "again.yaml").write_text(again)
    assert cli.main(["status"]) == 1
    said = capsys.readouterr().out
    assert "\n\nMistakes in the estate's files" in said
    listed = re.findall(r"^  include/estate/migrations/(\w+)\.yaml:(\d+): (.+?): found", said, re.M)
    assert [file for file, _, _ in listed] == ["again"] * 2 + ["audit_log"] * 2 + ["broken"]
    assert said.count("a table of no other migration; include/estate/migrations/") == 4


def test_status_lists_the_mistakes_of_the_rules_too(project, capsys):
    (project / "include/estate/health.yaml").write_text("rules:\n  bloat: {over: much}\n")
    assert cli.main(["status"]) == 1
    assert 'include/estate/health.yaml:2: rules.bloat.over: found "much"' in capsys.readouterr().out


def test_status_names_a_price_that_no_file_has(project, capsys):
    shutil.copytree(ROOT / "include/prices", project / "include/prices")
    stores = project / "include/estate/estate.yaml"
    stores.write_text(stores.read_text() + "costs: [{what: Lambda, quantity: 5, price: lambda.requests}]\n")
    assert cli.main(["status"]) == 1
    assert "No price is called 'lambda.requests'" in capsys.readouterr().out


def test_status_fails_by_a_mistake_alone(project, monkeypatch, capsys):
    part = machine.Part("postgres", 7, False, project / "postgres.log")
    monkeypatch.setattr(machine, "status", lambda: [part])
    monkeypatch.setattr(commands.machine, "_tell_migrations", lambda: None)
    assert cli.main(["status"]) == 0
    (project / "include/estate/migrations/broken.yaml").write_text("migration: broken\nfrom: {")
    assert cli.main(["status"]) == 1
    assert "broken.yaml:2: " in capsys.readouterr().out


def test_up_says_where_everything_is_although_the_estate_has_a_mistake(project, monkeypatch, capsys):
    settings = SimpleNamespace(
        airflow_url="http://here",
        vault_url="http://s3",
        documents_url="http://db",
        workers=0,
        password=lambda user: "secret",
    )
    monkeypatch.setattr(machine, "up", lambda: settings)
    (project / "include/estate/estate.yaml").write_text("estate: sample\nstores: {shop: {engine: postgres")
    assert cli.main(["up"]) == 0
    said = capsys.readouterr().out
    assert "http://here" in said
    assert "estate.yaml:" in said
    assert "./sluice down" in said, "how it is stopped"


def test_what_may_pass_by_itself_is_not_tried_again_by_a_command_that_has_ended(monkeypatch, capsys):
    def down(chosen: object) -> int:
        raise StoreDown("It is tried again by itself.")

    monkeypatch.setattr(machine, "down", lambda: down(None))
    assert cli.main(["down"]) == 1
    assert capsys.readouterr().err.endswith("This command has ended: run it again.\n")


def test_an_interrupted_wait_says_where_the_run_is_and_what_it_waits_for(project, monkeypatch, capsys):
    def interrupted(*arguments: object, **named: object) -> bool:
        raise KeyboardInterrupt

    client = SimpleNamespace(trigger=lambda *_: "night")
    monkeypatch.setattr(commands.runs, "_client", lambda: (client, SimpleNamespace(airflow_url="http://here")))
    monkeypatch.setattr(runs, "wait", interrupted)
    monkeypatch.setattr(progress.Watch, "waits", ["2 questions wait for a person"])
    assert cli.main(["run", "archive_retention", "--wait"]) == 130
    said = capsys.readouterr().err
    assert "The run goes on in Airflow. http://here/dags/archive_retention/runs/night\n  2 questions wait" in said


def test_nobody_at_the_terminal_agrees_to_nothing(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert not commands.runs._agreed("Approve to all 18? ")
    monkeypatch.setattr("sys.stdin", io.StringIO("Yes\n"))
    assert commands.runs._agreed("Approve to all 18? ")
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert not commands.runs._agreed("Approve to all 18? "), "a slip of a finger is no yes"


def test_lint_reads_the_estate_too(project, capsys, monkeypatch):
    monkeypatch.setattr(cli.venvs, "ensure_project", lambda **_: None)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0))
    assert cli.main(["lint"]) == 0
    (project / "include/estate/migrations/broken.yaml").write_text("migration: broken\nfrom: {")
    assert cli.main(["lint"]) == 1
    assert "include/estate/migrations/broken.yaml:2: " in capsys.readouterr().out


def test_an_interruption_says_what_is_left_and_no_blank_more(capsys, monkeypatch):
    def status(chosen: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    def down(chosen: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(commands.machine, "status", status)
    monkeypatch.setattr(commands.machine, "down", down)
    assert [cli.main([name]) for name in ("status", "down")] == [130, 130]
    assert capsys.readouterr().err.splitlines() == [
        "",
        "sluice: status was interrupted.",
        "",
        "sluice: down was interrupted. Some of it may still run: `./sluice down` again.",
    ]


def test_help_names_what_may_be_set_and_where_it_is_explained(capsys):
    with pytest.raises(SystemExit):
        cli.main(["up", "--help"])
    said = capsys.readouterr().out
    page = (ROOT / "docs/howto/run-it-here.md").read_text()
    for setting in re.findall(r"^\| `(SLUICE_\w+)`", page, re.M):
        assert setting in said
    assert "docs/howto/run-it-here.md" in said


def test_numbers_stand_to_the_right_among_numbers_only():
    mixed = table(("what", "result"), [("errors", 0), ("rows", "12 of 40")]).splitlines()
    assert mixed[2] == "errors  0"
    assert table(("part", "pid"), [("s3", 7), ("postgres", ""), ("other", 1234)]).splitlines()[2] == "s3           7"


@pytest.mark.parametrize(
    ("code", "acceptable", "said", "exit_code"),
    [
        ("", False, "orders.yaml is written. Read it, then see what it would do, changing nothing:", 0),
        ("weaker_key", True, "refused until you accept weaker_key", 0),
        ("no_key", False, "The table is refused as it stands (no_key)", 1),
    ],
)
def test_a_draft_of_a_refused_table_says_so(code, acceptable, said, exit_code):
    found = [Finding("room", False, "There is room.", "")]
    if code:
        found.append(Finding(code, True, "It is so.", "Mend it.", acceptable=acceptable))
    text, told = closing("orders.yaml", "orders", found)
    assert said in text
    assert told == exit_code


def test_a_graph_is_told_in_its_order():
    graph = {
        "verify.b": ["done.a"],
        "expand.z": ["verify.b"],
        "plan": ["expand.z", "back.a"],
        "back.a": [],
        "done.a": [],
    }
    assert [task for task in in_order(graph) if task != "back.a"] == ["plan", "expand.z", "verify.b", "done.a"]
    with pytest.raises(CycleError):
        in_order({"a": ["b"], "b": ["a"]})


FACTS = {"rows_compared": 1234567, "rows_missing": 0, "rows_extra": 0, "rows_different": 2}


@pytest.mark.parametrize(
    ("phase", "facts", "dry_run", "said"),
    [
        ("verified", FACTS, False, ("t is verified", "1,234,567 rows compared, 2 differ", '{"to_phase": "cut_over"}')),
        ("cut_over", {}, False, ("t is cut_over", '{"to_phase": "verified"}', '{"to_phase": "retired"}')),
        ("planned", {}, True, ("t is planned", "A dry run: nothing was changed", '{"to_phase": "verified"}\' --wait')),
        ("retired", {}, False, ("t is retired",)),
    ],
)
def test_a_run_that_went_well_says_where_it_led_and_what_comes_next(phase, facts, dry_run, said):
    told = standing("t", phase, facts, dry_run=dry_run)
    for part in said:
        assert part in told


def test_two_demos_at_once_are_one_too_many(tmp_path):
    with (
        alone(tmp_path),
        pytest.raises(Terminal, match=rf"A demo is already running \(pid {os.getpid()}\)"),
        alone(tmp_path),
    ):
        pass
    with alone(tmp_path):
        pass


def test_the_lock_of_a_demo_that_was_killed_goes_with_it(tmp_path):
    held = (
        "import sys, time; from pathlib import Path; from sluice.local.demo.command import alone\n"
        f"with alone(Path({str(tmp_path)!r})): print('held', flush=True); time.sleep(60)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "plugins")}
    child = subprocess.Popen([sys.executable, "-c", held], stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        with pytest.raises(Terminal, match=rf"pid {child.pid}"), alone(tmp_path):
            pass
    finally:
        child.kill()
        child.communicate()
    with alone(tmp_path):
        pass


@pytest.mark.parametrize("name", USUAL)
def test_the_demo_says_where_its_report_really_is(tmp_path, capsys, name):
    story = replace(named(name), judged=lambda report: [], as_table=lambda report: "")
    assert command._close(story, {}, "http://127.0.0.1:1", tmp_path / "demo.json") == 0
    assert f"The same as JSON: {tmp_path}/demo.json" in capsys.readouterr().out


SLOW = """
import time

class CannotInstall(Exception): pass

def ensure_project():
    print("on", flush=True)
    time.sleep(60)
"""


def test_an_interrupted_installation_exits_as_every_other_interruption(tmp_path):
    shutil.copy(ROOT / "sluice", tmp_path / "sluice")
    (tmp_path / "plugins/sluice/local").mkdir(parents=True)
    for part in ("plugins/sluice/__init__.py", "plugins/sluice/local/__init__.py"):
        shutil.copy(ROOT / part, tmp_path / part)
    (tmp_path / "plugins/sluice/local/venvs.py").write_text(SLOW)
    child = subprocess.Popen(
        [sys.executable, tmp_path / "sluice", "up"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    child.stdout.readline()
    time.sleep(0.1)
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=20)
    assert (child.returncode, said.strip()) == (130, "sluice: interrupted; the next run takes it up again.")
