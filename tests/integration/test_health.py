"""The watch over a real PostgreSQL: the tree of who waits for whom, looks that are kept once, and who is told of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from sluice.estate.health import Levels
from sluice.estate.insight import Insight
from sluice.insight.health.asking import NoNumber, ask
from sluice.insight.health.blockers import find_waits, tree
from sluice.insight.health.looking import watch
from sluice.insight.health.ours import find_busy, whose
from sluice.insight.health.rules import Rules
from sluice.insight.health.unwritten import SILENT, UNANSWERED
from sluice.ledger.incidents import Incidents, State
from sluice.ledger.samples import Samples, Series
from sluice.stores.postgres import Connection, Refused, StoreDown, connect

from tests.conftest import Database
from tests.watched import MINUTE, Estate, a_rule, a_store, a_trouble

PATIENCE = 10.0
NO_WINDOW = Insight(maintenance=())


@pytest.fixture
def ledger(database: Database) -> Iterator[Connection]:
    with connect(database.dsn("sluice_ledger"), purpose="test") as c:
        yield c


@pytest.fixture
def incidents(ledger: Connection) -> Incidents:
    return Incidents(ledger).prepare()


@pytest.fixture
def open_store(database: Database) -> Callable[[str], Connection]:
    return lambda name: connect(database.dsn("admin"), purpose="health")


class Sessions:
    """Sessions of an application, some of which wait for others."""

    def __init__(self, database: Database, stack: ExitStack) -> None:
        self.database, self.stack = database, stack

    def open(self, name: str) -> psycopg.Connection:
        """Open one; whatever waits in it ends with the test."""
        c = psycopg.connect(self.database.dsn("admin"), application_name=name)
        self.stack.callback(c.close)
        return c

    def wait(self, c: psycopg.Connection, statement: str) -> int:
        """Have a session run what it must wait for; give its pid when it waits."""
        pid = c.info.backend_pid

        def run() -> None:
            with suppress(psycopg.Error):
                c.execute(statement)

        thread = threading.Thread(target=run, daemon=True)
        self.stack.callback(thread.join, PATIENCE)
        self.stack.callback(self._end, pid)
        thread.start()
        self.until(lambda: pid in {one.pid for one in self.waits() if one.blocked_by})
        return pid

    def _end(self, pid: int) -> None:
        with psycopg.connect(self.database.dsn("admin"), autocommit=True) as c:
            c.execute("SELECT pg_terminate_backend(%s)", [pid])

    def waits(self):
        with connect(self.database.dsn("admin"), purpose="test") as c:
            return find_waits(c)

    def until(self, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < end
            time.sleep(0.02)


@pytest.fixture
def sessions(database: Database) -> Iterator[Sessions]:
    with psycopg.connect(database.dsn("admin"), autocommit=True) as c:
        c.execute("CREATE TABLE app.thing (id int PRIMARY KEY, secret text)")
        c.execute("INSERT INTO app.thing SELECT n, 'x' FROM generate_series(1, 9) AS n")
    with ExitStack() as stack:
        yield Sessions(database, stack)


def three_levels(sessions: Sessions, root: str = "shop") -> list[int]:
    """A chain of three and a branch: who holds, who waits for it and holds another row, and who waits for that one."""
    holder, middle, last, other = (sessions.open(name) for name in (root, "web", "report", "batch"))
    holder.execute("UPDATE app.thing SET secret = 'password-of-anna' WHERE id = 1")
    middle.execute("UPDATE app.thing SET secret = 'y' WHERE id = 2")
    pids = [holder.info.backend_pid, sessions.wait(middle, "UPDATE app.thing SET secret = 'card 4111' WHERE id = 1")]
    pids.append(sessions.wait(last, "UPDATE app.thing SET secret = $$z$$ WHERE id = 2"))
    pids.append(sessions.wait(other, "ALTER TABLE app.thing ADD COLUMN more int"))
    return pids


def test_the_tree_of_who_waits_is_right_three_levels_deep(sessions):
    holder, middle, last, other = three_levels(sessions)
    found = sessions.waits()
    assert {one.pid: set(one.blocked_by) for one in found} == {
        holder: set(), middle: {holder}, last: {middle}, other: {holder, middle, last}
    }  # fmt: skip
    lines = tree(found)
    assert [line.partition("(")[0].rpartition(" ")[0].rpartition(" ")[0] for line in lines] == [
        f"pid {holder}", f"├─ pid {middle}", f"│  └─ pid {last}", f"└─ pid {other}"
    ]  # fmt: skip
    assert lines[0].startswith(f"pid {holder} ") and "(shop) idle in transaction, its transaction" in lines[0]
    text = "\n".join(lines)
    assert "UPDATE app.thing SET secret = ? WHERE id = ?" in text
    assert "waits 0 s for AccessExclusiveLock on app.thing: ALTER TABLE app.thing ADD COLUMN more int" in text
    assert not [word for word in ("anna", "4111", "$$z$$") if word in text], "no value is told"


def test_a_prepared_transaction_is_told_by_its_name(sessions):
    holder = sessions.open("shop")
    holder.execute("UPDATE app.thing SET secret = 'y' WHERE id = 1")
    holder.execute("PREPARE TRANSACTION 'forgotten'")
    sessions.wait(sessions.open("web"), "UPDATE app.thing SET secret = 'y' WHERE id = 1")
    root, waiter = tree(sessions.waits())
    with psycopg.connect(sessions.database.dsn("admin"), autocommit=True) as c:
        c.execute("ROLLBACK PREPARED 'forgotten'")
    assert root.startswith("a prepared transaction: 'forgotten' of ")
    assert waiter.startswith("└─ pid ")


def test_whose_lock_it_is_decides_who_is_told(sessions):
    three_levels(sessions, root="sluice:cutover orders")
    with connect(sessions.database.dsn("admin"), purpose="test") as c:
        waits, busy = find_waits(c), find_busy(c)
    assert whose("locks", waits, busy) == "sluice:cutover orders"
    sessions.open("shop").execute("SELECT 1")
    assert whose("old_transaction", waits, busy) is None


LOCKED = a_rule("locks", "lock_waits_count", levels=Levels(over=0), cause="locks", ours="silent")


def looked(ledger, open_store, rules=(LOCKED,), insight=NO_WINDOW):
    return watch(ledger, {"certify": a_store()}, insight, Rules({rule.name: rule for rule in rules}), open_store)


def record(ledger, metric: str, value: float, subject: str = "") -> None:
    samples = Samples(ledger).prepare()
    values = {Series("certify", metric, subject): float(value), Series("certify", "up_count"): 1.0}
    samples.record(Incidents(ledger).now(), values)


def test_a_look_is_kept_whole_told_once_and_cleared(ledger, incidents, open_store, sessions):
    three_levels(sessions)
    record(ledger, "lock_waits_count", 2)
    seen = looked(ledger, open_store)
    assert seen.failures == ()
    (message,) = incidents.untold("http people", ["P1", "P2"], seen.now)
    assert message.subject == "P2 certify: locks (#1)"
    assert "└─ pid" in message.text and "anna" not in message.text
    assert incidents.untold("http people", ["P1"], seen.now) == []
    board = incidents.board(seen.now)
    assert looked(ledger, open_store).outcome.messages == ()
    assert replace(incidents.board(seen.now).incidents[0], evidence="") == replace(board.incidents[0], evidence="")
    incidents.note_told(message, "http people", "no answer")
    assert incidents.untold("http people", ["P2"], seen.now) == [message], "what failed is tried again"
    incidents.note_told(message, "http people")
    assert incidents.untold("http people", ["P2"], seen.now) == []
    assert incidents.untold("slack ops", ["P2"], seen.now) == [message], "another channel has it still to take"
    record(ledger, "lock_waits_count", 0)
    looked(ledger, open_store)
    assert incidents.states() == {}
    assert incidents.board(seen.now).incidents[0].quiet is not None


def test_whoever_was_told_that_it_opened_is_told_that_it_is_well(ledger, incidents):
    for channel in ("people", "phone", "away"):
        assert incidents.untold(channel, ["P1"], incidents.now()) == [], "from now on it is told"
    now, estate = incidents.now(), Estate()
    worst, less = a_trouble(severity="P1"), a_trouble(severity="P3")
    for minute, found in ((0, [worst]), (5, [less]), (10, []), (20, [])):
        outcome = estate.carry(found, now + minute * MINUTE)
        with incidents.looking():
            incidents.keep({}, outcome.incidents, outcome.messages)
    for channel, severities in (("people", ["P1", "P2", "P3"]), ("phone", ["P1"])):
        opened, *_ = incidents.untold(channel, severities, now)
        assert opened.kind == "opened"
        incidents.note_told(opened, channel)
        (cleared,) = incidents.untold(channel, severities, now)
        assert (cleared.kind, cleared.severity) == ("cleared", "P3")
        incidents.note_told(cleared, channel)
        assert incidents.untold(channel, severities, now) == []
    (opened,) = incidents.untold("away", ["P1"], now)
    incidents.note_told(opened, "away", "no answer")
    assert incidents.untold("away", ["P1"], now) == [opened], "who never heard of it does not hear that it is well"


@pytest.mark.parametrize(
    ("pages", "runbook", "told"),
    [
        (None, "docs/howto/a.md#locks", "docs/howto/a.md#locks"),
        (
            "https://git.shop.example/main",
            "docs/howto/a.md#locks",
            "https://git.shop.example/main/docs/howto/a.md#locks",
        ),
        ("https://git.shop.example/main/", "docs/howto/a.md", "https://git.shop.example/main/docs/howto/a.md"),
        ("https://git.shop.example/main", "https://wiki.shop.example/a", "https://wiki.shop.example/a"),
    ],
)
def test_a_message_links_to_where_the_pages_are_read(ledger, incidents, open_store, pages, runbook, told):
    record(ledger, "lock_waits_count", 2)
    insight = Insight(maintenance=(), pages=pages)
    (message,) = looked(ledger, open_store, [replace(LOCKED, runbook=runbook)], insight).outcome.messages
    assert message.details["runbook"] == told
    assert f"\n{told}" in message.text


def test_two_looks_at_once_are_one_incident_and_one_message(ledger, incidents, database, open_store):
    record(ledger, "lock_waits_count", 2)

    def run(_: int) -> int:
        with connect(database.dsn("sluice_ledger"), purpose="test") as c:
            return len(looked(c, open_store).outcome.messages)

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(run, range(6))) == [0, 0, 0, 0, 0, 1]
    assert len(incidents.untold("x", ["P2"], incidents.now())) == 1


def test_our_own_lock_is_kept_and_nobody_is_told(ledger, incidents, open_store, sessions):
    three_levels(sessions, root="sluice:cutover orders")
    record(ledger, "lock_waits_count", 2)
    assert looked(ledger, open_store).outcome.messages == ()
    assert incidents.board(incidents.now()).incidents[0].hushed == "Sluice's own work: sluice:cutover orders"


def test_a_store_that_cannot_be_asked_stops_no_look(ledger, incidents):
    @contextmanager
    def down(name: str) -> Iterator[Connection]:
        raise StoreDown(f"{name} is down")
        yield

    record(ledger, "lock_waits_count", 2)
    seen = looked(ledger, down)
    assert seen.failures == ("certify cannot be asked who is in the way: certify is down",)
    assert len(seen.outcome.messages) == 1


def test_a_look_that_breaks_off_keeps_nothing(ledger, incidents):
    estate = Estate(stores=())
    outcome = estate.carry([a_trouble()], incidents.now())
    with suppress(RuntimeError), incidents.looking():
        incidents.keep({}, outcome.incidents, outcome.messages)
        raise RuntimeError("the worker dies")
    assert incidents.board(incidents.now() - MINUTE).incidents == ()
    assert incidents.untold("x", ["P3"], incidents.now()) == []


def test_what_is_kept_is_read_back_as_it_was_and_forgotten_in_its_time(ledger, incidents):
    now = incidents.now()
    estate = Estate()
    outcome = estate.carry(
        [a_trouble(), a_trouble(cause="bloat", subject="app.thing")], now, {("certify", "slow"): "tree"}
    )
    with incidents.looking():
        incidents.keep({}, outcome.incidents, outcome.messages)
        incidents.keep({}, outcome.incidents, outcome.messages)
    board = incidents.board(now - MINUTE)
    assert board.incidents == outcome.incidents and board.next == 3
    assert [one.rule for each in board.incidents for one in each.named] == ["rule_bloat", "rule_slow"]
    assert [replace(one, id=0) for one in incidents.untold("x", ["P3"], now)] == list(outcome.messages)
    assert incidents.untold("x", ["P3"], now + timedelta(days=2)) == [], "too late to tell"
    cleared = [replace(one, cleared=now) for one in board.incidents]
    with incidents.looking():
        incidents.keep({}, cleared, [])
    assert len(incidents.board(now - MINUTE).incidents) == 2 and incidents.board(now).incidents == ()
    incidents.forget(now + MINUTE)
    assert incidents.board(now - MINUTE).incidents == ()


def test_what_joins_is_kept_as_a_message_and_what_of_it_is_well_since(ledger, incidents):
    now, estate = incidents.now(), Estate()
    ones = [a_trouble(subject=name, severity="P2") for name in ("orders", "items")]
    for minute, found in ((0, ones[:1]), (5, ones), (10, ones[:1])):
        outcome = estate.carry(found, now + minute * MINUTE)
        with incidents.looking():
            incidents.keep({}, outcome.incidents, outcome.messages)
    assert [one.kind for one in incidents.untold("x", ["P2"], now)] == ["opened", "more"]
    assert incidents.board(now).incidents == outcome.incidents
    assert [one.well_since for one in outcome.incidents[0].named] == [None, now + 10 * MINUTE]


def test_an_incident_that_was_told_before_the_upgrade_is_told_no_second_time(ledger, incidents, monkeypatch):
    now, estate = incidents.now(), Estate()
    outcome = estate.carry([a_trouble(severity="P2"), a_trouble(cause="bloat")], now)
    silent = replace(outcome.incidents[1], told=None, named=())
    with incidents.looking():
        incidents.keep({}, (outcome.incidents[0], silent), outcome.messages)
    ledger.execute("ALTER TABLE insight.incident DROP COLUMN named")
    ledger.execute("DELETE FROM sluice.release WHERE release_set = 'insight' AND version = '1.4.0'")
    assert incidents.prepare().board(now - MINUTE).incidents == (outcome.incidents[0], silent)


def test_what_was_told_to_nobody_before_the_upgrade_may_be_told_after_it(ledger, incidents):
    now, estate = incidents.now(), Estate()
    told, hushed, follows = (a_trouble(subject=name, severity="P2") for name in ("told", "hushed", "follows"))
    one = estate.carry([told, hushed, follows], now).incidents[0]
    by_name = {member.subject: member for member in one.members}
    silent = replace(by_name["hushed"], hushed="silenced until tomorrow")
    members = (by_name["told"], silent, replace(by_name["follows"], follows=True))
    with incidents.looking():
        incidents.keep({}, (replace(one, members=members),), ())
    ledger.execute("ALTER TABLE insight.incident DROP COLUMN named")
    ledger.execute("DELETE FROM sluice.release WHERE release_set = 'insight' AND version = '1.4.0'")
    (after,) = incidents.prepare().board(now - MINUTE).incidents
    assert [named.subject for named in after.named] == ["told"]


def own_rule(sql: str):
    return replace(a_rule("queue"), metric="own_queue", sql=sql, store="certify", levels=Levels(over=5))


def test_a_question_of_one_s_own_is_a_rule_like_any_other(ledger, incidents, open_store, sessions):
    rule = own_rule("SELECT count(*) AS value, 'thing' AS subject FROM app.thing WHERE secret LIKE '%x%';")
    seen = looked(ledger, open_store, [rule])
    assert [message.text.splitlines()[0] for message in seen.outcome.messages] == [
        f"P2 certify thing: own_queue is 9, over 5, since {seen.now:%Y-%m-%d %H:%M} UTC"
    ]
    assert Samples(ledger).latest(incidents.now())[Series("certify", "own_queue", "thing")].value == 9


def test_a_question_that_the_store_refuses_is_kept_by_its_rule(ledger, incidents, open_store, sessions):
    seen = looked(ledger, open_store, [own_rule("SELECT count(*) AS value FROM app.thing, app.gone")])
    assert ["app.gone" in one for one in seen.failures] == [True]
    ((name, series),) = [key for key in incidents.states() if key[0] != SILENT]
    assert (name, series) == (UNANSWERED, Series("certify", "own_queue"))


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT 'many' AS value", "must give a number named `value`"),
        ("SELECT 1 AS a, 2 AS b", "must give a number named `value`"),
        ("SELECT n AS value, n AS subject FROM generate_series(1, 101) AS n", "more than 100 subjects"),
        ("SELECT n AS value, n / 2 AS subject FROM generate_series(2, 5) AS n", "more than one number of '1'"),
        ("SELECT n AS value FROM generate_series(1, 2) AS n", "more than one number without a subject"),
        ("SELECT nothing FROM app.thing", 'column "nothing" does not exist'),
        ("SELECT pg_sleep(6)::text::int AS value", "statement timeout"),
        ("WITH gone AS (DELETE FROM app.thing RETURNING id) SELECT count(*) AS value FROM gone", "WITH clause"),
        ("SELECT setval('app.counter', 9) AS value", "read-only transaction"),
    ],
)
def test_a_question_that_is_none_is_refused_and_changes_nothing(open_store, sessions, database, sql, told):
    with psycopg.connect(database.dsn("admin"), autocommit=True) as c:
        c.execute("CREATE SEQUENCE app.counter")
    with open_store("certify") as c, pytest.raises(NoNumber, match=told):
        ask(c, own_rule(sql), "certify")
    with psycopg.connect(database.dsn("admin")) as c:
        assert c.execute("SELECT count(*) FROM app.thing").fetchone() == (9,)


def test_a_question_that_its_role_may_not_ask_says_so(database, sessions):
    with psycopg.connect(database.dsn("admin"), autocommit=True) as c:
        c.execute("CREATE TABLE public.hidden (id int)")
    with connect(database.dsn("certify_app"), purpose="test") as c, pytest.raises(Refused, match="permission denied"):
        ask(c, own_rule("SELECT count(*) AS value FROM public.hidden"), "certify")


def test_a_state_is_read_back_as_it_was_kept_with_the_level_that_it_began_with(incidents):
    now = incidents.now()
    key = "replication_broken", Series("certify", "replicas_count")
    for state in (
        State("firing", now, now, 2, 0.0, 1.0),
        State("firing", now, now, 2, 0.0, 2.0),
        State("pending", now, now),
    ):
        with incidents.looking():
            incidents.keep({key: state}, (), ())
        assert incidents.states() == {key: state}


def test_rules_whose_levels_are_written_with_a_point_and_without_one_are_kept_together(ledger, incidents, open_store):
    whole, point = (a_rule(name, levels=Levels(over=over)) for name, over in (("whole", 80), ("point", 79.5)))
    record(ledger, "connections_used_percent", 99)
    assert len(looked(ledger, open_store, [whole, point]).outcome.messages) == 2
    assert sorted(one.level for one in incidents.states().values()) == [79.5, 80.0]
