"""The archive's tasks, as Airflow runs them: by a role each, from the files of an estate, and no drop without its yes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from psycopg.conninfo import conninfo_to_dict
from sluice.estate import EstateErrors
from sluice.flow import alerting, archiving, connections, copies, keeping, project
from sluice.flow.archiving import (
    ApproveDrop,
    ArchiveMonth,
    DropMonth,
    ListArchived,
    ListMonths,
    MonthGate,
    whose,
)
from sluice.flow.asking import APPROVE, REJECT
from sluice.flow.connections import opened_control
from sluice.flow.copies import DropCopies, ListStores, NoStore
from sluice.flow.evidence_link import evidence_path
from sluice.flow.restoring import RestoreMonth
from sluice.flow.watching import GATE as KEPT
from sluice.flow.watching import StoreGate, WatchDropped
from sluice.local import databases
from sluice.local.cli import main
from sluice.local.months import months_table
from sluice.stores.postgres import Refused
from sluice.upkeep.refusals import NotBroughtBack

from tests.archived import MONTH, MONTHS, ROW, Stage, months, staged
from tests.conftest import Database
from tests.people import Told, connect_people

ROOT = Path(__file__).parents[2]
FIRST = f"app_partitions.{MONTHS[0][0]}"
CONNECTIONS = {
    "PG_CERTIFY": databases.MOVER,
    "PG_CERTIFY_EXPORTER": databases.EXPORTER,
    "PG_CERTIFY_DROPPER": databases.DROPPER,
    "SLUICE_LEDGER": databases.LEDGER,
}
ASKING: dict[str, str] = {}
"""How Airflow says that the question of another run stands: open, unless it is told otherwise."""
PUSHED: list[dict[str, str]] = []
"""What tasks left for their links."""
FILE = """dataset: event
store: certify
table: app.event
partition: {range: at, every: month}
retention: {keep: 12 months, then: drop, cooling: 0s, tenant: tenant, approve: APPROVE}
"""


@pytest.fixture
def stage(database: Database, vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """A project of its own with the table's file, and Airflow's connections to its store, ledger and vault."""
    (tmp_path / "include/estate/datasets").mkdir(parents=True)
    estate = (
        (ROOT / "include/estate/estate.yaml").read_text().replace("bucket: sluice-vault", f"bucket: {vault.bucket}")
    )
    estate = "alerts: people\n" + estate.replace("\nalerts:", "\n# alerts:")
    (tmp_path / "include/estate/estate.yaml").write_text(estate)
    for module in (alerting, project, connections, copies, keeping, archiving):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    with staged(database, vault, *months()) as made:
        for connection, role in CONNECTIONS.items():
            monkeypatch.setenv(f"AIRFLOW_CONN_{connection}", _connection(database.dsn(role)))
        extra = {"region_name": "us-east-1", "service_config": {"s3": {"endpoint_url": vault.endpoint}}}
        login = {"conn_type": "aws", "login": vault.store.key, "password": vault.store.secret, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_S3_VAULT", json.dumps(login))
        _write()
        yield made
        for key in made.vault.list("archive/certify/"):  # every test's table is called the same
            made.vault.remove(key)


def _connection(dsn: str) -> str:
    told = conninfo_to_dict(dsn)
    names = {"host": "host", "port": "port", "user": "login", "password": "password", "dbname": "schema"}
    return json.dumps({"conn_type": "postgres", **{names[key]: told[key] for key in names if key in told}})


def _write(approve: str = "true", name: str = "event") -> None:
    (project.ROOT / f"include/estate/datasets/{name}.yaml").write_text(FILE.replace("APPROVE", approve))


def run(task: type, run_id: str = "a night", params: dict[str, Any] | None = None, **named: str) -> Any:
    """Do what a task of a run does."""
    context = {
        "params": {"dry_run": False, **(params or {})},
        "run_id": run_id,
        "dag_run": SimpleNamespace(conf={}),
        "dag": SimpleNamespace(params={}),
        "ti": SimpleNamespace(
            dag_id="archive_retention",
            run_id="a night",
            task_id="list_months",
            map_index=-1,
            try_number=1,
            get_task_states=lambda **asked: {run: {"each.approve_drop_0": ASKING.get(run)} for run in asked["run_ids"]},
            xcom_push=lambda **told: PUSHED.append(told),
        ),
    }
    return task(task_id="task", **named).execute(context)


def asked(month: str, where: str = "in place", store: str = "", days: int = 3) -> dict[str, Any]:
    """What the form of restore_archive gives."""
    return {"dataset": "event", "month": month, "where": where, "store": store, "manifest": "", "days": days}


def back(*of: Any, **more: Any) -> list[str]:
    """Bring a month back, and give the tables that it is in."""
    return [one["table"] for one in run(RestoreMonth, params=asked(*of, **more))]


def archived() -> dict[str, str]:
    """Take the first month as far as it goes without a drop, its gates green; give what names it."""
    assert run(ListArchived) == ["event"]
    first, second = run(ListMonths, dataset="event")
    assert first == {"dataset": "event", "month": FIRST} != second
    assert (run(ArchiveMonth, **first)["state"], run(ArchiveMonth, **first)["rows"]) == ("cooling", 50)
    judge(first)
    return first


def judge(month: dict[str, str], run_id: str = "a night", passed: bool = True) -> None:
    """Leave in the ledger what both gates leave there."""
    with opened_control(whose(**month), run_id) as control:
        for gate in archiving.GATES:
            control.record_evidence(gate, 1, passed=passed, compared=6, key="evidence/x", sha256="0")


def ask(month: dict[str, str], run_id: str = "a night") -> None:
    run(ApproveDrop, run_id, **month)


def answer(month: dict[str, str], said: str, run_id: str = "a night") -> None:
    question = ApproveDrop(task_id="approve_drop", **month)
    question.answered({"run_id": run_id}, said, "anna")  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A question is asked of Airflow, which does not run here."""
    monkeypatch.setattr(HITLOperator, "execute", lambda *_: None)


def stored_anew(stage: Stage) -> None:
    """Somebody attaches the first month again and changes it; it goes once more, with another manifest."""
    stage.own(f"ALTER TABLE app.event ATTACH PARTITION {FIRST} FOR VALUES FROM ('2024-01-01+00') TO ('2024-02-01+00')")
    stage.ask("UPDATE app.event SET said = 'otherwise' WHERE at < '2024-02-01' RETURNING id")
    month = run(ListMonths, "another night", dataset="event")[0]
    assert run(ArchiveMonth, "another night", **month)["state"] == "cooling"


def test_a_yes_is_to_the_manifest_that_was_shown(stage: Stage) -> None:
    month = archived()
    ask(month)
    answer(month, APPROVE)
    stored_anew(stage)
    run(ArchiveMonth, **month)  # somebody clears the tasks of the old run, but not its question
    judge(month)
    with pytest.raises(AirflowSkipException, match="nobody has agreed to its drop in this run"):
        run(DropMonth, **month)
    assert stage.states()[0] == "cooling"
    ask(month)
    answer(month, APPROVE)
    assert run(DropMonth, **month) == "dropped"


def test_a_gate_that_judged_another_manifest_lets_nothing_go(stage: Stage) -> None:
    _write("false")
    month = archived()
    stored_anew(stage)
    with pytest.raises(AirflowFailException, match=r"event/app_partitions.*: gate_archive_manifest has judged another"):
        run(DropMonth, **month)  # cleared alone
    assert stage.states()[0] == "cooling"


def test_a_gate_that_was_marked_by_hand_or_is_red_lets_nothing_go(stage: Stage) -> None:
    _write("false")
    month = run(ListMonths, dataset="event")[0]
    run(ArchiveMonth, **month)
    with pytest.raises(AirflowFailException, match="gate_archive_manifest has not passed in this run"):
        run(DropMonth, **month)
    judge(month, "another night")
    with pytest.raises(AirflowFailException, match="has not passed in this run"):
        run(DropMonth, **month)
    for gate in archiving.GATES:
        assert run(MonthGate, gate=gate, **month)["passed"]
    judge(month, passed=False)
    with pytest.raises(AirflowFailException, match=r"has not passed in this run\. Nothing was taken away"):
        run(DropMonth, **month)
    assert stage.states()[0] == "cooling"
    judge(month)
    assert run(DropMonth, **month) == "dropped"


def test_what_another_run_asks_or_was_told_no_to_is_not_asked_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    month = archived()
    ask(month)
    ask(month)  # the same task, tried again
    run(ArchiveMonth, "by hand", **month)
    judge(month, "by hand")
    with pytest.raises(AirflowSkipException, match=r"event/.*: run a night asks about the same .* UTC\. Answer it"):
        ask(month, "by hand")
    with pytest.raises(AirflowFailException, match="nobody is asked again for 30 days"):
        answer(month, REJECT)
    with pytest.raises(
        AirflowSkipException, match=r"anna said No to this very manifest in run a night, and that holds until"
    ):
        ask(month, "by hand")
    ask(month)  # it was cleared: whoever said no may think again
    with pytest.raises(AirflowSkipException, match="run a night asks"):
        ask(month, "by hand")
    monkeypatch.setitem(ASKING, "a night", "skipped")  # nobody has answered there
    ask(month, "by hand")


def test_nothing_is_dropped_without_a_yes_of_the_same_night(stage: Stage) -> None:
    month = archived()
    with pytest.raises(AirflowSkipException, match="nobody has agreed to its drop in this run"):
        run(DropMonth, **month)
    ask(month)
    answer(month, APPROVE, "another night")
    with pytest.raises(AirflowSkipException, match="nobody has agreed"):
        run(DropMonth, **month)
    with pytest.raises(
        AirflowFailException, match=r"anna rejected the drop of .*hold it in include/estate/datasets/event"
    ):
        answer(month, REJECT)
    with pytest.raises(AirflowSkipException, match="nobody has agreed"):
        run(DropMonth, **month)
    assert stage.states() == ["cooling", "eligible"]
    ask(month)
    with pytest.raises(AirflowSkipException, match="nobody has agreed"):
        run(DropMonth, **month)
    answer(month, APPROVE)
    assert run(DropMonth, **month) == "dropped"
    assert stage.states() == ["dropped", "eligible"]
    for task in (ArchiveMonth, DropMonth, ApproveDrop):  # another night had listed it too
        with pytest.raises(AirflowSkipException, match="is dropped"):
            run(task, "another night", **month)


def test_where_the_file_asks_nobody_it_goes_and_comes_back(stage: Stage) -> None:
    _write("false")
    month = archived()
    with pytest.raises(AirflowSkipException, match="asks nobody"):
        run(ApproveDrop, **month)
    assert run(DropMonth, **month) == "dropped"
    assert back("2024-01") == [FIRST]
    assert stage.ask("SELECT count(*) FROM app.event") == [(100,)]


def test_what_is_back_is_told_and_may_be_ended_sooner_than_was_asked_for(stage: Stage) -> None:
    _write("false")
    run(DropMonth, **archived())
    for where, table in (("in place", FIRST), ("beside", f"{FIRST}_copy")):
        with pytest.raises(NotBroughtBack, match=r"(?s)(nothing of|No copy of).*2024-01-01 to 2024-02-01"):
            run(RestoreMonth, params=asked("2024-01", where, days=0))
        (told,) = run(RestoreMonth, params=asked("2024-01", where))
        until = datetime.strptime(told.pop("until"), "%Y-%m-%d %H:%M UTC").replace(tzinfo=UTC)
        assert told == {"month": "2024-01-01 to 2024-02-01", "table": table}
        assert timedelta(days=2) < until - datetime.now(UTC) < timedelta(days=4)
        assert back("2024-01", where, days=0) == [table]
    assert {"dataset": "event", "month": FIRST} in run(ListMonths, dataset="event")
    assert stage.states() == ["eligible", "eligible"]
    assert run(DropCopies, store="certify") == [f"{FIRST}_copy was dropped: a copy of 50 rows"]


@pytest.mark.parametrize("where", ["in place", "beside"])
def test_a_month_that_there_is_not_is_told_with_those_that_there_are(stage: Stage, where: str) -> None:
    _write("false")
    if where == "in place":
        with pytest.raises(NotBroughtBack, match=r"2019-01-01.*It has none yet"):
            run(RestoreMonth, params=asked("2019-01"))
    run(DropMonth, **archived())
    with pytest.raises(
        NotBroughtBack, match=r"2019-01-01.*It has one; the nearest is 2024-01-01 to 2024-02-01\. Ask for"
    ):
        run(RestoreMonth, params=asked("2019-01", where))


def test_a_copy_is_made_beside_or_in_another_store_and_the_night_drops_it(
    stage: Stage, make_database, monkeypatch
) -> None:
    _write("false")
    month = archived()
    other = make_database()
    monkeypatch.setenv("AIRFLOW_CONN_PG_SPARE", _connection(other.dsn()))
    estate = project.ROOT / "include/estate/estate.yaml"
    spare = "stores:\n  spare: {engine: postgres, connection: pg_spare, rto: 5m, rpo: 30s}\n"
    estate.write_text(estate.read_text().replace("stores:\n", spare))
    assert back("2024-01", "beside") == [f"{FIRST}_copy"]
    monkeypatch.setenv("AIRFLOW_CONN_PG_CERTIFY", "postgresql://nobody@127.0.0.1:1/gone")  # it is not asked
    assert back("2024-01", "beside", "spare") == [f"{FIRST}_copy"]
    monkeypatch.setenv("AIRFLOW_CONN_PG_CERTIFY", _connection(stage.database.dsn()))
    for store, wanted in (("spare", "In place is in the table that it left"), ("spar", "no PostgreSQL store 'spar'")):
        with pytest.raises((AirflowFailException, NoStore), match=wanted):
            run(RestoreMonth, params=asked("2024-01", "in place" if store == "spare" else "beside", store))
    assert run(ListStores) == ["spare", "certify"]
    with pytest.raises(AirflowSkipException, match="No copy in spare is over its time"):
        run(DropCopies, store="spare")
    assert back("2024-01", "beside", days=0) == [f"{FIRST}_copy"]
    with pytest.raises(AirflowSkipException, match=r"the copy of app\.event of certify, .* is over its time"):
        run(DropCopies, params={"dry_run": True}, store="certify")
    assert run(DropCopies, store="certify") == [f"{FIRST}_copy was dropped: a copy of 50 rows"]
    assert stage.states() == ["cooling", "eligible"]
    assert run(DropMonth, **month) == "dropped"


def test_what_the_vault_has_lost_of_a_dropped_month_is_an_alarm_and_turns_the_night_red(
    stage: Stage, people: tuple[Told, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    _write("false")
    connect_people(monkeypatch, people[1])
    with pytest.raises(AirflowSkipException, match="Nothing of store/certify is in the vault alone"):
        run(WatchDropped, store="certify")
    run(DropMonth, **archived())
    assert run(WatchDropped, store="certify") == {"months": 1, "of": 1}
    assert run(StoreGate, store="certify", gate=KEPT)["passed"]
    assert people[0].bodies == []
    key = next(key for key in stage.vault.list("archive/certify/") if key.endswith(".parquet"))
    stage.vault.remove(key)
    with pytest.raises(AirflowSkipException, match="nobody is told"):
        run(WatchDropped, params={"dry_run": True}, store="certify")
    run(WatchDropped, store="certify")
    (told,) = people[0].bodies
    assert (told["severity"], told["subject"], told["task_id"]) == ("P1", "store/certify", "list_months")
    assert told["text"].startswith("P1: store/certify: the vault has lost what it alone had: app.event, 2024-01-01")
    with pytest.raises(AirflowFailException, match=rf"is in the vault alone.*(?s:.)*{key} is gone"):
        run(StoreGate, store="certify", gate=KEPT)


def test_late_rows_take_the_same_tasks_by_the_name_of_their_partition(stage: Stage) -> None:
    _write("false, late: side")
    first = archived()
    run(DropMonth, **first)
    stage.ask("INSERT INTO app.event (at, tenant, said) VALUES ('2024-01-20', 1, 'late') RETURNING id")
    late = run(ListMonths, dataset="event")[0]
    assert late == {"dataset": "event", "month": f"{FIRST}_late1"}
    assert run(ArchiveMonth, **late)["rows"] == 1
    judge(late)
    assert run(DropMonth, **late) == "dropped"
    _write("false, late: reopen")
    stage.ask("INSERT INTO app.event (at, tenant, said) VALUES ('2024-01-20', 1, 'later') RETURNING id")
    again = run(ListMonths, dataset="event")[0]
    with pytest.raises(AirflowSkipException, match="is restored until"):
        run(ArchiveMonth, **again)
    assert stage.ask("SELECT count(*) AS n FROM app.event WHERE at < '2024-02-01'") == [(52,)]


@pytest.mark.parametrize("role", ["EXPORTER", "DROPPER"])
def test_each_works_by_a_login_of_its_own(stage: Stage, monkeypatch: pytest.MonkeyPatch, role: str) -> None:
    monkeypatch.setenv(
        f"AIRFLOW_CONN_PG_CERTIFY_{role}", os.environ["AIRFLOW_CONN_PG_CERTIFY"].replace('"certify', '"nobody')
    )
    with pytest.raises(Refused, match="nobody"):
        run(ListMonths, dataset="event")
    assert stage.states() == []


def test_a_month_that_is_cut_by_days_comes_back_as_a_whole(stage: Stage) -> None:
    _write("false")
    stage.own(
        MONTH.format(name="event_a", lower="2024-03-01", upper="2024-03-03"),
        MONTH.format(name="event_b", lower="2024-03-03", upper="2024-04-01"),
    )
    stage.ask(ROW.format(lower="2024-03-01") + " FROM generate_series(1, 50) i RETURNING id")
    for month in run(ListMonths, dataset="event"):
        run(ArchiveMonth, **month)
        judge(month)
        run(DropMonth, **month)
    assert back("2024-03") == ["app_partitions.event_a", "app_partitions.event_b"]
    assert stage.ask("SELECT count(*) FROM app.event") == [(50,)]


def test_the_gates_are_told_what_the_month_and_the_vault_hold(stage: Stage) -> None:
    month = archived()
    with opened_control(whose(**month), "a night") as control:
        facts = [control.facts(gate).facts for gate in archiving.GATES]
    assert (facts[0]["rows_there"], facts[0]["rows_manifest"], facts[0]["hash_differs"]) == (50, 50, 0)
    assert (facts[1]["rows_stored"], facts[1]["rows_read"], facts[1]["hash_differs"]) == (50, 50, 0)


def test_the_command_foresees_the_same_without_airflows_run(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sluice.local.simulate.use_connections", lambda: None)
    assert main(["simulate", "--svg", str(tmp_path / "drawn.svg")]) == 0
    told = capsys.readouterr().out
    assert "app.event, 12 months kept: 24 months from" in told and "drawn.svg is drawn" in told
    assert "app.event" in (tmp_path / "drawn.svg").read_text()
    assert told.splitlines()[1] == "tonight: 2 leave the table, 2024-01-01 to 2024-03-01"
    assert main(["simulate", "evnet"]) == 1
    assert "include/estate/datasets has no evnet.yaml. There are: event; did you mean event?" in capsys.readouterr().err
    assert main(["simulate", "event"]) == 0
    assert capsys.readouterr().out.strip() == told.partition("\n\n")[0]
    assert stage.states() == []
    (project.ROOT / "include/estate/datasets/event.yaml").unlink()
    assert main(["simulate"]) == 1
    assert "No table is archived" in capsys.readouterr().err


def test_the_months_of_a_run_are_told_with_their_rows_and_manifests(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = archived()["month"]
    monkeypatch.setattr("sluice.local.months.use_connections", lambda: None)
    told = months_table(["event", "gone"], {first}).splitlines()
    assert told[0].split("  ")[0] == "month" and len(told) == 4, "the other month is of no run"
    (key,) = [key for (key,) in stage.ask("SELECT manifest FROM sluice_archive.month WHERE manifest IS NOT NULL")]
    assert told[2].split()[0] == first and told[2].split()[-2:] == ["50", key]
    assert "cooling until" in told[2] and "2024-01-01 to 2024-02-01" in told[2]
    assert told[3] == "gone: include/estate/datasets has no gone.yaml. There are: event", "it hides no other table"


def test_a_dataset_that_has_no_file_is_told_with_those_that_have(stage: Stage) -> None:
    with pytest.raises(EstateErrors, match=r"no evnet\.yaml\. There are: event; did you mean event\?"):
        run(RestoreMonth, params={**asked("2024-01"), "dataset": "evnet"})


def test_a_dry_run_changes_nothing_and_a_wrong_file_is_red_by_itself(stage: Stage) -> None:
    with pytest.raises(AirflowSkipException, match="A dry run: nothing was changed"):
        run(ListMonths, params={"dry_run": True}, dataset="event")
    assert stage.states() == []
    picture = stage.vault.get(PUSHED[-1]["value"])
    assert (PUSHED[-1]["key"], picture[:4], b"app.event" in picture) == ("evidence", b"<svg", True)
    assert evidence_path(PUSHED[-1]["value"]).startswith("/sluice/docs/archive_retention/a%20night/list_months/")
    (project.ROOT / "include/estate/datasets/wrong.yaml").write_text("dataset: wrong\nretention: {keep: soon}\n")
    assert run(ListArchived) == ["event", "wrong"]
    assert len(run(ListMonths, dataset="event")) == 2
    with pytest.raises(EstateErrors, match=r"wrong\.yaml:2: retention\.keep"):
        run(ListMonths, dataset="wrong")
