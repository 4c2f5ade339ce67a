"""The whole machine, for real: it comes up, says what died, heals, and goes down without a trace.

On ports and in a state folder of its own, so a machine that a person runs is not touched. One story in several tests,
because a start costs a quarter of a minute.
"""

from __future__ import annotations

import io
import os
import re
import signal
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest
from sluice.errors import Terminal
from sluice.local import airflow_api, airflow_processes, machine, processes
from sluice.local.airflow_api import AirflowApi, AskedNoMore, DatabaseAway, Refused
from sluice.local.cli import main
from sluice.local.ports import free_port, is_taken
from sluice.local.progress import Watch
from sluice.local.settings import PORT_SETTINGS
from sluice.local.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
DAG = '''
"""A DAG for one test."""
from __future__ import annotations

from datetime import datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.hitl import ApprovalOperator, HITLOperator
from airflow.sdk import BaseOperator, CronDataIntervalTimetable, dag, task, task_group
from airflow.sdk.exceptions import AirflowFailException

MONTHLY = CronDataIntervalTimetable("@monthly", timezone="UTC")


@dag(schedule=MONTHLY, start_date=datetime(2026, 1, 1), max_active_runs=2)
def ask_stores():
    @task(pool="store_certify")
    def ask(data_interval_start=None):
        from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
        from airflow.providers.amazon.aws.hooks.s3 import S3Hook
        from airflow.providers.postgres.hooks.postgres import PostgresHook

        print("window of", data_interval_start)
        if data_interval_start and data_interval_start.month == 1:
            raise AirflowFailException("no window of January")
        certify = PostgresHook("pg_certify").get_first("SELECT current_user")
        ledger = PostgresHook("sluice_ledger").get_first("SELECT current_user")
        buckets = [bucket["Name"] for bucket in S3Hook("s3_vault").get_conn().list_buckets()["Buckets"]]
        dynamodb, streams = (
            AwsBaseHook("dynamodb_tyler", client_type=service).get_conn() for service in ("dynamodb", "dynamodbstreams")
        )
        found = dynamodb.list_tables()["TableNames"], streams.list_streams()["Streams"]
        print(f"stores: {certify[0]} {ledger[0]} {buckets} {found}")

    ask()


@dag(schedule=None)
def ask_person():
    ApprovalOperator(task_id="approve_it", subject="May I?", body="**Really**", fail_on_reject=True)


class Busy(Exception):
    pass


class Archive(BaseOperator):
    template_fields = ("month",)

    def __init__(self, *, month, **kwargs):
        super().__init__(map_index_template="{{ task.month }}", retries=1, retry_delay=timedelta(seconds=8), **kwargs)
        self.month = month

    def execute(self, context):
        if self.month == "b" and context["ti"].try_number == 1:
            raise Busy("session 29019 is at it\\nfor long")


@dag(schedule=None)
def ask_each():
    @task_group
    def each(month):
        body = "- **Month**: gone"
        asked = HITLOperator(task_id="approve", subject="Drop it?", body=body, options=["Approve", "Reject"])
        Archive(task_id="archive", month=month) >> asked

    each.expand(month=["a", "b", "c"])


@dag(schedule=None)
def take_long():
    BashOperator(task_id="sleep", bash_command="sleep 613 & sleep 613; wait")


ask_stores(), ask_person(), ask_each(), take_long()
'''


@pytest.fixture(scope="module", autouse=True)
def environment(tmp_path_factory):
    """A place of its own: state, ports, DAGs."""
    place = tmp_path_factory.mktemp("machine")
    (place / "dags").mkdir()
    (place / "dags" / "trial.py").write_text(DAG)
    (place / "dags" / "broken.py").write_text("from airflow.sdk import dag\nraise RuntimeError('a broken dag')\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLUICE_STATE_DIR", str(place / "state"))
        patch.setenv("SLUICE_DAGS_DIR", str(place / "dags"))
        for name in PORT_SETTINGS.values():
            patch.setenv(name, str(free_port()))
        yield
        machine.down()


def sluice(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sluice.local", *arguments]
    path = {"PYTHONPATH": str(ROOT / "plugins")}
    return subprocess.run(command, env={**os.environ, **path}, capture_output=True, text=True, timeout=300)


def pids() -> dict[str, int | None]:
    return {part.name: part.pid for part in machine.status()}


@pytest.fixture(scope="module")
def api(environment) -> AirflowApi:
    return machine.api(machine.up(quiet=True))


def test_a_stranger_on_our_port_is_named_and_nothing_is_started():
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", int(os.environ["SLUICE_S3_PORT"])))
        stranger.listen()
        refused = sluice("up")
    assert refused.returncode == 1
    assert f"Port {os.environ['SLUICE_S3_PORT']}" in refused.stderr
    assert f"pid {os.getpid()}" in refused.stderr
    assert "SLUICE_S3_PORT=" in refused.stderr
    assert not any(pids().values())


def test_up_brings_everything_and_a_second_up_changes_nothing(api):
    before = pids()
    assert all(before.values())
    said = sluice("up")
    assert said.returncode == 0
    assert pids() == before
    assert api.base_url in said.stdout
    assert "broken.py: RuntimeError: a broken dag" in said.stderr
    assert sluice("status").returncode == 0


def test_a_task_reaches_every_store_as_the_right_role(api):
    run_id = api.trigger("ask_stores")
    assert api.wait_run("ask_stores", run_id, seconds=90) == "success"
    assert "stores: sluice_mover sluice_ledger ['sluice-vault'] ([], [])" in api.task_log("ask_stores", run_id, "ask")


def test_a_backfill_runs_each_window_and_shows_it(api):
    said = sluice("backfill", "ask_stores", "--from", "2026-02-01", "--to", "2026-04-01")
    assert said.returncode == 0, said.stdout + said.stderr
    runs = api.runs("ask_stores", datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
    assert [run.state for run in runs] == ["success"] * 3
    assert [(run.start.month, run.end.month) for run in runs] == [(2, 3), (3, 4), (4, 5)]


def test_a_backfill_says_why_its_first_red_window_failed(api):
    said = sluice("backfill", "ask_stores", "--from", "2026-01-01", "--to", "2026-01-01")
    assert said.returncode == 1
    assert "no window of January" in said.stdout
    assert "1 of 1 windows failed" in said.stdout


def test_nobody_waits_for_runs_of_a_dag_whose_file_is_gone(api, monkeypatch):
    monkeypatch.setattr(airflow_api, "SAY_EVERY", 0.0)
    run_id = api.trigger("ask_person")
    with psycopg.connect(machine.load().dsn("airflow")) as connection:
        connection.execute("UPDATE dag SET is_stale = true WHERE dag_id = 'ask_person'")
    with pytest.raises(Terminal, match="finds ask_person no more"):
        api.wait_run("ask_person", run_id, seconds=60)
    with psycopg.connect(machine.load().dsn("airflow")) as connection:
        connection.execute("UPDATE dag SET is_stale = false WHERE dag_id = 'ask_person'")


def test_what_a_shell_has_and_airflow_has_not_is_lacking(api, monkeypatch):
    settings = machine.load()
    assert "pg_certify" not in machine.lacking_connections(settings)
    named = {"pg_elsewhere": "store elsewhere", "pg_certify_exporter": "store certify"}
    monkeypatch.setattr(machine, "read_stores", lambda root: SimpleNamespace(connections=named))
    monkeypatch.setenv("AIRFLOW_CONN_PG_ELSEWHERE", "postgresql://nobody@127.0.0.1:1/none")
    assert machine.lacking_connections(settings) == {"pg_elsewhere": "store elsewhere"}


@pytest.mark.parametrize(("choice", "state"), [("Approve", "success"), ("Reject", "failed")])
def test_a_person_answers(api, choice, state):
    run_id = api.trigger("ask_person")
    wait_for("a question", lambda: bool(api.approvals("ask_person", run_id)), seconds=60)
    [question] = api.approvals("ask_person", run_id)
    assert (question.subject, question.options) == ("May I?", ("Approve", "Reject"))
    api.answer("ask_person", run_id, question, choice)
    assert api.wait_run("ask_person", run_id, seconds=60) == state
    assert api.approvals("ask_person", run_id) == []


def test_a_question_whose_task_has_ended_is_asked_no_more(api):
    run_id = api.trigger("ask_person")
    wait_for("a question", lambda: bool(api.approvals("ask_person", run_id)), seconds=60)
    [question] = api.approvals("ask_person", run_id)
    wait_for("rest", lambda: api.tasks("ask_person", run_id)[0].state == "awaiting_input", seconds=60)
    api.fail_unfinished("ask_person")
    assert api.approvals("ask_person", run_id) == []
    with pytest.raises(AskedNoMore, match="This is asked no more"):
        api.answer("ask_person", run_id, question, "Approve")


def test_who_waits_is_told_how_far_it_is_what_is_tried_again_and_what_to_type(api):
    command = [sys.executable, "-u", "-m", "sluice.local", "run", "ask_each", "--wait"]
    path = {"PYTHONPATH": str(ROOT / "plugins")}
    waiting = subprocess.Popen(
        command, env={**os.environ, **path}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert waiting.stdout is not None
    told = [waiting.stdout.readline().strip()]
    while "questions wait for a person" not in told[-1]:
        told.append(waiting.stdout.readline().strip())
    assert re.fullmatch(r"\d questions wait for a person, Drop it\? the first: ./sluice questions ask_each", told[-1])
    assert any(line.startswith("3 months: ") for line in told)
    again = "each.archive of b is tried again by itself: Busy: session 29019 is at it"
    assert [line for line in told if "tried again by itself" in line] == [again]
    waiting.send_signal(signal.SIGINT)
    _, said = waiting.communicate(timeout=30)
    assert waiting.returncode == 130
    assert f"run was interrupted. The run goes on in Airflow. {told[0]}\n" in said
    assert "questions wait for a person, Drop it? the first" in said


def test_questions_are_listed_and_answered_from_the_terminal(api, capsys, monkeypatch):
    wait_for("three questions", lambda: len(api.approvals("ask_each")) == 3, seconds=90)  # of the run above

    def typed(*arguments: str, answer: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(answer))
        return main(arguments), *capsys.readouterr()

    code, said, _ = typed("questions", "ask_each")
    [run_id] = api.running("ask_each")
    assert "3 questions wait.\n\n" in said and f"ask_each, run {run_id}, since" in said and "Month: gone" in said
    first, second, third = re.findall(r"^([0-9a-f]{8})  Drop it\?$", said, re.M)
    code, _, refused = typed("answer", first, "approve", "--user", "viewer")
    assert code == 1 and "403" in refused
    assert typed("answer", first, "reject", "--user", "operator") == (0, "operator has answered Reject: Drop it?\n", "")
    assert f"{first}: no question that waits is called so" in typed("answer", first, "approve")[2]
    code, said, _ = typed("answer", second, "approve", "--all", answer="y\n")
    assert (code, len(api.approvals("ask_each"))) == (1, 2)
    assert f"  {second}  Drop it?\n  {third}  Drop it?\nApprove to all 2? Type yes: " in said
    code, said, _ = typed("answer", second, "approve", "--all", answer="yes\n")
    assert (code, said.count("admin has answered Approve: Drop it?")) == (0, 2)
    assert api.wait_run("ask_each", run_id, seconds=90) == "success"
    found = api._call("GET", f"/dags/ask_each/dagRuns/{run_id}/hitlDetails")["hitl_details"]
    answers = sorted((one["responded_by_user"]["name"], *one["chosen_options"]) for one in found)
    assert answers == [("admin", "Approve"), ("admin", "Approve"), ("operator", "Reject")]
    assert typed("questions", "ask_eech")[2] == "sluice: Airflow has no DAG ask_eech: did you mean ask_each?\n"


def test_a_dag_that_is_not_there_is_answered_with_those_that_are(api):
    for command in (("run", "ask_nobody"), ("backfill", "ask_nobody", "--from", "2026-02-01", "--to", "2026-02-01")):
        said = sluice(*command)
        assert said.returncode == 1
        assert "Airflow has no DAG ask_nobody. There are: ask_each, ask_person, ask_stores, take_long." in said.stderr
        assert "about ten seconds" in said.stderr


def test_a_dag_that_is_almost_there_is_named(api, capsys):
    assert main(["run", "ask_stoers"]) == 1
    assert "Airflow has no DAG ask_stoers: did you mean ask_stores? There are: " in capsys.readouterr().err


def test_a_run_that_one_waits_for_is_told_task_by_task(api):
    said = sluice("run", "ask_stores", "--wait")
    assert said.returncode == 0, said.stdout + said.stderr
    assert re.search(r"^task +one of several +state +tries$", said.stdout, re.M)
    assert re.search(r"^ask +success +1$", said.stdout, re.M)
    assert said.stdout.endswith("ask_stores: success\n")
    assert api.task_order("ask_stores") == ["ask"]


def test_a_viewer_may_look_but_not_run(api):
    viewer = machine.api(machine.load(), "viewer")
    assert "trial.py" in viewer.dag_files()
    with pytest.raises(Refused) as refusal:
        viewer.trigger("ask_stores")
    assert refusal.value.status == 403


def test_nothing_listens_beyond_loopback(api):
    ours = {pid for pid in pids().values() if pid}
    family = processes.family_of([*machine_stores(), *_airflow()])
    listening = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True).stdout.splitlines()
    open_to_all = [
        line
        for line in listening
        if any(f"pid={pid}," in line for pid in {*ours, *family}) and "127.0.0.1:" not in line
    ]
    assert open_to_all == []


def test_status_says_who_died_and_up_restarts_only_that(api):
    before = pids()
    os.kill(before["triggerer"], signal.SIGKILL)
    wait_for("death", lambda: pids()["triggerer"] is None, seconds=10)
    said = sluice("status")
    assert said.returncode == 1
    assert "triggerer died. The end of" in said.stdout
    assert "s3 died" not in said.stdout
    machine.up(quiet=True)
    after = pids()
    assert after.pop("triggerer") not in (None, before.pop("triggerer"))
    assert after == before


def test_a_scheduler_that_died_leaves_nobody_behind_when_the_next_one_starts(api):
    [scheduler] = [one for one in _airflow() if one.name == "scheduler"]
    os.kill(scheduler.pid(), signal.SIGKILL)
    wait_for("death", lambda: scheduler.pid() is None, seconds=10)
    told: list[str] = []
    Watch(api, machine.load(), "ask_person", "none", say=told.append).look("queued")
    assert told[0] == "no scheduler runs, so nothing goes on: ./sluice up"
    orphans = processes.family_of([scheduler])
    assert orphans, "its workers wait for work that nobody will bring"
    machine.up(quiet=True)
    assert [pid for pid in orphans if processes.look(pid)] == []


def test_a_database_that_was_killed_comes_back(api):
    settings = machine.load()
    with psycopg.connect(settings.dsn("certify")) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS seven")
    run_id = api.trigger("ask_person")
    settings.cluster.kill()
    assert "postgres died" in sluice("status").stdout
    with pytest.raises(DatabaseAway, match="the run goes on when it is back"):
        api.wait_run("ask_person", run_id, seconds=60)
    machine.up(quiet=True)
    with psycopg.connect(settings.dsn("certify")) as connection:
        assert connection.execute("SELECT seven FROM kept").fetchone() == (7,)


def test_down_leaves_no_process_not_even_a_running_task(api):
    api.trigger("take_long")
    wait_for("the task", lambda: sleepers() != [], seconds=60)
    everyone = processes.family_of(_airflow())
    assert sluice("down").returncode == 0
    assert [pid for pid in everyone if processes.look(pid)] == []
    assert sleepers() == []
    assert not any(pids().values())
    assert not any(is_taken(int(os.environ[name])) for name in PORT_SETTINGS.values())
    assert sluice("down").returncode == 0


def machine_stores() -> list[processes.Process]:
    settings = machine.load()
    return [machine.object_store(settings).process, machine.document_store(settings).process]


def _airflow() -> list[processes.Process]:
    return airflow_processes.processes(machine.load())


def sleepers() -> list[int]:
    found = subprocess.run(["pgrep", "-f", "^sleep 613"], capture_output=True, text=True).stdout.split()
    return [int(pid) for pid in found if processes.look(int(pid))]
