"""The rules that come along, a person's own over them, every mistake with its line, and what of a statement is told."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sluice.estate.health import NAMED
from sluice.estate.mistakes import EstateErrors
from sluice.estate.severity import SEVERITIES, is_as_urgent, most_urgent
from sluice.insight.collecting.collecting import PATIENCE as LONGEST_LOOK
from sluice.insight.collecting.postgres import SHIPPED as SHIPPED_SLOT
from sluice.insight.health.blockers import Session, masked, root_sessions, tree
from sluice.insight.health.levels import LEVELS
from sluice.insight.health.ours import Busy, whose
from sluice.insight.health.rules import OWN, SHIPPED, read_rules, read_rules_that_hold
from sluice.insight.health.silence import Hushed
from sluice.insight.health.telling import table
from sluice.insight.health.unwritten import UNWRITTEN
from sluice.insight.metrics import METRICS
from sluice.ledger.incidents import Incident
from sluice.ledger.samples import Series
from sluice.safety.left_over import slot_of

from tests.watched import MINUTE, NOON, ROOT, Estate, a_store, a_trouble, minutes

STORES = {"certify": a_store(), "shop": a_store(), "tyler": a_store(engine="dynamodb")}
OWN_RULE = (
    "rules:\n  queue:\n    sql: SELECT count(*) AS value FROM app.job\n    store: shop\n    over: 100\n    for: 10m\n"
    "    severity: P3\n    cause: queue\n    runbook: docs/jobs.md\n    do: Start a worker.\n    owner: shop\n"
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with the rules that come along."""
    for folder in (SHIPPED.parent, OWN.parent):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / SHIPPED).write_text((ROOT / SHIPPED).read_text())
    return tmp_path


def own(project: Path, text: str):
    (project / OWN).write_text(text)
    return read_rules(project, STORES)


def wrong(project: Path, text: str) -> list[str]:
    with pytest.raises(EstateErrors) as caught:
        own(project, text)
    return str(caught.value).splitlines()


def test_the_rules_that_come_along_are_whole_and_their_pages_are_there(project):
    rules = read_rules(project, STORES).rules
    causes = {rule.cause for rule in rules.values()}
    assert len(rules) > 40
    for rule in rules.values():
        page, _, anchor = rule.runbook.partition("#")
        headings = re.findall(r"(?m)^#+ (.+)$", (ROOT / page).read_text())
        assert not anchor or anchor in {re.sub(r"[^\w -]", "", one).lower().replace(" ", "-") for one in headings}, rule
        assert set(rule.explained_by) <= causes, rule
        assert rule.cause not in rule.explained_by, rule


def test_every_engine_is_watched_and_what_cannot_be_without_is(project):
    rules = read_rules(project, STORES).rules
    assert {rule.engine for rule in rules.values()} == {metric.engine for metric in METRICS.values()}
    urgent = {name for name, rule in rules.items() if rule.severity == "P1"}
    assert {
        "unreachable",
        "table_unreachable",
        "pooler_unreachable",
        "replication_broken",
        "wraparound_imminent",
        "detach_broken_off",
    } <= urgent
    assert rules["cache_missed"].severity == "P4", "the cache alone wakes nobody"
    assert (rules["processors_busy"].levels.over, str(rules["processors_busy"].lasts)) == (80, "2 x 5m")
    assert str(rules["connections_many"].lasts) == "3 x 1m"
    assert rules["disk_full"].at("certify", STORES["certify"]).level == 85
    assert rules["replica_late"].at("certify", STORES["certify"]).level == 5
    assert not [name for name in urgent if rules[name].ours == "silent" and rules[name].cause == "unreachable"]


def test_no_work_of_ours_silences_what_it_cannot_be_known_to_cause(project):
    rules = read_rules(project, STORES).rules
    assert {rules[name].ours for name in ("detach_broken_off", "deadlocks")} == {"told"}
    assert not [name for name, rule in rules.items() if rule.severity == "P1" and rule.ours == "silent"]


def test_a_look_can_take_as_long_as_the_rule_about_it_says(project):
    rule = read_rules(project, STORES).rules["looks_too_long"]
    assert rule.levels.over < LONGEST_LOOK.total_seconds() * 0.8, "one that takes longer is cut off, and has no number"
    estate = Estate(rule)
    estate.record(Series("certify", rule.metric), minutes([19] * 16))
    assert [one.rule for one in estate.see(NOON + 15 * MINUTE)] == ["looks_too_long"]


def test_a_pooler_that_does_not_answer_is_told_at_once_and_is_one_incident_with_its_server(project):
    estate = Estate(*read_rules(project, STORES).rules.values())
    estate.stores["certify"] = a_store(watch={"pooler": "pooler_certify"})
    estate.record(Series("certify", "up_count"), minutes([1] * 20 + [0] * 20))
    estate.record(Series("certify", "pooler_up_count"), minutes([1] * 10 + [0] * 30))
    estate.look(NOON + 9 * MINUTE)
    assert estate.told == []
    (message,) = estate.look(NOON + 11 * MINUTE).messages
    assert message.subject == "P1 certify: unreachable (#1)" and "pooler_up_count is 0, under 1" in message.text
    estate.look(NOON + 30 * MINUTE)
    assert [one.rule for one in estate.board.incidents[0].members] == ["pooler_unreachable", "unreachable"]


def test_a_rule_of_one_s_own_changes_what_it_says_and_leaves_the_rest(project):
    before = read_rules(project, STORES).rules["connections_many"]
    text = "rules:\n  connections_many: {over: 60, stores: {shop: {over: 90}}}\n  bloat: {off: true}\n"
    read = own(project, text).rules
    after = read["connections_many"]
    assert "bloat" not in read
    assert replace(after, levels=before.levels, stores=before.stores) == before
    assert after.at("certify", STORES["certify"]).clear == 60, "a level of theirs takes the clear one with it"
    assert after.at("shop", STORES["shop"]).level == 90


def test_a_question_of_one_s_own_is_asked_at_one_store(project):
    rule = own(project, OWN_RULE).rules["queue"]
    assert (rule.metric, rule.store, rule.engine, rule.often) == ("own_queue", "shop", "postgres", "minute")


def test_a_silence_needs_its_end_and_its_reason(project):
    read = own(project, 'silences:\n  - {store: shop, rule: bloat, until: 2027-01-31, why: "rebuilt in January"}\n')
    hushed = Hushed(NOON, silences=read.silences)
    assert hushed.why(a_trouble("shop", "bloat", "bloat")) == "silenced until 2027-01-31: rebuilt in January"
    assert hushed.why(a_trouble("certify", "bloat", "bloat")) is None
    (said,) = wrong(project, "silences:\n  - {store: shop, why: because}\n")
    assert said.startswith("include/estate/health.yaml:2: silences[0].until: found nothing, allowed: a day")


MISTAKES = {
    "rules:\n  slow_statements: {ovr: 3}\n": "health.yaml:2: rules.slow_statements.ovr: found an unknown key",
    "rules:\n  slow_statments: {over: 5}\n": "health.yaml:2: rules.slow_statments: found \"slow_statments\"",
    "rules:\n  slow_statments: {off: true}\n": "did you mean slow_statements?",
    "rules:\n  slow_statements: {for: ever}\n": "health.yaml:2: rules.slow_statements.for: found \"ever\", allowed: a duration",
    "rules:\n  slow_statements: {over: many}\n": "found \"many\", allowed: a number, or one of disk_full_at",
    "rules:\n  slow_statements: {over: true}\n": "rules.slow_statements.over: found true",
    "rules:\n  slow_statements: {over: 3, under: 1}\n": "rules.slow_statements.over: found both, allowed: over or under",
    "rules:\n  slow_statements: {over: 3, clear: 4}\n": "rules.slow_statements.clear: found 4, allowed: at most 3",
    "rules:\n  slow_statements: {severity: P5}\n": "rules.slow_statements.severity: found \"P5\", allowed: one of P1, P2, P3, P4",
    "rules:\n  slow_statements: {metric: slow_statement_count}\n": "did you mean slow_statements_count?",
    "rules:\n  slow_statements: {stores: {shp: {over: 3}}}\n": "did you mean shop?",
    "rules:\n  slow_statements: {store: shop}\n": "rules.slow_statements.store: found \"shop\", allowed: none with a metric",
    "rules:\n  slow_statements: {explained_by: [lock]}\n": "rules.slow_statements.explained_by[0]: found \"lock\"",
    "silences:\n  - {store: shp, until: 2027-01-31, why: x}\n": "silences[0].store: found \"shp\"",
    "silences:\n  - {rule: blot, until: 2027-01-31, why: x}\n": "did you mean bloat?",
    "silences:\n  - {until: 2027-02-31, why: x}\n": "silences[0].until",
    OWN_RULE.replace("store: shop", "store: tyler"): "rules.queue.store: found \"tyler\", allowed: certify, shop",
    OWN_RULE.replace("SELECT", "DELETE"): "rules.queue.sql",
    OWN_RULE.replace("app.job", "app.job; DROP TABLE x"): "rules.queue.sql",
    OWN_RULE.replace("    owner: shop\n", ""): "rules.queue.owner: found nothing, allowed: its owner",
    OWN_RULE.replace("for: 10m", "for: 2 x 10s"): "rules.queue.for",
    OWN_RULE + "    metric: up_count\n": "rules.queue.metric: found both",
}  # fmt: skip


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_is_told_with_its_line(project, text):
    said = wrong(project, text)
    assert len(said) == 1
    assert MISTAKES[text] in said[0]
    assert re.match(r"include/estate/health\.yaml:\d+: ", said[0])


@pytest.mark.parametrize("text", [*MISTAKES, "rules: [", "rules:\n  a: 1\n  a: 2\n"])
def test_a_mistake_in_one_s_own_file_keeps_none_of_the_rules_that_come_along_from_being_judged(project, text):
    before = read_rules(project, STORES)
    said = wrong(project, text)
    held = read_rules_that_hold(project, STORES)
    assert held.rules == before.rules and [str(one) for one in held.mistakes] == said


@pytest.mark.parametrize("rule", UNWRITTEN)
def test_what_no_file_has_as_a_rule_can_be_silenced_and_none_can_be_called_so(project, rule):
    text = f"silences:\n  - {{store: shop, rule: {rule}, until: {NOON.date()}, why: it is moved}}\n"
    silences = own(project, text).silences
    unheard, other = (a_trouble("shop", "watching", rule=one, severity="P2") for one in (rule, "another"))
    assert Hushed(NOON, silences=silences).why(unheard) == f"silenced until {NOON.date()}: it is moved"
    assert Hushed(NOON, silences=silences).why(other) is None
    (told,) = wrong(project, OWN_RULE.replace("queue:", f"{rule}:", 1))
    assert f"include/estate/health.yaml:2: rules.{rule}" in told and "no rule of a file" in told


def test_where_nothing_is_wrong_one_s_own_rules_hold(project):
    assert own(project, OWN_RULE) == read_rules_that_hold(project, STORES)


def test_of_a_file_with_mistakes_it_is_known_which_rules_it_is_about(project):
    (project / OWN).write_text("rules:\n  bloat: {over: 40, clear: 90}\n  mine: {over: 3}\n")
    assert read_rules_that_hold(project, STORES).unsure == {"bloat", "mine"}
    (project / OWN).write_text("rules: {\n")
    read = read_rules_that_hold(project, STORES)
    assert read.unsure == read.rules.keys(), "nobody knows what it says of any"


def test_a_mistake_in_what_comes_along_is_raised(project):
    (project / SHIPPED).write_text("rules: {x: {over: 1}}\n")
    with pytest.raises(EstateErrors):
        read_rules_that_hold(project, STORES)


def test_all_mistakes_are_told_at_once(project):
    text = "rules:\n  new_one: {metric: up_count, over: 3}\nsilences:\n  - {store: x, until: 2027-01-31, why: y}\n"
    assert len(wrong(project, text)) == 6 + 1


def test_a_misspelt_rule_is_one_mistake_that_says_which_is_near_and_how_a_new_one_begins(project):
    (said,) = wrong(project, "rules:\n  slow_statments: {over: 5, for: 5m}\n")
    assert (
        "allowed: with a metric or a question of your own (sql), a new rule; else one of those that come along: "
        in said
    )
    assert said.endswith("; did you mean slow_statements?")
    assert len(wrong(project, OWN_RULE.replace("queue", "slow_statments").replace("    sql", "    # sql"))) == 1


def test_every_name_of_a_level_is_one_that_a_person_may_write():
    assert set(LEVELS) == set(NAMED)


def test_the_slots_that_are_left_out_are_those_that_ship_the_log():
    assert slot_of("shop") == f"{SHIPPED_SLOT}shop"


def test_severities_have_an_order():
    assert most_urgent(["P3", "P1", "P4"]) == "P1" and most_urgent([]) == "P4"
    assert [one for one in SEVERITIES if is_as_urgent(one, "P2")] == ["P1", "P2"]


QUERIES = {
    "SELECT * FROM t WHERE email = 'anna@x.de' AND id = 42": "SELECT * FROM t WHERE email = ? AND id = ?",
    "SELECT 'it''s', E'a\\'b', $$x'y$$, $tag$ z $tag$, -1.5e10, 0xff": "SELECT ?, ?, ?, ?, -?, ?",
    "SELECT 'cut off in the mid": "SELECT ?",
    "SELECT $$cut off": "SELECT ?",
    "SELECT E'cut off\\": "SELECT ?",
    "INSERT INTO t2 VALUES ($1, $2) -- password=x": "INSERT INTO t2 VALUES ($1, $2)",
    "UPDATE /* anna */ \"T 1\" SET a = B'101'": 'UPDATE "T 1" SET a = ?',
    "SELECT /* cut off": "SELECT",
}


@pytest.mark.parametrize("query", QUERIES)
def test_of_a_statement_its_shape_is_told_and_no_value(query):
    assert masked(query) == QUERIES[query]


@given(st.text(alphabet="s'\"\\$x-/*E ", max_size=40), st.integers(0, 60))
def test_no_secret_in_a_string_is_told_however_the_statement_is_cut(noise, cut):
    quoted = "'" + noise.replace("'", "''").replace("\\", "") + "4111secret'"
    told = masked(f"SELECT a, {quoted} FROM t"[: 10 + cut])
    assert "secret" not in told and "4111" not in told


def session(pid: int, *blocked_by: int, **more) -> Session:
    made = Session(pid, "app", "shop", "idle in transaction", "SELECT 1", blocked_by, transaction_seconds=float(pid))
    return replace(made, **more)


def drawn(*sessions: Session) -> list[str]:
    return [re.sub(r"pid (\d+) .*", r"\1", line) for line in tree(sessions)]


def test_the_root_that_most_wait_for_comes_first():
    assert drawn(session(1), session(2, 1), session(3), session(4, 3), session(5, 4)) == [
        "3", "└─ 4", "   └─ 5", "1", "└─ 2"
    ]  # fmt: skip


def test_who_waits_for_several_is_drawn_once():
    assert drawn(session(1), session(2), session(3, 1, 2), session(4, 1, 1)) == ["1", "├─ 3", "└─ 4", "2"]


def test_a_ring_is_drawn_from_its_oldest_transaction_and_ends():
    assert drawn(session(1, 3), session(2, 1), session(3, 2)) == ["3", "└─ 1", "   └─ 2"]
    assert drawn(session(1, 1)) == ["1"]
    assert [one.pid for one in root_sessions([session(2, 2), session(3, 2)])] == [2]


def test_who_is_waited_for_and_gone_by_now_leaves_no_hole():
    assert drawn(session(1, 99)) == ["1"]


def test_a_prepared_transaction_stands_at_the_root():
    prepared = Session(0, "", "", "prepared", "'x' of app, 60 s old")
    assert tree((session(5, 0), prepared))[0].startswith("a prepared transaction: 'x' of app")


@given(st.dictionaries(st.integers(1, 8), st.lists(st.integers(0, 9), max_size=3), max_size=8))
def test_each_session_is_drawn_once_whoever_waits_for_whom(waits):
    sessions = [session(pid, *blocked_by) for pid, blocked_by in waits.items()]
    assert sorted(int(re.sub(r"\D*(\d+).*", r"\1", line)) for line in tree(sessions)) == sorted(waits)


def busy(application: str, **more) -> Busy:
    return replace(Busy(1, application, True, 5.0, 5.0), **more)


def test_slow_statements_are_ours_where_all_of_them_are():
    ours, theirs = busy("sluice:backfill orders"), busy("shop")
    assert whose("slow", (), [ours]) == "sluice:backfill orders"
    assert whose("slow", (), [ours, theirs]) is None
    assert whose("slow", (), [ours, replace(theirs, statement_seconds=0.1)]) == "sluice:backfill orders"
    assert whose("slow", (), []) is None
    assert whose("disk_load", (), [ours, theirs]) == "sluice:backfill orders"
    assert whose("disk_load", (), [theirs]) is None
    assert whose("old_transaction", (), [replace(ours, transaction_seconds=99)]) == "sluice:backfill orders"


def test_locks_are_ours_where_we_stand_at_every_root():
    mine = session(1, application="sluice:cutover orders")
    assert whose("locks", [mine, session(2, 1)], ()) == "sluice:cutover orders"
    assert whose("locks", [mine, session(2, 1), session(3), session(4, 3)], ()) is None
    assert whose("locks", [], ()) is None


def test_the_log_lists_what_is_open_the_most_urgent_first():
    member = a_trouble().as_member(None)
    late = Incident(1, "certify", "slow", "P3", NOON, (member,))
    hushed = Incident(2, "", "storm", "P1", NOON, (member, member), hushed="maintenance")
    lines = table([late, hushed, replace(late, id=3, cleared=NOON)]).splitlines()
    assert [line.split()[:3] for line in lines[1:]] == [["2", "P1", "the"], ["1", "P3", "certify"]]
    assert lines[1].endswith("slow is wrong [not told: maintenance]")
    assert table([]) == "Nothing is wrong."
