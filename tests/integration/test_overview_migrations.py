"""Migrations as the console shows them: looked at where they really are, remembered by a real ledger, drawn as a page."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from sluice.estate import SameClusterMigration
from sluice.flow import project
from sluice.flow.overview import migrations as looks
from sluice.flow.overview.refreshing import Refreshed, refresh
from sluice.flow.overview.sights import Sight
from sluice.ledger.control import Control
from sluice.ledger.samples import Samples, Series
from sluice.ledger.seen import Kind, SeenThings
from sluice.local import databases
from sluice.local.standing.migrations import tables
from sluice.migration.engine.contract import Fence, Phase
from sluice.overview.asked import Asked, Waiting
from sluice.overview.beside import of_dag, of_run, of_task
from sluice.overview.looked import REFRESHES
from sluice.overview.migrations.items_read import read_kind
from sluice.overview.migrations.listed import migrations
from sluice.overview.migrations.marks_read import NotTold, read_marks
from sluice.overview.migrations.one import NoMigration, migration
from sluice.overview.migrations.seen import Stood, described, found
from sluice.stores.postgres import connect

from tests import rowed
from tests.as_airflow import postgres_connection
from tests.conftest import Database, Server
from tests.few_items import Few
from tests.integration.moved import MONTHS, Moved
from tests.rowed import Stage

TABLE = (
    "CREATE TABLE app.thing (id int PRIMARY KEY, at timestamptz NOT NULL, note text)",
    "INSERT INTO app.thing SELECT i, date_trunc('month', now()) - (i % 3) * interval '1 month', 'n'"
    " FROM generate_series(1, 60) i",
    "GRANT ALL ON app.thing TO certify_app",
)
RUN = "manual__2026-03-01T11:00:00+00:00"
OF, WINDOWS, HOURLY = "migrate__thing", "backfill_window__thing", "validate_data"
FILE = """migration: thing
from: {store: certify, table: app.thing}
into: {table: app.thing_new, partition: {range: at, every: month}}
"""
ESTATE = """estate: sample
vault: {connection: s3_vault, bucket: sluice-vault}
ledger: {connection: sluice_ledger}
stores: {certify: {engine: postgres, connection: pg_certify, rto: 5m, rpo: 30s}}
"""


def seen_in(moved: Moved) -> Stood:
    with connect(moved.database.dsn(), purpose="test") as c:
        return read_marks(c, "thing", follows_later=False)


def test_a_look_at_a_planned_migration_finds_no_marks_and_makes_none(moving: Callable[..., Moved]) -> None:
    moved = moving(MONTHS, *TABLE)
    assert seen_in(moved) == Stood(Phase.PLANNED, 1)
    assert moved.ask("SELECT to_regnamespace('sluice') IS NULL") == [(True,)], "whoever looks makes no schema"


def test_a_look_follows_a_migration_on_its_way_and_sees_what_goes_wrong(moving: Callable[..., Moved]) -> None:
    moved = moving(MONTHS, *TABLE, accept=("weaker_key",))
    moved.to(Phase.CAPTURING)
    moved.kind().plan_chunks(1)
    kind = moved.kind()
    with moved.session("certify_app") as old:
        old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        old.execute("SELECT count(*) FROM app.thing")
        assert kind.copy_chunk(0, Fence(1))
        copying = seen_in(moved)
        moved.to(Phase.SHADOWING)
        assert len(seen_in(moved).held_by) == 1, "a cutover would wait for who looked before the copy"
    assert (copying.phase, copying.done, copying.captured, copying.drifted) == (Phase.CAPTURING, 1, True, False)
    assert (copying.chunks, copying.rows, copying.held_by) == (kind.progress().chunks, 60, ())
    proven = seen_in(moved)
    assert (proven.phase, proven.untouched, proven.verified_at is not None) == (Phase.SHADOWING, True, True)
    assert proven.held_by == ()
    moved.use("INSERT INTO app.thing VALUES (900, now() + interval '90 years', 'far')")
    held = seen_in(moved)
    assert held.quarantined == 1 and "900" in held.quarantined_told
    moved.use("DELETE FROM app.thing WHERE id = 900")
    moved.to(Phase.CUT_OVER)
    over = seen_in(moved)
    assert (over.captured, over.untouched, over.drifted, over.quarantined) == (True, True, False, 0)
    moved.own('ALTER TABLE app.thing DISABLE TRIGGER "!sluice_capture"')
    off = seen_in(moved)
    assert (off.captured, off.untouched) == (False, False)
    moved.own(
        'ALTER TABLE app.thing ENABLE ALWAYS TRIGGER "!sluice_capture"', "ALTER TABLE app.thing ADD COLUMN more int"
    )
    again = seen_in(moved)
    assert (again.captured, again.untouched, again.drifted) == (True, False, True)


def test_marks_of_another_release_are_told_and_not_mended(moving: Callable[..., Moved]) -> None:
    moved = moving(MONTHS, *TABLE, accept=("weaker_key",))
    moved.to(Phase.EXPANDED)
    moved.admin("ALTER TABLE sluice.migration RENAME COLUMN verified_under TO another")
    with pytest.raises(NotTold, match="The marks of thing could not be read"):
        seen_in(moved)


def test_items_are_looked_at_by_their_kind_and_one_that_is_planned_is_no_failure(few: Few) -> None:
    kind = few.opened()
    assert read_kind(kind) == Stood(Phase.PLANNED, 1)
    kind.expand()
    kind.start_capture()
    kind.plan_chunks()
    copying = read_kind(kind)
    assert (copying.phase, copying.done < copying.chunks, copying.drifted) == (Phase.CAPTURING, True, False)


def test_rows_made_of_items_are_looked_at_by_their_marks(stage: Stage) -> None:
    with connect(stage.database.dsn(), purpose="test") as c:
        rowed.to_backfilled(stage)
        stood = read_marks(c, stage.m.name, follows_later=True)
    assert (stood.phase, stood.done, stood.captured, stood.astray) == (Phase.BACKFILLED, 3, None, 0)
    assert stood.rows == rowed.ITEMS


# ---- the ledger ----


@pytest.fixture(scope="module")
def ledger(server: Server) -> Iterator[str]:
    """A ledger's database, made once: that takes longer than what is done with it."""
    databases.create_database(server.cluster, "seen_ledger", owner=databases.LEDGER)
    dsn = server.cluster.dsn("seen_ledger", databases.LEDGER, server.passwords[databases.LEDGER])
    with connect(dsn, purpose="test") as c:
        Control(c, "", "").prepare()
        Samples(c).prepare()
        SeenThings(c).prepare()
    yield dsn
    databases.drop_database(server.cluster, "seen_ledger")


@pytest.fixture
def asked(ledger: str) -> Iterator[Callable[..., Asked]]:
    """A function: `asked(waiting=(), may=None)` asks an empty ledger; `may` are the DAGs that may be read, all where None."""
    with connect(ledger, purpose="test") as c:
        c.execute("TRUNCATE control.transition, control.fact, control.evidence, control.question, control.approval")
        c.execute("TRUNCATE control.backfill_window, overview.seen")

        def asking(waiting: tuple[Waiting, ...] = (), may: set[str] | None = None) -> Asked:
            now = SeenThings(c).now()
            return Asked(c, None, now, waiting, lambda dag: may is None or dag in may)  # type: ignore[arg-type]

        yield asking


def looked(a: Asked, name: str, stood: Stood) -> None:
    m = SameClusterMigration.model_validate(
        {"migration": name, "from": {"store": "certify", "table": f"app.{name}"}, "into": {"table": f"app.{name}_new"}}
    )
    SeenThings(a.ledger).record(Kind.MIGRATION, name, a.now, found(described(m, a.now), stood, {}, a.now))
    SeenThings(a.ledger).record(Kind.LOOKED, REFRESHES, a.now, {})


def judged(control: Control, dag: str, gate: str, task: str, *, passed: bool = True, **facts: Any) -> None:
    control.record_facts(
        gate, {"rows_compared": 9, "rows_missing": 0, "rows_extra": 0, "rows_different": 0, **facts}, 1
    )
    key = f"evidence/{dag}/{control.run}/{task}.json"
    control.record_evidence(gate, 1, passed=passed, compared=9, key=key, sha256="ab" * 32)


def test_the_list_has_those_of_files_and_those_that_the_ledger_remembers_as_far_as_one_may_read(asked) -> None:
    a = asked(may={OF, "migrate__gone"})
    looked(a, "thing", Stood(Phase.CAPTURING, 1, chunks=4, done=1, rows=10, captured=True))
    looked(a, "secret", Stood(Phase.PLANNED, 1))
    Control(a.ledger, "gone", RUN).reconcile("retired", 1, "retire")
    it = migrations(a)
    assert [(one.name, one.phase) for one in it.migrations] == [("thing", "capturing"), ("gone", "retired")]
    assert it.migrations[1].file is None
    with pytest.raises(NoMigration, match="secret"):
        migration(a, "secret")


def test_a_list_that_nobody_looks_for_says_how_old_it_is(asked) -> None:
    a = asked()
    looked(a, "thing", Stood(Phase.CAPTURING, 1, chunks=4, done=1, rows=10, captured=True))
    assert not migrations(a).is_silent
    later = replace(a, now=a.now + timedelta(minutes=6))
    assert migrations(later).is_silent
    from sluice.console.pages import live_page

    page = live_page("migrations", migrations(later))
    assert "1 of 1 migration wants somebody, and nobody looks" in page
    assert 'href="/dags/refresh_overview"' in page
    ask = Waiting(OF, RUN, "cutover.approve_cutover", -1, "cut over?", a.now)
    own = live_page("migration", migration(replace(later, waiting=(ask,)), "thing"))
    assert "thing is capturing, and wants somebody" in own, "a question hides nothing that is wrong"
    assert "nobody has looked at it" in own
    assert "thing is capturing and waits for an answer" in live_page(
        "migration", migration(replace(a, waiting=(ask,)), "thing")
    )


def test_the_last_comparison_leads_to_its_evidence_and_not_to_anothers(asked) -> None:
    a = asked()
    looked(a, "thing", Stood(Phase.CUT_OVER, 1, cut_over_at=a.now, captured=True, untouched=True))
    control = Control(a.ledger, "thing", RUN)
    judged(control, OF, "cut_over", "cutover.gate_cut_over")
    hourly = Control(a.ledger, "thing", "scheduled__2026-03-01T12:00:00+00:00")
    judged(hourly, HOURLY, "validated", "gate_validated.0")
    [one] = migrations(a).migrations
    assert one.compared and one.compared.clean
    assert (
        one.compared.evidence and "/validate_data/" in one.compared.evidence and "sha256=abab" in one.compared.evidence
    )
    hourly.record_facts("validated", {"rows_compared": 9, "rows_missing": 2, "rows_extra": 0, "rows_different": 0}, 1)
    [one] = migrations(a).migrations
    assert one.compared and not one.compared.clean
    assert one.compared.evidence is None, "its gate has not judged this one"
    assert one.way_back and one.way_back.state == "hindered"
    assert one.worked and one.worked.run == RUN, "who compares does not work on it"
    [hidden] = migrations(asked(may={OF})).migrations
    assert [gate.gate for gate in hidden.gates] == ["cut_over"], "a verdict of a DAG that one may not read is left out"


def test_one_migration_has_all_that_happened_to_it(asked) -> None:
    a = asked()
    looked(a, "thing", Stood(Phase.EXPANDED, 2))
    control = Control(a.ledger, "thing", RUN)
    for phase, epoch in (("expanded", 1), ("capturing", 1), ("planned", 2), ("expanded", 2)):
        control.reconcile(phase, epoch, "step")
    control.record_question("cut_over", "about")
    control.record_approval("cut_over", 1, answer="Approve", by_whom="ann")
    control.record_approval("retire", 1, answer="Reject", by_whom="bob")
    began = datetime(2026, 1, 1, tzinfo=UTC)
    for hashed in ("a", "a", "b"):
        control.record_window(began, began + timedelta(days=31), count=7, hash_sum=hashed, filled=0)
    it = migration(a, "thing")
    assert [step.to_phase for step in it.transitions] == ["expanded", "planned", "capturing", "expanded"]
    assert [step.since is not None for step in it.now.line] == [True, True, *[False] * 6], (
        "what was taken back is to come again"
    )
    told = {(one.action, one.answer, one.by_whom, one.asked_at is not None) for one in it.answers}
    assert told == {("cut_over", "Approve", "ann", True), ("retire", "Reject", "bob", False)}
    [window] = it.windows
    assert (window.rows, window.as_before) == (7, False)
    assert migration(asked(may={OF}), "thing").windows == ()


def test_lag_is_the_followers_last_word(asked) -> None:
    a = asked()
    m = rowed.migration("audit")
    stood = Stood(Phase.CAPTURING, 1, chunks=4, done=1, rows=10)
    SeenThings(a.ledger).record(Kind.MIGRATION, m.name, a.now, found(described(m, a.now), stood, {}, a.now))
    [silent] = migrations(a).migrations
    assert silent.lag and silent.lag.behind is None and silent.rank == 1
    Samples(a.ledger).record(a.now, {Series("tyler", "stream_age_seconds", m.name): 7.5})
    [said] = migrations(asked()).migrations
    assert said.lag and said.lag.behind == timedelta(seconds=7.5) and not said.lag.late


# ---- the tabs ----


def test_of_a_run_that_judges_a_thousand_tables_the_red_one_is_shown(asked) -> None:
    a = asked()
    with a.ledger.transaction():
        for number in range(1000):
            key = f"evidence/create_partitions/{RUN}/gate.{number}.json"
            Control(a.ledger, f"table_{number}", RUN).record_evidence(
                "partitions_ahead", 1, passed=number != 7, compared=1, key=key, sha256="ab"
            )
    red = [one.whose for one in of_run(a, "create_partitions", RUN, "partitions").verdicts if not one.passed]
    assert red == ["table_7"]
    assert [one.whose for one in of_task(a, "create_partitions", RUN, "gate", 7, "partitions").verdicts] == red


def test_a_run_shows_what_it_has_left_and_nothing_of_another_dags_run_of_the_same_name(asked) -> None:
    waiting = (
        Waiting(OF, RUN, "cutover.approve_cutover", -1, "cut_over of thing?", None),
        Waiting(OF, "x", "y", -1, "?", None),
    )
    a = asked(waiting)
    control = Control(a.ledger, "thing", RUN)
    control.reconcile("verified", 1, "verify")
    judged(control, OF, "verified", "verify.gate_verified")
    judged(control, HOURLY, "validated", "gate_validated.0", rows_missing=1)
    judged(Control(a.ledger, "other", RUN), HOURLY, "validated", "gate_validated.1", passed=False)
    control.record_approval("cut_over", 1, answer="Approve", by_whom="ann")
    it = of_run(a, OF, RUN, "migrations")
    assert [one.gate for one in it.verdicts] == [one.gate for one in it.facts] == ["verified"]
    assert [one.to_phase for one in it.transitions] == ["verified"]
    assert [one.subject for one in it.waiting] == ["cut_over of thing?"]
    assert [one.by_whom for one in it.answers] == ["ann"]
    hourly = of_run(a, HOURLY, RUN, "migrations")
    assert {(one.whose, one.gate) for one in hourly.facts} == {("thing", "validated"), ("other", "validated")}
    assert hourly.transitions == ()
    assert of_run(a, OF, "never", "migrations").empty
    assert of_dag(a, HOURLY, "migrations").red == 1


def test_a_task_shows_its_own_evidence_or_what_it_measured_or_who_answered(asked) -> None:
    a = asked()
    control = Control(a.ledger, "thing", RUN)
    judged(control, OF, "verified", "verify.gate_verified")
    judged(control, OF, "verified", "verify.gate_verified.2")
    judged(control, OF, "shadowing", "shadow.gate_shadowing")
    control.record_approval("cut_over", 1, answer="Approve", by_whom="ann")

    def task(name: str, number: int = -1, dag: str = OF) -> Any:
        return of_task(a, dag, RUN, name, number, "migrations")

    gate = task("verify.gate_verified")
    assert [one.task for one in gate.verdicts] == ["verify.gate_verified.2", "verify.gate_verified"], (
        "a second try is its own"
    )
    assert {one.gate for one in gate.facts} == {"verified"}
    step = task("shadow.compare_reads")
    assert (step.verdicts, [one.gate for one in step.facts], step.answers) == ((), ["shadowing"], ())
    assert [one.by_whom for one in task("cutover.approve_cutover").answers] == ["ann"]
    assert task("retire.approve_retire").empty and task("preflight.plan_way").empty
    for number, whose in enumerate(("thing", "other")):
        judged(Control(a.ledger, whose, RUN), HOURLY, "validated", f"gate_validated.{number}")
    assert [one.whose for one in task("gate_validated", 1, HOURLY).verdicts] == ["other"]


# ---- the look by Airflow's connections ----


def test_the_look_leaves_each_file_in_the_ledger_and_says_of_a_broken_one_why(
    asked, ledger: str, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "include/estate/migrations"
    folder.mkdir(parents=True)
    (folder.parent / "estate.yaml").write_text(ESTATE)
    (folder / "thing.yaml").write_text(FILE)
    (folder / "broken.yaml").write_text("migration: broken\n")
    for module in (project, looks):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setenv("AIRFLOW_CONN_PG_CERTIFY", postgres_connection(database.dsn()))
    monkeypatch.setenv("AIRFLOW_CONN_SLUICE_LEDGER", postgres_connection(ledger))
    a = asked()
    seen = SeenThings(a.ledger)
    seen.record(Kind.MIGRATION, "removed", a.now, {"left": "over"})
    assert refresh(seen, Sight(Kind.MIGRATION, looks.names, looks.look), lambda *_: None) == Refreshed(2, 1)
    broken, thing = migrations(asked()).migrations
    assert (broken.name, "include/estate/migrations/broken.yaml" in broken.failed, broken.file) == (
        "broken",
        True,
        None,
    )
    assert (thing.name, thing.phase, thing.rank) == ("thing", "planned", 4)
    assert thing.file and (thing.file.table, thing.file.becomes) == ("app.thing", "app.thing_new")


# ---- as HTML ----


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """The console, for somebody who may read what `client.readable` holds, over the ledger `client.asked`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Airflow's own, while it is imported
        from sluice.console import tabs
        from sluice.console.app import app
        from sluice.console.who import may_read
        from starlette.testclient import TestClient

        app.dependency_overrides[may_read] = lambda: None
        made: Any = TestClient(app)
        app.dependency_overrides[tabs.asking] = lambda: made.opening
        yield made
        app.dependency_overrides.clear()


@pytest.fixture
def page(client: Any, asked) -> Callable[..., str]:
    """A function: `page(path, *waiting, may=None)` gives the HTML of an address."""

    def shown(path: str, *waiting: Waiting, may: set[str] | None = None, status: int = 200) -> str:
        @contextmanager
        def opening() -> Iterator[Asked]:
            yield asked(waiting, may)

        client.opening = opening
        answer = client.get(path)
        assert answer.status_code == status, answer.text
        return str(answer.text)

    return shown


def listed(a: Asked) -> str:
    from sluice.console.pages import live_page

    return live_page("migrations", migrations(a))


def test_the_list_says_the_answer_first_and_escapes_what_is_not_ours(client, asked) -> None:
    question = Waiting(OF, RUN, "cutover.approve_cutover", -1, "<b>cut over?</b>", asked().now)
    assert "include/estate/migrations" in listed(asked()), "an empty estate says how one begins"
    a = asked((question,))
    looked(a, "thing", Stood(Phase.SHADOWING, 1, captured=True))
    looked(a, "users", Stood(Phase.CUT_OVER, 1, cut_over_at=a.now, captured=True, quarantined=2))
    html = listed(a)
    assert "1 question waits for an answer, 1 of 2 migrations wants somebody" in html
    assert "&lt;b&gt;cut over?" in html and "<b>cut over?" not in html
    assert f"/dags/{OF}/runs/{RUN.replace('+', '%2B')}/tasks/cutover.approve_cutover/required_actions" in html
    assert html.index('id="m-thing"') < html.index('id="m-users"')
    assert json.dumps(html).count("2 in quarantine") == 1


def test_at_a_terminal_it_says_the_same(asked, capsys: pytest.CaptureFixture[str]) -> None:
    a = asked((Waiting(OF, RUN, "cutover.approve_cutover", -1, "[cut over?]", None),))
    looked(a, "thing", Stood(Phase.SHADOWING, 1, captured=True))
    looked(a, "users", Stood(Phase.CAPTURING, 1, chunks=4, done=1, rows=10, captured=True, quarantined=2))
    for table in tables(migrations(a)):
        Console(width=200).print(table)
    thing, users = (line for line in capsys.readouterr().out.splitlines() if "/8)" in line)
    assert "shadowing (6/8)" in thing and "[cut over?]" in thing
    assert "25%" in users and "not known yet" in users and "2 in quarantine" in users


def test_a_migrations_page_and_the_tab_of_its_dag_are_the_same_but_for_the_way_around(page, asked) -> None:
    looked(asked(), "thing", Stood(Phase.CUT_OVER, 1, cut_over_at=asked().now, captured=True, untouched=True))
    own, tab = page("/migrations/thing"), page(f"/of/{OF}")
    for html in (own, tab):
        assert "thing is cut_over" in html
        assert "./sluice run migrate__thing --conf" in html
        assert "days at least" in html
    assert 'aria-current="page"' in own and '<nav class="pages"' not in tab
    assert "There is no migration other" in page("/migrations/other", status=404)


def test_tabs_show_what_there_is_and_say_so_where_there_is_nothing(page, asked) -> None:
    control = Control(asked().ledger, "thing", RUN)
    judged(control, HOURLY, "validated", "gate_validated.0", headline="<script>")
    where = f"/of/{HOURLY}/{RUN.replace('+', '%2B')}"
    assert "All 1 gates of validate_data green" in page(f"/of/{HOURLY}")
    assert "This run is green" in page(where)
    task = page(f"{where}/gate_validated?map_index=0")
    assert "This task is green" in task and "&lt;script&gt;" in task and "<script>" not in task
    assert "This task has left nothing" in page(f"{where}/gate_validated?map_index=1")
    nothing = page("/of/create_partitions")
    assert "No gate of create_partitions has judged anything" in nothing and "/sluice/" in nothing
    assert "No gate of migrate__new" in page("/of/migrate__new"), "one that nobody has looked at yet"


def test_who_may_not_read_the_dag_of_a_migration_is_not_told_that_it_is_there(page, asked) -> None:
    looked(asked(), "thing", Stood(Phase.PLANNED, 1))
    assert "There is no migration thing" in page("/migrations/thing", may=set(), status=404)
