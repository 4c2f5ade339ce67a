"""Where applications are told to go: in PostgreSQL and in DynamoDB alike, by one switch at a time, and not for ever closed."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sluice.access.routing import NoRoute, RouteFrozen, RouteUnknown, Routing
from sluice.access.view_route import RouteUnread, ViewRoute
from sluice.errors import Transient
from sluice.estate.single_table import DualRead
from sluice.failpoints import armed
from sluice.migration.engine import steps
from sluice.migration.engine.contract import Fence, Fenced, Phase
from sluice.migration.kinds.into_postgres.routing import RouteHeld
from sluice.stores.dynamodb.writes import Condition, Put, write_one

from tests.rowed import ITEMS, TENANT, Stage, audit, staged, to_backfilled, to_capturing, to_shadowing

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/howto/use-the-new-tables.md"
ROUTE = "SELECT read_from, write_to, epoch, lease_seconds FROM sluice_routing.route WHERE migration = %s"


def grants() -> str:
    """What the page has an administrator run."""
    (said,) = re.findall(r"^```sql\n(GRANT .*?)^```", PAGE.read_text(), re.M | re.S)
    return said.replace("tyler_app", "certify_app")


@pytest.fixture
def application(stage: Stage) -> Iterator[psycopg.Connection[Any]]:
    """An application's connection, with what the page grants it."""
    stage.kind().parts.c  # noqa: B018 - makes the marks
    stage.ask(grants())
    with psycopg.connect(stage.database.dsn("certify_app"), autocommit=True) as c:
        yield c


def view(c: psycopg.Connection[Any], name: str) -> ViewRoute:
    return ViewRoute(lambda asked: c.execute(ROUTE, [asked]).fetchone(), name)


def told(stage: Stage, c: psycopg.Connection[Any]) -> tuple[str, str]:
    """What the view says; the item must say the same."""
    route, item = view(c, stage.m.name).read(), stage.kind().parts.items.route()
    assert (route.read_from, route.write_to) == (item["read_from"]["S"], item["write_to"]["S"])
    assert (str(route.epoch), f"{route.lease_seconds:g}") == (item["epoch"]["N"], item["lease_seconds"]["N"])
    return route.read_from, route.write_to


def test_view_and_item_tell_the_same_all_the_way(stage: Stage, application: psycopg.Connection[Any]) -> None:
    with pytest.raises(NoRoute, match="check the name"):
        view(application, stage.m.name).read()
    kind = to_backfilled(stage)
    assert told(stage, application) == ("old", "old")
    steps.verify(kind)
    kind.shadow()
    assert told(stage, application) == ("shadow", "old")
    with armed("rows.frozen=sleep:1"):
        switching = threading.Thread(target=kind.cut_over)
        switching.start()
        time.sleep(0.5)
        assert told(stage, application) == ("old", "none")
        ((seconds,),) = stage.ask("SELECT extract(epoch FROM frozen_until - now())::int FROM sluice_routing.route")
        assert 50 < seconds < 75, "and it says until when at most"
        with pytest.raises(RouteFrozen), Routing(view(application, stage.m.name)).writing():
            raise AssertionError("nobody may write")
        switching.join()
    assert told(stage, application) == ("new", "new")
    steps.cut_back(stage.kind())
    assert told(stage, application) == ("old", "old") and view(application, stage.m.name).read().epoch == 2


def test_the_grants_of_the_page_let_a_role_look_and_nothing_else(
    stage: Stage, application: psycopg.Connection[Any]
) -> None:
    to_capturing(stage)
    assert told(stage, application) == ("old", "old")
    for closed in (
        "SELECT * FROM sluice.route",
        "SELECT * FROM sluice.quarantine",
        "UPDATE sluice_routing.route SET write_to = 'new'",
        "DELETE FROM sluice_routing.route",
        "SELECT sluice.abort('x')",
        "CREATE TABLE sluice_routing.mine ()",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            application.execute(closed)
    stage.ask("REVOKE USAGE ON SCHEMA sluice_routing FROM certify_app")
    with pytest.raises(RouteUnread, match="sluice_routing"):
        view(application, stage.m.name).read()
    with pytest.raises(RouteUnknown), Routing(view(application, stage.m.name)).writing():
        raise AssertionError("without a lease nobody may write")


def test_nobody_opens_the_route_under_a_switch(stage: Stage, application: psycopg.Connection[Any]) -> None:
    kind, other = to_shadowing(stage), stage.kind()
    with armed("rows.drained=sleep:1.5"):
        switching = threading.Thread(target=kind.cut_over)
        switching.start()
        time.sleep(1.2)
        for tell in (lambda: other.parts.route.publish(other.parts.c), other.shadow, other.cut_over):
            with pytest.raises(RouteHeld, match="switch holds the route"):
                tell()
        other.replicate(1)
        assert told(stage, application) == ("old", "none") and switching.is_alive()
        switching.join()
    assert told(stage, application) == ("new", "new")


def test_a_switch_that_died_is_opened_by_the_next_reader_and_cannot_switch_any_more(
    stage: Stage, application: psycopg.Connection[Any]
) -> None:
    kind, reader = to_shadowing(stage), stage.kind()
    failed: list[BaseException] = []

    def switch() -> None:
        try:
            kind.cut_over()
        except Fenced as late:
            failed.append(late)

    with armed("rows.drained=sleep:2"):
        sleeping = threading.Thread(target=switch)
        sleeping.start()
        time.sleep(1.2)
        stage.ask("UPDATE sluice.route SET frozen_until = now()")
        reader.replicate(1)
        assert told(stage, application) == ("shadow", "old"), "its time was over"
        stage.put(audit(1, note={"S": "written after it was opened"}))
        sleeping.join()
    assert [str(one) for one in failed] and "took so long" in str(failed[0])
    assert kind.position().phase is Phase.SHADOWING and told(stage, application) == ("shadow", "old")
    kind.cut_over()
    assert stage.rows()["a00001"][5]["note"] == "written after it was opened"


def test_a_place_that_was_not_told_is_told_by_the_next_reader(
    stage: Stage, application: psycopg.Connection[Any]
) -> None:
    kind = to_shadowing(stage)
    before = kind.parts.items.route()
    kind.cut_over()
    item = kind.parts.items.route()
    # As if the process had died behind the commit of the switch: the item says still what it said while frozen.
    write_one(
        stage.client, Put(kind.parts.items.table, {**item, "write_to": {"S": "none"}, "read_from": before["read_from"]})
    )
    stage.kind().replicate(1)
    assert told(stage, application) == ("new", "new")
    assert stage.kind().parts.items.route()["turn"]["N"] == str(int(item["turn"]["N"]) + 1)
    stage.kind().replicate(1)
    assert stage.kind().parts.items.route()["turn"]["N"] == str(int(item["turn"]["N"]) + 1), "and once is enough"


def test_where_reads_are_required_they_are_asked_for_before_they_are_judged(
    stage: Stage, application: psycopg.Connection[Any]
) -> None:
    gates = stage.m.gates.model_copy(update={"shadow": DualRead(required=True, at_least=10)})
    stage.m = stage.m.model_copy(update={"gates": gates})
    kind = to_backfilled(stage)
    steps.verify(kind)
    facts = kind.shadow()
    assert facts["shadow_reads_lacking"] == 1 and kind.position().phase is Phase.VERIFIED
    assert told(stage, application) == ("shadow", "old"), "else there would never be any"
    kind.replicate(1)
    assert told(stage, application) == ("shadow", "old")
    report = {
        "compared": 12,
        "equal": 12,
        "race": 0,
        "real": 0,
        "fell_back": 0,
        "failed": 0,
        "old_p95": 1,
        "new_p95": 1,
        "epoch": 1,
    }
    item = {name: {"N": str(value)} for name, value in report.items()}
    place = {"PK": {"S": stage.m.name}, "SK": {"S": "SHADOW#one"}, "examples": {"S": ""}}
    put = Put(kind.parts.items.table, {**place, **item}, Condition("attribute_not_exists(PK)"))
    write_one(stage.client, put)
    assert kind.shadow()["shadow_compared"] == 12 and kind.position().phase is Phase.SHADOWING
    write_one(stage.client, replace(put, item={**put.item, "real": {"N": "1"}}, condition=None))
    assert kind.shadow()["shadow_differences"] == 1 and kind.position().phase is Phase.VERIFIED
    with pytest.raises(Exception, match="a cutover follows shadowing"):
        kind.cut_over()


def test_a_drain_hears_of_canaries_that_another_reader_delivered(stage: Stage) -> None:
    kind, other = to_backfilled(stage), stage.kind()
    stopping = threading.Event()

    def deliver() -> None:
        while not stopping.is_set():
            other.replicate(0.2)

    reader = threading.Thread(target=deliver)
    reader.start()
    try:
        for _ in range(5):
            begun = time.monotonic()
            assert kind.drain(10).pending == 0 and time.monotonic() - begun < 8
    finally:
        stopping.set()
        reader.join()
    assert stage.ask("SELECT count(*) FROM sluice.canary") == [(0,)]
    assert len(stage.rows()) == ITEMS and kind.diff().clean


def test_a_canary_is_noted_with_the_rows_of_its_page_or_not_at_all(stage: Stage) -> None:
    kind = to_backfilled(stage)
    with armed("rows.applied=raise"), pytest.raises(Transient):
        kind.drain(5)
    assert stage.ask("SELECT count(*) FROM sluice.canary") == [(0,)]


def test_the_code_of_the_page_runs(
    documents: Any, make_table: Any, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first block, and those that ask PostgreSQL, beside a migration of that very name and table."""
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    code = "\n".join([blocks[0], *(block for block in blocks if "psycopg" in block)])
    with staged(documents, make_table, database) as stage:
        into = stage.m.target.model_copy(update={"table": "app.audit_log"})
        stage.m = stage.m.model_copy(update={"name": "tyler_audit_log", "target": into})
        kind = to_shadowing(stage)
        stage.ask(grants())
        options = f"-c app.tenant_id={TENANT}"
        given = {
            "DYNAMODB_URL": documents.endpoint, "AWS_ACCESS_KEY_ID": documents.key, "AWS_SECRET_ACCESS_KEY": documents.secret,
            "TABLE_PREFIX": documents.prefix, "CURSOR_KEY": "a secret of the application",
            "DATABASE_URL": psycopg.conninfo.make_conninfo(database.dsn("certify_app"), options=options),
        }  # fmt: skip
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(ROOT)
        code = code.replace('prefix + "audit"', repr(stage.table))
        made: dict[str, Any] = {}
        exec(compile(code, str(PAGE), "exec"), made)
        try:
            ((report,),) = [kind.parts.items.shadow_reports(1)]
            assert {report[name]["N"] for name in ("compared", "real")} == {"0"}, "it differs, and is looked at again"
            assert made["trail_reader"].report().waiting == 1
            kind.replicate(5)
            made["trail_reader"].read("a00001")
            assert made["trail_reader"].report().equal == 1
            steps.verify(kind)
            kind.cut_over()
            time.sleep(1.1)  # by then it looks again
            made["log_in"]("after", "42", "2024-03-01T00:00:00Z")
            query = "SELECT id, actor FROM app.audit_log WHERE id IN ('a1', 'after') ORDER BY id"
            assert stage.ask(query, "certify_app", TENANT) == [("a1", "42"), ("after", "42")]
        finally:
            made["database"].close()


def test_a_fence_is_what_a_switch_was_started_for(stage: Stage) -> None:
    kind = to_shadowing(stage)
    with pytest.raises(Fenced, match="the route was left as it is"):
        kind._switching.over(Fence(7))
