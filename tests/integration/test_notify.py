"""Who is told: every kind of channel against a real server of its kind, and one that fails keeps no other from being told."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from email import message_from_string, policy
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowSkipException
from sluice.estate.models import Channel
from sluice.flow import alerting, connections, project
from sluice.flow.alerting import AlertLate, AlertRefused, send_alert
from sluice.flow.connections import NoConnection
from sluice.flow.insight import ledger, watching
from sluice.flow.insight.channels import Notice, name_of, send
from sluice.flow.insight.watching import CallAlive, NotHeard, TellIncidents, WatchHealth
from sluice.insight.health.telling import message
from sluice.ledger.incidents import Incidents
from sluice.ledger.samples import Samples, Series
from sluice.ledger.seen import Kind, SeenThings
from sluice.local.ports import free_port
from sluice.stores.postgres import connect

from tests.as_airflow import postgres_connection, ran
from tests.conftest import Database
from tests.people import Told, connect_people, listening, taking_mail
from tests.watched import MINUTE, Estate, a_trouble

# Apprise looks for a module of Python's own that is on its way out, and manages without.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
ROOT = Path(__file__).parents[2]
NASTY = 'P1 shop: <b> & {{ 7 * 7 }} <!channel> "ä"\n├─ pid 7'
NOTICE = Notice("P1", "P1 shop: locks (#1)\nBcc: x@y", NASTY, {"incident": 1})
CONTEXT = {"ti": SimpleNamespace(dag_id="d", run_id="r", task_id="t")}


@pytest.fixture
def told(people, monkeypatch) -> Told:
    """An HTTP server, behind connections of every kind that speaks HTTP."""
    told, port = people
    connect_people(monkeypatch, port)
    url = f"http://127.0.0.1:{port}"
    slack = {"conn_type": "slackwebhook", "host": f"{url}/services", "password": "T0/B0/secret"}
    monkeypatch.setenv("AIRFLOW_CONN_SLACK_OPS", json.dumps(slack))
    config = {"conn_type": "apprise", "extra": {"config": {"path": url.replace("http", "json")}}}
    monkeypatch.setenv("AIRFLOW_CONN_APPRISE_OPS", json.dumps(config))
    return told


def channel(kind: str, **more) -> Channel:
    names = {"http": "people", "slack": "slack_ops", "apprise": "apprise_ops", "smtp": "smtp_ops", "sns": "aws_ops"}
    return Channel(kind=kind, **{"connection": names[kind], **more})


def test_http_gets_the_whole_of_it(told):
    send(channel("http"), NOTICE)
    assert told.bodies == [{"severity": "P1", "subject": NOTICE.subject, "text": NASTY, "incident": 1}]


def test_slack_gets_the_text_with_nothing_in_it_that_slack_would_obey(told):
    send(channel("slack"), NOTICE)
    assert [body["text"] for body in told.bodies] == [
        'P1 shop: &lt;b&gt; &amp; {{ 7 * 7 }} &lt;!channel&gt; "ä"\n├─ pid 7'
    ]


def test_apprise_gets_subject_and_text(told):
    send(channel("apprise"), NOTICE)
    assert [(body["title"], body["message"], body["type"]) for body in told.bodies] == [
        (NOTICE.subject.replace("\n", "\n"), NASTY, "failure")
    ]


@pytest.mark.parametrize("kind", ["http", "slack", "apprise"])
def test_who_fails_inside_is_told_again_later(told, kind):
    told.answers = 503
    with pytest.raises(AlertLate, match="Nobody was told by") as caught:
        send(channel(kind), NOTICE)
    assert "secret" not in str(caught.value) and "127.0.0.1" not in str(caught.value)


@pytest.mark.parametrize("answers", [None, 404])
def test_a_webhook_s_address_is_in_no_log(estate, monkeypatch, capsys, caplog, answers):
    estate("insight: {alive: deadman}")
    with listening() as (told, port):
        told.answers = answers or 200
        where = {"conn_type": "http", "host": f"http://127.0.0.1:{port if answers else free_port()}/ping/secret"}
        for name in ("PEOPLE", "DEADMAN"):
            monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps(where))
        with caplog.at_level(logging.INFO):
            with pytest.raises((AlertLate, AlertRefused)):
                send(channel("http"), NOTICE)
            with pytest.raises(NotHeard):
                ran(CallAlive(task_id="call_alive"))
    assert "secret" not in "".join((*capsys.readouterr(), caplog.text))


@pytest.mark.parametrize("kind", ["http", "slack", "apprise", "smtp", "sns"])
def test_a_connection_that_is_not_there_is_named(kind):
    to = {"smtp": ("a@b.example",), "sns": ("arn:aws:sns:us-east-1:000000000000:ops",)}
    with pytest.raises(NoConnection, match="no connection 'nowhere'"):
        send(channel(kind, connection="nowhere", to=to.get(kind, ())), NOTICE)


def test_apprise_without_a_service_is_refused(monkeypatch):
    for config in ({}, {"config": {"path": "nothing://there"}}):
        monkeypatch.setenv("AIRFLOW_CONN_APPRISE_OPS", json.dumps({"conn_type": "apprise", "extra": config}))
        with pytest.raises(AlertRefused, match="config"):
            send(channel("apprise"), NOTICE)


@pytest.fixture
def mail(monkeypatch) -> Iterator:
    with taking_mail() as (mailed, port):
        _connect_mail(monkeypatch, port)
        yield mailed


def _connect_mail(monkeypatch, port: int) -> None:
    extra = {
        "disable_ssl": True,
        "disable_tls": True,
        "from_email": "sluice@shop.example",
        "retry_limit": 0,
        "timeout": 5,
    }
    where = {"conn_type": "smtp", "host": "127.0.0.1", "port": port, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_OPS", json.dumps(where))


def test_mail_goes_to_each_address_and_its_subject_begins_no_other_header(mail):
    send(channel("smtp", to=("ada@shop.example", "bob@shop.example")), NOTICE)
    assert mail.to == ["ada@shop.example", "bob@shop.example"]
    (read,) = [message_from_string(text, policy=policy.default) for text in mail.texts]
    assert read["Subject"] == "P1 shop: locks (#1) Bcc: x@y" and read["Bcc"] is None
    page = next(part.get_content() for part in read.walk() if part.get_content_type() == "text/html")
    assert "&lt;b&gt; &amp; {{ 7 * 7 }}" in page and "├─ pid 7" in page


def test_mail_that_is_refused_and_mail_that_cannot_be_sent_are_told_apart(mail, monkeypatch):
    with pytest.raises(AlertRefused):
        send(channel("smtp", to=("nobody@shop.example",)), NOTICE)
    _connect_mail(monkeypatch, free_port())
    with pytest.raises(AlertLate):
        send(channel("smtp", to=("ada@shop.example",)), NOTICE)


@pytest.fixture
def estate(tmp_path: Path, monkeypatch, database: Database):
    """A function: `estate(text)` makes a project whose estate begins with the text, on a real store and ledger."""
    for module in (alerting, connections, ledger, project, watching):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    (tmp_path / "include/estate").mkdir(parents=True)
    (tmp_path / "include/health").mkdir()
    (tmp_path / "include/health/rules.yaml").write_text((ROOT / "include/health/rules.yaml").read_text())
    monkeypatch.setenv("AIRFLOW_CONN_SLUICE_LEDGER", postgres_connection(database.dsn("sluice_ledger")))
    monkeypatch.setenv("AIRFLOW_CONN_PG_CERTIFY", postgres_connection(database.dsn("admin")))

    def make(text: str) -> Path:
        rest = "vault: {connection: s3_vault, bucket: sluice-vault}\nledger: {connection: sluice_ledger}\n"
        stores = "stores:\n  certify: {engine: postgres, connection: pg_certify, rto: 5m, rpo: 30s}\n"
        (tmp_path / "include/estate/estate.yaml").write_text(f"estate: test\n{text}\n{rest}{stores}")
        return tmp_path

    return make


def test_an_alarm_of_any_room_goes_to_everybody_who_is_told_of_so_much(told, mail, estate):
    estate(
        "alerts: people\nnotify:\n  - {kind: slack, connection: slack_ops, from: P1}\n"
        "  - {kind: smtp, connection: smtp_ops, from: P2, to: [ada@shop.example]}\n"
    )
    assert send_alert("P2", "certify", "late", CONTEXT, days=3) is True
    assert [body["text"] for body in told.bodies] == ["late"]
    assert told.bodies[0]["days"] == 3 and told.bodies[0]["dag_id"] == "d"
    assert len(mail.texts) == 1
    send_alert("P1", "certify", "gone", CONTEXT)
    assert [body["text"] for body in told.bodies] == ["late", "gone", "gone"]


def test_one_channel_that_fails_keeps_no_other_from_being_told(told, mail, estate):
    estate(
        "notify:\n  - {kind: http, connection: nowhere}\n  - {kind: slack, connection: slack_ops}\n"
        "  - {kind: smtp, connection: smtp_ops, to: [ada@shop.example]}\n"
    )
    with pytest.raises(NoConnection):
        send_alert("P1", "certify", "gone", CONTEXT)
    assert len(told.bodies) == len(mail.texts) == 1


def test_where_nobody_is_named_nobody_is_told(estate):
    estate("")
    assert send_alert("P1", "certify", "gone", CONTEXT) is False


DOWN = {Series("certify", "up_count"): 0.0}


def record(database: Database, values, minutes_ago: int = 0) -> None:
    from datetime import timedelta

    with connect(database.dsn("sluice_ledger"), purpose="test") as c:
        now = Incidents(c).prepare().now()
        for ago in range(minutes_ago, -1, -1):
            Samples(c).record(now - timedelta(minutes=ago), values)


def test_a_store_that_is_down_is_told_once_by_each_channel_and_the_next_look_tells_who_was_away(
    told, database, estate, caplog
):
    estate("alerts: people\nnotify:\n  - {kind: slack, connection: slack_ops}\n")
    record(database, DOWN, minutes_ago=3)
    with caplog.at_level(logging.INFO):
        assert ran(WatchHealth(task_id="watch_health")) == {"incidents": 1, "wrong": 1, "to_tell": 1}
    with connect(database.dsn("sluice_ledger"), purpose="test") as c:
        assert SeenThings(c).one_of(Kind.LOOKED, "watch_health"), "else the console says that nobody looks"
    told.answers = 503
    with pytest.raises(AlertLate):
        ran(TellIncidents(task_id="tell_incidents"))
    assert len(told.bodies) == 2, "both were tried"
    told.answers = 200
    assert ran(TellIncidents(task_id="tell_incidents")) == {"http people": 1, "slack slack_ops": 1}
    first = told.bodies[2]
    assert first["subject"] == "P1 certify: unreachable (#1)"
    assert (first["incident"], first["kind"], first["rules"]) == (1, "opened", ["unreachable"])
    assert first["text"].splitlines()[0].startswith("P1 certify up_count is 0, under 1, since ")
    assert "Somebody is at it at once." in first["text"]
    assert ran(WatchHealth(task_id="watch_health"))["to_tell"] == 0
    assert ran(TellIncidents(task_id="tell_incidents")) == {"http people": 0, "slack slack_ops": 0}
    assert len(told.bodies) == 4


def test_who_does_not_answer_is_tried_once_a_look_however_much_there_is_to_tell(told, database, estate):
    estate("notify:\n  - {kind: http, connection: people, from: P4}\n")
    record(database, {Series("certify", "up_count"): 1.0, Series("certify", "cache_hit_percent"): 50.0}, minutes_ago=40)
    record(database, {Series("certify", "lock_waits_count"): 3.0}, minutes_ago=3)
    assert ran(WatchHealth(task_id="watch_health"))["to_tell"] == 2
    told.answers = 503
    with pytest.raises(AlertLate):
        ran(TellIncidents(task_id="tell_incidents"))
    assert len(told.bodies) == 1, "each try of one that is dead takes its time, and the next look comes in five minutes"
    told.answers = 200
    assert ran(TellIncidents(task_id="tell_incidents")) == {"http people": 2}


def test_a_channel_is_told_of_no_less_than_it_asks_for(told, database, estate):
    estate(
        "notify:\n  - {kind: slack, connection: slack_ops, from: P1}\n  - {kind: http, connection: people, from: P4}\n"
    )
    record(database, {Series("certify", "up_count"): 1.0, Series("certify", "cache_hit_percent"): 50.0}, minutes_ago=40)
    ran(WatchHealth(task_id="watch_health"))
    assert ran(TellIncidents(task_id="tell_incidents")) == {"slack slack_ops": 0, "http people": 1}
    assert told.bodies[0]["subject"] == "P4 certify: cache (#1)"


def test_a_channel_that_is_new_is_told_of_what_is_open_and_of_nothing_that_was_before_it(told, database, estate):
    estate("alerts: people\n")
    record(database, DOWN, minutes_ago=3)
    ran(WatchHealth(task_id="watch_health"))
    with connect(database.dsn("sluice_ledger"), purpose="test") as c:
        incidents = Incidents(c)
        (first,) = incidents.board(incidents.now()).incidents
        over = replace(first, id=2, cause="locks", cleared=incidents.now(), quiet=incidents.now())
        ones = [message(over, kind, incidents.now()) for kind in ("opened", "cleared")]
        with incidents.looking():
            incidents.keep(incidents.states(), [over], ones)
            incidents.keep(incidents.states(), [first], [message(first, "reminder", incidents.now())])
    assert ran(TellIncidents(task_id="tell_incidents")) == {"http people": 1}, "it is new itself: what is open, once"
    estate("alerts: people\nnotify:\n  - {kind: slack, connection: slack_ops}\n")
    assert ran(TellIncidents(task_id="tell_incidents")) == {"http people": 0, "slack slack_ops": 1}
    assert "is still open" in told.bodies[1]["text"], "the last that was said of it"
    assert ran(TellIncidents(task_id="tell_incidents")) == {"http people": 0, "slack slack_ops": 0}
    with connect(database.dsn("sluice_ledger"), purpose="test") as c:
        incidents, later = Incidents(c), Incidents(c).now()
        with incidents.looking():
            cleared = replace(first, cleared=later, quiet=later)
            incidents.keep(incidents.states(), [cleared], [message(cleared, "cleared", later)])
    assert ran(TellIncidents(task_id="tell_incidents")) == {"http people": 1, "slack slack_ops": 1}


def test_who_was_told_before_the_upgrade_is_told_what_was_left_to_tell(told, database, estate):
    estate("alerts: people\n")
    with connect(database.dsn("sluice_ledger"), purpose="test") as c:
        incidents = Incidents(c).prepare()
        now, board = incidents.now(), Estate()
        looks = ((15, [a_trouble(severity="P2")]), (10, []), (0, []))
        for n, outcome in enumerate([board.carry(found, now - ago * MINUTE) for ago, found in looks]):
            with incidents.looking():
                incidents.keep({}, outcome.incidents, outcome.messages)
            if not n:
                (opened,) = incidents.untold("http people", ["P2"], now)
                incidents.note_told(opened, "http people")
        c.execute("ALTER TABLE insight.rule_state DROP COLUMN level; DROP TABLE insight.channel")
        c.execute("DELETE FROM sluice.release WHERE release_set = 'insight' AND version = '1.6.0'")
        incidents.prepare()
    assert ran(TellIncidents(task_id="tell_incidents")) == {"http people": 1}
    assert told.bodies[0]["kind"] == "cleared"


def test_a_test_message_goes_to_every_channel_and_it_is_said_of_each_whether_it_arrived(told, database, estate, capsys):
    estate(
        "notify:\n  - {kind: http, connection: people, from: P1}\n  - {kind: http, connection: nowhere}\n"
        "  - {kind: http, connection: people, from: P4}\n"
    )
    record(database, DOWN, minutes_ago=3)
    ran(WatchHealth(task_id="watch_health"))
    with pytest.raises(NoConnection):
        ran(TellIncidents(task_id="tell_incidents"), test=True)
    tests = [body["text"] for body in told.bodies if body["kind"] == "test"]
    assert [text.rpartition("of what is ")[2] for text in tests] == ["P1 or more urgent.", "P4 or more urgent."]
    assert [body["severity"] for body in told.bodies if body["kind"] != "test"] == ["P1"], "alarms go on"
    log = capsys.readouterr().out
    assert log.count("http people: took the test message") == 2
    assert "http nowhere: did not take the test message. Airflow has no connection 'nowhere'" in log
    told.bodies.clear()
    with pytest.raises(NoConnection):
        ran(TellIncidents(task_id="tell_incidents"))
    assert told.bodies == [], "nobody is sent a test who did not ask for one"


def test_two_channels_of_one_connection_have_names_of_their_own():
    ones = [channel("smtp", to=(to,)) for to in ("ada@shop.example", "bob@shop.example")]
    assert len({name_of(one) for one in ones}) == 2


def test_after_a_look_whoever_waits_for_it_is_called(estate, monkeypatch):
    with listening() as (told, port):
        where = {"conn_type": "http", "host": f"http://127.0.0.1:{port}/ping/secret"}
        monkeypatch.setenv("AIRFLOW_CONN_DEADMAN", json.dumps(where))
        estate("insight: {alive: deadman}")
        ran(CallAlive(task_id="call_alive"))
        assert told.calls == ["/ping/secret"]
        told.answers = 500
        with pytest.raises(NotHeard) as caught:
            ran(CallAlive(task_id="call_alive"))
        assert "secret" not in str(caught.value)
    estate("")
    with pytest.raises(AirflowSkipException):
        ran(CallAlive(task_id="call_alive"))


def test_a_mistake_in_the_rules_is_told_and_what_comes_along_is_judged(told, database, estate, capsys):
    root = estate("alerts: people")
    (root / "include/estate/health.yaml").write_text("rules:\n  bloat: {over: much}\n")
    record(database, DOWN, minutes_ago=3)
    assert ran(WatchHealth(task_id="watch_health"))["to_tell"] == 2
    assert "include/estate/health.yaml:2: rules.bloat.over" in capsys.readouterr().out
    ran(TellIncidents(task_id="tell_incidents"))
    subjects = {body["subject"]: body["text"] for body in told.bodies}
    assert set(subjects) == {"P1 certify: unreachable (#1)", "P2 the estate: rules (#2)"}
    assert "include/estate/health.yaml has mistakes (1) since" in subjects["P2 the estate: rules (#2)"]
    assert "`./sluice status` names each" in subjects["P2 the estate: rules (#2)"]


def test_a_mistake_in_what_comes_along_makes_the_look_red(estate):
    from sluice.estate import EstateErrors

    root = estate("")
    (root / "include/health/rules.yaml").write_text("rules:\n  bloat: {over: much}\n")
    with pytest.raises(EstateErrors, match=r"include/health/rules\.yaml:2: rules\.bloat\.over"):
        ran(WatchHealth(task_id="watch_health"))
