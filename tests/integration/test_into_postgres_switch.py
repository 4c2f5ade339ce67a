"""The switch to PostgreSQL with a writer on, and the way back from it while nobody has written there."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import psycopg
import pytest
from sluice import failpoints
from sluice.errors import Transient
from sluice.failpoints import armed
from sluice.migration.engine import steps
from sluice.migration.engine.contract import COPIES_IN, Fence, Fenced, NotYet, Phase, Window
from sluice.migration.kinds.into_postgres import IntoPostgres, standing
from sluice.migration.kinds.into_postgres.gap import Gap
from sluice.migration.kinds.into_postgres.switching import NoWayBack

from tests.rowed import (
    ITEMS,
    LEASE,
    TENANT,
    Application,
    Remembering,
    Stage,
    audit,
    copied,
    to_backfilled,
    to_capturing,
)


def test_all_the_way_with_a_writer_on_no_acknowledged_write_is_lost(stage: Stage) -> None:
    kind = stage.kind()
    application = Application(stage, stage.kind())
    writer = threading.Thread(target=application.run)
    writer.start()
    try:
        found = {finding.code: finding for finding in kind.preflight() if finding.blocks}
        assert set(found) == {"no_way_back"} and found["no_way_back"].acceptable
        assert "audit_log_y2024m03" in kind.describe_plan()
        facts = kind.expand()
        assert facts["partitions_missing"] == facts["partitions_gaps"] == facts["rls_differs"] == 0, facts
        kind.start_capture()
        kind.plan_chunks()
        copied(kind)
        done = kind.finish_backfill(Fence(1))
        assert done["extra_attributes"] == 2 and "tags" in str(done["extras"]), done
        verified = steps.verify(kind)
        assert verified["planted"] == verified["planted_found"] == 16 and not verified["equal_rows_flagged"], verified
        assert kind.position().phase is Phase.VERIFIED, verified
        kind.shadow()
        steps.verify(kind)
        swap = steps.cut_over(kind)
        assert swap["rows_missing"] == swap["rows_extra"] == swap["rows_different"] == 0, swap
        assert swap["pause_ms"] >= LEASE.total_seconds() * 1000, "whoever has a lease may write until it is over"
        time.sleep(0.3)
        assert kind.diff().clean
    finally:
        application.stopping.set()
        writer.join()
    stand = stage.rows()
    assert application.to_postgres > 5 and len(application.acknowledged) > 10
    for number, item in application.acknowledged.items():
        row = stand.get(f"a{number:05}")
        assert (row is None) == (item is None), number
        assert row is None or item is None or row[5]["note"] == item["note"]["S"]
    assert stage.ask("SELECT count(*) FROM app.tyler_audit_log WHERE _deleted") == [(0,)]
    with pytest.raises(NoWayBack, match="rows of app"):
        steps.cut_back(kind)
    assert kind.position().phase is Phase.CUT_OVER
    assert kind.retire()["old_kept"] == 1
    assert stage.ask("SELECT count(*) FROM pg_attribute WHERE attname IN ('_token', '_from', '_deleted')"
                     " AND attrelid::regclass::text LIKE 'app%'") == [(0,)]  # fmt: skip


def test_a_route_that_was_told_meanwhile_is_not_told_over(stage: Stage) -> None:
    kind, late = to_capturing(stage), stage.kind()
    before = late.parts.items.route()
    kind.parts.route.publish(kind.parts.c)
    late.parts.route = replace(late.parts.route, items=Remembering(late.parts.items, before))
    with pytest.raises(Fenced, match="told otherwise"):
        late.parts.route.publish(late.parts.c)


def test_who_outstayed_its_lease_is_waited_for_and_shuts_the_way_back(stage: Stage) -> None:
    kind = to_backfilled(stage)
    steps.verify(kind)
    kind.shadow()
    kind.cut_over()
    with psycopg.connect(stage.database.dsn("certify_app")) as late:
        late.execute("SELECT set_config('app.tenant_id', %s, false)", [TENANT])
        late.execute("UPDATE app.tyler_audit_log SET action = 'late' WHERE id = 'a00002'")

        def commit_once_waited_for() -> None:
            while not stage.ask("SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'relation'"):
                time.sleep(0.01)
            late.commit()

        committing = threading.Thread(target=commit_once_waited_for)
        committing.start()
        with pytest.raises(NoWayBack, match="written, changed or deleted 1 rows"):
            kind.cut_back()
        committing.join()
    assert kind.position().phase is Phase.CUT_OVER
    assert kind.parts.items.route()["write_to"] == {"S": "new"}


def test_back_is_open_while_nobody_has_written_and_the_stream_goes_on(stage: Stage) -> None:
    kind = to_backfilled(stage)
    steps.verify(kind)
    kind.shadow()
    with armed("rows.switched=raise"), pytest.raises(Transient):
        kind.cut_over()
    assert kind.position().phase is Phase.CUT_OVER
    assert kind.parts.items.route()["write_to"] == {"S": "new"}, "told even so, by what the marks say"
    steps.cut_back(stage.kind())
    position = kind.position()
    assert (position.phase, position.epoch) == (Phase.VERIFIED, 2)
    assert kind.parts.items.route()["write_to"] == {"S": "old"}
    stage.put(audit(1, note={"S": "after going back"}))
    kind.replicate(10)
    assert stage.rows()["a00001"][5]["note"] == "after going back"
    assert kind.diff().clean
    steps.verify(kind)
    kind.shadow()
    stage.put(audit(7, note={"S": "just before"}))
    kind.cut_over()
    assert stage.rows()["a00007"][5]["note"] == "just before", "what was written has arrived when the switch is made"
    assert kind.position().phase is Phase.CUT_OVER
    for write in ("UPDATE {} SET action = 'x' WHERE id = 'a00002'", "DELETE FROM {} WHERE id = 'a00004'"):
        stage.ask(write.format("app.tyler_audit_log"), "certify_app", TENANT)
        assert kind.diff().clean, "what applications did is theirs"
        with pytest.raises(NoWayBack):
            kind.cut_back()
    stage.put(audit(2, note={"S": "past the route"}), audit(3, note={"S": "past the route"}))
    kind.replicate(10)
    assert stage.rows()["a00003"][5]["note"] == "past the route", "a stray comes along"
    assert set(stage.quarantine()) == {"auditId=a00002"}, "but never over what an application wrote here"


def test_a_switch_that_breaks_leaves_applications_where_they_were(stage: Stage) -> None:
    kind = to_backfilled(stage)
    steps.verify(kind)
    kind.shadow()
    for edge in ("rows.frozen", "rows.drained", "rows.turned"):
        with armed(f"{edge}=raise"), pytest.raises(Transient):
            kind.cut_over()
        route = kind.parts.items.route()
        assert (route["read_from"]["S"], route["write_to"]["S"]) == ("shadow", "old"), edge
        assert kind.position().phase is Phase.SHADOWING
    stage.put(audit(1, timestamp={"S": "never"}))
    with pytest.raises(NotYet, match="quarantine"):
        kind.cut_over()
    assert (kind.position().phase, kind.parts.items.route()["write_to"]) == (Phase.SHADOWING, {"S": "old"})


def test_a_late_worker_is_fenced_and_an_abort_takes_all_back(stage: Stage) -> None:
    kind = to_capturing(stage)
    late, fence = stage.kind(), Fence(1)
    assert late.copy_chunk(0, fence) is not None
    assert "planned again" in kind.abort()
    assert stage.ask("SELECT to_regclass('app.tyler_audit_log'), to_regnamespace('app_partitions')") == [(None, None)]
    with pytest.raises(NotYet):
        standing.check_ready(late.parts)
    to_capturing(stage)
    with pytest.raises(Exception, match="epoch 1: it is over"):
        late.copy_chunk(0, fence)
    again = stage.kind()
    copied(again)
    again.finish_backfill(Fence(2))
    assert len(stage.rows()) == ITEMS and again.diff().clean
    assert again.position().phase in COPIES_IN


EDGES = tuple(edge.name for edge in failpoints.EDGES if edge.where.startswith("migration/kinds/into_postgres"))


def test_broken_off_once_at_every_edge_it_arrives_with_nothing_lost(stage: Stage) -> None:
    broken = list[str]()

    def insist(step: Callable[[IntoPostgres], object]) -> None:
        """Take a step as a task is that is tried again, each time by another process."""
        for _ in range(20):
            try:
                step(stage.kind())
                return
            except Transient as why:
                broken.append(str(why).split(":")[0].removeprefix("failpoint "))
        raise AssertionError(broken)

    def gap(kind: IntoPostgres) -> None:
        if kind.position().epoch == 1:
            stage.ask("UPDATE sluice.place SET stream = 'another'")
            with suppress(Gap):
                kind.replicate(5)

    january = Window(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC))
    number = itertools.count(1000)
    with armed(",".join(f"{edge}=raise@1" for edge in EDGES)):
        for step in (
            IntoPostgres.expand,
            IntoPostgres.start_capture,
            IntoPostgres.plan_chunks,
            lambda kind: kind.replicate(5),
            gap,
            IntoPostgres.plan_chunks,
            copied,
            lambda kind: kind.finish_backfill(Fence(2)),
            lambda kind: kind.backfill_window(january),
            steps.verify,
            IntoPostgres.shadow,
            steps.cut_over,
        ):
            insist(step)
            stage.put(*([audit(next(number))] if stage.kind().position().phase is not Phase.CUT_OVER else []))
    assert set(broken) == set(EDGES)
    last = stage.kind()
    last.replicate(5)
    assert last.diff().clean
    assert len(stage.rows()) == ITEMS + 11 and stage.quarantine() == {}
    assert last.parts.items.route()["write_to"] == {"S": "new"}
