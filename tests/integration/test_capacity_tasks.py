"""`capacity_report` as Airflow runs it: its window, its files in the vault, and whom it tells by a real HTTP server."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException
from sluice.flow import alerting, connections
from sluice.flow.insight import ledger as insight_ledger
from sluice.flow.insight import reporting
from sluice.flow.insight.channels import AlertRefused
from sluice.flow.insight.reporting import MakeCapacityReport, NoDay, TellCapacity, period_of
from sluice.insight.capacity.making import Period
from sluice.insight.scaling.plan import Held, Plan, Step
from sluice.ledger.forecasts import Forecasts
from sluice.ledger.incidents import Incident, Incidents, Member
from sluice.ledger.samples import Samples, Series, Span
from sluice.ledger.scalings import Scalings
from sluice.stores.objects import Vault
from sluice.stores.postgres import connect

from tests.as_airflow import postgres_connection, vault_connection
from tests.conftest import Database, ScratchVault
from tests.people import Told, connect_people, listening

ROOT = Path(__file__).parents[2]
DAY, WEEK = timedelta(days=1), timedelta(days=7)
MONDAY = datetime(2025, 3, 17, 6, tzinfo=UTC)


@pytest.fixture
def ledger(database: Database, vault: ScratchVault, people: tuple[Told, int], tmp_path: Path, monkeypatch):
    """A project with a vault, a ledger with a hundred days of a disk that is full in a month, and somebody to tell."""
    (tmp_path / "include/estate").mkdir(parents=True)
    estate = (
        (ROOT / "include/estate/estate.yaml")
        .read_text()
        .replace("rto: 5m ", "watch: {disk: {size: 500 GB}}\n    rto: 5m ")
    )
    (tmp_path / "include/estate/estate.yaml").write_text(
        "notify: [{kind: http, connection: people, from: P4}]\n" + estate.replace("\nalerts:", "\n# alerts:")
    )
    for module in (connections, alerting, insight_ledger, reporting):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    connect_people(monkeypatch, people[1])
    monkeypatch.setenv("AIRFLOW_CONN_S3_VAULT", vault_connection(vault).replace("sluice-vault", vault.bucket))
    monkeypatch.setenv("AIRFLOW_CONN_SLUICE_LEDGER", postgres_connection(database.dsn("sluice_ledger")))
    monkeypatch.setattr(reporting, "open_vault", lambda: Vault(vault.client(), vault.bucket))
    with connect(database.dsn("sluice_ledger"), purpose="test") as c:
        days = [datetime.combine(MONDAY.date() - (100 - n) * DAY, time(), UTC) for n in range(100)]
        values = [300e9 + n * 1e9 for n in range(100)]
        disk = Series("certify", "disk_used_bytes")
        Samples(c).prepare().record_spans(
            "day", [(disk, Span(at, v, v, v, v, 24)) for at, v in zip(days, values, strict=True)]
        )
        yield Forecasts(c)


def context(upper: datetime = MONDAY, began: datetime | None = None, **params: Any) -> Any:
    """What a task of a weekly run is told."""
    pushed: dict[str, Any] = {}
    ti = SimpleNamespace(
        dag_id="capacity_report", run_id=f"scheduled__{upper:%Y-%m-%d}", task_id="make_report", pushed=pushed,
        xcom_push=lambda key, value: pushed.update({key: value}),
    )  # fmt: skip
    params = {"until": None, "monthly": None, **params}
    run = SimpleNamespace(conf={}, start_date=began or upper + timedelta(minutes=1), run_after=upper)
    return {"ti": ti, "params": params, "dag_run": run, "dag": SimpleNamespace(params=params), "run_id": ti.run_id}


def make(upper: datetime = MONDAY, **told: Any) -> dict[str, Any]:
    """Make the report of the week before a Monday."""
    task = MakeCapacityReport(task_id="make_report", lower=str(upper - WEEK), upper=str(upper))
    made: dict[str, Any] = task.execute(context(upper, **told))
    return made


def tell(made: dict[str, Any], upper: datetime = MONDAY, **told: Any) -> int:
    """Tell people of it."""
    sent: int = TellCapacity(task_id="tell_people", made=made).execute(context(upper, **told))
    return sent


def test_a_report_lies_in_the_vault_in_three_forms_where_the_console_shows_it(
    ledger: Forecasts, vault: ScratchVault
) -> None:
    task, told = MakeCapacityReport(task_id="make_report", lower=str(MONDAY - WEEK), upper=str(MONDAY)), context()
    made = task.execute(told)
    assert told["ti"].pushed["evidence"] == made["page"]
    assert made["page"].startswith("docs/capacity_report/scheduled__2025-03-17/make_report/")
    files = Vault(vault.client(), vault.bucket)
    assert b"<!DOCTYPE html>" in files.get(made["page"]) and files.get(made["markdown"]).startswith(
        b"# Capacity of sample"
    )
    assert json.loads(files.get(made["json"]))["until"] == "2025-03-17"
    assert made["headline"].startswith("certify is 85 % full between ")
    assert task.execute(context()) == made, "made again it is the same"


def test_two_reports_are_needed_to_wake_somebody_and_a_summary_is_sent_each_time(
    ledger: Forecasts, people, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.shop.example/")
    before = MONDAY - WEEK
    assert make(before)["urgent"] == []
    assert tell(make(before), before) == 1
    made = make()
    assert tell(made) == 2
    first, urgent, second = people[0].bodies
    assert [one["severity"] for one in (first, second)] == ["P4", "P4"] and "Capacity of sample" in first["text"]
    assert urgent["severity"] in ("P2", "P3") and urgent["subject"] == "certify"
    assert urgent["text"].startswith(f"{urgent['severity']}: certify is 85 % full between")
    assert urgent["page"] == f"https://airflow.shop.example/sluice/{made['page']}"
    assert {one["text"].splitlines()[-1] for one in (urgent, second)} == {urgent["page"]}, "a mail has the text alone"


def test_a_monthly_report_compares_with_the_month_before_and_wakes_by_the_last_report_alone(
    ledger: Forecasts, vault: ScratchVault, tmp_path: Path
) -> None:
    """A month ago the disk was taken to be far larger: held against that, what two weeks in a row say would wake nobody."""
    file = tmp_path / "include/estate/estate.yaml"
    text = file.read_text()
    file.write_text(text.replace("500 GB", "5 TB"))
    make(MONDAY - 4 * WEEK, monthly=True)
    file.write_text(text)
    make(MONDAY - WEEK)
    made = make(monthly=True)
    assert [one["subject"] for one in made["urgent"]] == ["certify"]
    told = json.loads(Vault(vault.client(), vault.bucket).get(made["json"]))
    assert told["changed"]["since"] == str(MONDAY.date() - 4 * WEEK)


def test_who_is_told_of_what_is_urgent_alone_gets_no_summary(ledger: Forecasts, people, tmp_path: Path) -> None:
    file = tmp_path / "include/estate/estate.yaml"
    file.write_text(file.read_text().replace("from: P4", "from: P3"))
    make(MONDAY - WEEK)
    assert tell(make()) == 1
    assert [one["severity"] for one in people[0].bodies] in (["P2"], ["P3"])


def test_a_channel_that_refuses_keeps_no_other_from_any_message_and_the_task_is_red(
    ledger: Forecasts, people: tuple[Told, int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "include/estate/estate.yaml"
    with listening() as (wrong, port):
        wrong.answers = 404
        refuses = {"conn_type": "http", "host": f"http://127.0.0.1:{port}/hook"}
        monkeypatch.setenv("AIRFLOW_CONN_REFUSES", json.dumps(refuses))
        file.write_text(file.read_text().replace("notify: [", "notify: [{kind: http, connection: refuses, from: P4}, "))
        make(MONDAY - WEEK)
        with pytest.raises(AlertRefused, match="refuses"):
            tell(make())
        assert (
            [one["subject"] for one in people[0].bodies]
            == [one["subject"] for one in wrong.bodies]
            == [
                "certify",
                "capacity",
            ]
        )


def test_of_a_window_long_ago_nobody_is_told_nor_of_one_that_another_has_overtaken(ledger: Forecasts, people) -> None:
    long_ago = make(MONDAY - 3 * WEEK, began=MONDAY)
    with pytest.raises(AirflowSkipException, match="of the past"):
        tell(long_ago, MONDAY - 3 * WEEK, began=MONDAY)
    make()
    with pytest.raises(AirflowSkipException, match="of the past"):
        tell(make(MONDAY - WEEK), MONDAY - WEEK)
    assert people[0].bodies == []


def test_the_week_with_a_first_of_a_month_looks_back_on_the_month() -> None:
    told = {"params": {}, "dag_run": context()["dag_run"]}
    weekly = period_of("2025-03-10T06:00:00+00:00", "2025-03-17T06:00:00+00:00", told)  # type: ignore[arg-type]
    assert weekly == Period(date(2025, 3, 10), date(2025, 3, 17), False)
    monthly = period_of("2025-02-24T06:00:00+00:00", "2025-03-03T06:00:00+00:00", told)  # type: ignore[arg-type]
    assert monthly == Period(date(2025, 2, 1), date(2025, 3, 3), True)


def test_a_form_may_name_a_day_and_a_month_and_without_a_window_it_is_the_week_before() -> None:
    asked = context(until="2025-02-10", monthly=True)
    assert period_of("", "", asked) == Period(date(2025, 2, 1), date(2025, 2, 10), True)
    assert period_of("", "", context()) == Period(date(2025, 3, 10), date(2025, 3, 17), False)
    for wrong, why in (("soon", "is no day"), ("2025-03-19", "has not come yet")):
        with pytest.raises(NoDay, match=why):
            period_of("", "", context(until=wrong))


def test_a_report_that_is_gone_from_the_vault_is_no_reason_to_fail(ledger: Forecasts, vault: ScratchVault) -> None:
    earlier = make(MONDAY - WEEK)
    Vault(vault.client(), vault.bucket).remove(earlier["json"])
    told = json.loads(Vault(vault.client(), vault.bucket).get(make()["json"]))
    assert told["changed"] is None and "no longer in the vault" in told["changed_reason"]


def test_what_is_older_than_days_are_kept_is_forgotten(ledger: Forecasts) -> None:
    make(MONDAY - WEEK)
    make(MONDAY + 4000 * DAY)
    assert ledger.report_before(MONDAY.date()) is None


def test_a_report_of_now_tells_what_is_wrong_and_wakes_nobody(ledger: Forecasts, vault: ScratchVault) -> None:
    bloat = Member("bloat", "certify", "dead_rows", "app.orders", "P4", "bloat", "40 % is bloat", "", "", "")
    incidents = Incidents(ledger.connection).prepare()
    mild = Incident(1, "certify", "bloat", "P4", MONDAY - DAY, (bloat,))
    others = (
        replace(mild, id=2, cause="urgent", severity="P3"),
        replace(mild, id=3, cause="hushed", hushed="a silence"),
        replace(mild, id=4, cause="quiet", quiet=MONDAY),
        replace(mild, id=5, cause="over", quiet=MONDAY, cleared=MONDAY),
    )
    incidents.keep({}, (mild, *others), ())

    def told(**how: Any) -> Any:
        return json.loads(Vault(vault.client(), vault.bucket).get(make(**how)["json"]))["troubles"]

    assert told() == [{"store": "certify", "since": "2025-03-16", "text": "40 % is bloat"}]
    assert told(began=MONDAY + 30 * DAY) is None


def test_a_report_of_now_says_what_would_be_scaled_and_one_of_long_ago_says_nothing_of_it(
    ledger: Forecasts, vault: ScratchVault, tmp_path: Path
) -> None:
    file = tmp_path / "include/estate/estate.yaml"
    step = Step("units", "up", "register_units", "tyler", "none", "70 %", "its units are fixed", "nothing", "by use")
    plan = Plan("tyler", (step,), (Held("units", "it has scaled 2 minutes ago"),))
    Scalings(ledger.connection).prepare().keep_plan("tyler", MONDAY, plan.told())

    def told(**how: Any) -> Any:
        return json.loads(Vault(vault.client(), vault.bucket).get(make(**how)["json"]))["proposals"]

    assert told() is None, "no store is to be scaled"
    file.write_text(file.read_text().replace("    rto: 15m", "    scaling: {}\n    rto: 15m"))
    assert [(one["store"], one["why"]) for one in told()] == [
        ("tyler", step.why),
        ("tyler", "it has scaled 2 minutes ago"),
    ]
    assert "held back: units" in [one["what"] for one in told()]
    assert told(began=MONDAY + 30 * DAY) is None
    assert told(began=MONDAY + 3 * DAY) == [], "a plan of three days ago says nothing of today"
