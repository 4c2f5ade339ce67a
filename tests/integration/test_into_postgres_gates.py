"""Each gate of the way into PostgreSQL, with the facts that its step leaves: green as it is, red once something is broken."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sluice.estate.single_table import DualRead
from sluice.migration.engine import steps
from sluice.migration.engine.contract import Facts, NotYet, Phase, Swap
from sluice.proof.gates.run import judge
from sluice.proof.gates.suites import suite_for
from sluice.proof.gates.verdict import Verdict
from sluice.stores.dynamodb.writes import Put, write_one

from tests.rowed import ITEMS, TENANT, Stage, audit, copied, to_backfilled, to_capturing, to_shadowing

ROOT = Path(__file__).parents[2]
TABLE = "app.tyler_audit_log"
PART = "app_partitions.tyler_audit_log_y2024m01"


def judged(gate: str, facts: Facts) -> Verdict:
    """As the gate's task judges: by the suite of the kind, where it has its own."""
    now = datetime.now(UTC)
    return judge(
        gate, facts, subject="audit", suites=[suite_for(ROOT, gate, "into_postgres")], window=None,
        freshness=timedelta(minutes=30), now=now, facts_at=now, root=ROOT,
    ).verdict  # fmt: skip


def test_every_gate_is_green_on_the_way_there_back_and_there_again(stage: Stage) -> None:
    kind, facts = stage.kind(), dict[str, Facts]()
    facts["expanded"] = steps.expand(kind)
    facts["capturing"] = steps.capture(kind)
    kind.plan_chunks()
    copied(kind)
    facts["backfilled"] = steps.finish_backfill(kind)
    facts["verified"] = steps.verify(kind)
    facts["shadowing"] = steps.shadow(kind)
    facts["validated"] = steps.validate(kind)
    facts["window"] = steps.fill_window(kind, datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC))[1]
    facts["cut_over"] = steps.cut_over(kind)
    facts["cut_back"] = steps.cut_back(kind)
    steps.verify(kind)
    steps.shadow(kind)
    again = steps.cut_over(kind)
    facts["retired"] = steps.retire(kind)
    for gate, found in (*facts.items(), ("cut_over", again), ("retired", steps.retire(kind))):
        verdict = judged(gate, found)
        assert verdict.passed, verdict.describe()
        warned = {check.name.partition(":")[0] for check in verdict.checks if check.state == "warning"}
        assert warned == ({"shadow_compared"} if gate == "shadowing" else set()), "nobody had compared a read"
    assert kind.position().phase is Phase.RETIRED


EXPANDED = {
    "policies_missing": f"DROP POLICY tenant_isolation ON {TABLE}",
    "rls_differs": "ALTER TABLE app_partitions.tyler_audit_log_y2024m04 NO FORCE ROW LEVEL SECURITY",
    "partitions_missing": f"DROP TABLE {PART}",
    "partitions_gaps": "DROP TABLE app_partitions.tyler_audit_log_y2024m03",
    "columns_missing": f"ALTER TABLE {TABLE} DROP COLUMN actor",
    "key_differs": f"ALTER TABLE {TABLE} DROP CONSTRAINT tyler_audit_log_pkey",
    "target_rows": f"INSERT INTO {TABLE} (id, performed_at) VALUES ('x', '2024-02-01Z')",
}


def test_a_target_that_is_not_what_was_asked_for_is_red(stage: Stage) -> None:
    kind, broken = stage.kind(), list[str]()
    assert judged("expanded", kind.expand()).passed
    for fact, spoil in EXPANDED.items():
        stage.ask(spoil)
        broken.append(fact)
        verdict = judged("expanded", kind.expand())
        assert {reason.partition(":")[0] for reason in verdict.reasons} == set(broken), verdict.describe()


def test_capture_is_red_without_a_stream_a_place_or_a_route(stage: Stage) -> None:
    kind = to_capturing(stage)
    good = kind.start_capture()
    assert judged("capturing", good).passed
    stage.ask("DELETE FROM sluice.place")
    stage.ask(f"ALTER TABLE {TABLE} ADD COLUMN drifted text")
    stage.put(audit(700, timestamp={"S": "never"}))
    found = kind.start_capture()
    for fact in ("shards_noted", "fingerprint_differs"):
        assert any(reason.startswith(fact) for reason in judged("capturing", found).reasons), fact
    stage.client.update_table(TableName=stage.table, StreamSpecification={"StreamEnabled": False})
    assert not kind.parts.has_stream() and not judged("capturing", {**good, "stream_on": 0}).passed
    write_one(
        stage.client, Put(kind.parts.items.table, {**(kind.parts.items.route() or {}), "write_to": {"S": "none"}})
    )
    assert not kind.parts.route.is_told(kind.parts.c) and not judged("capturing", {**good, "routed": 0}).passed


def test_what_waits_in_quarantine_is_red_behind_the_copy_and_only_told_before(stage: Stage) -> None:
    stage.put(audit(700, timestamp={"S": "never"}))
    kind = to_capturing(stage)
    copied(kind)
    assert judged("capturing", kind.start_capture()).passed
    facts = steps.finish_backfill(kind)
    verdict = judged("backfilled", facts)
    assert not verdict.passed and [reason.partition(":")[0] for reason in verdict.reasons] == ["quarantined"]


def test_reads_that_differ_or_come_late_or_lack_are_red_and_hold_the_phase(stage: Stage) -> None:
    gates = stage.m.gates.model_copy(update={"shadow": DualRead(required=True, at_least=10)})
    stage.m = stage.m.model_copy(update={"gates": gates})
    kind = to_backfilled(stage)
    steps.verify(kind)
    told = {
        "asked": 150,
        "compared": 100,
        "equal": 100,
        "race": 0,
        "real": 0,
        "fell_back": 0,
        "failed": 1,
        "old_p95": 2,
        "new_p95": 3,
        "epoch": 1,
    }
    for fact, report in (
        ("shadow_reads_lacking", None),
        ("shadow_differences", {**told, "real": 1}),
        ("shadow_slower", {**told, "new_p95": 900}),
        ("shadow_failing", {**told, "fell_back": 2, "failed": 2}),
        (None, told),
    ):
        if report:
            item = {name: {"N": str(value)} for name, value in report.items()}
            place = {"PK": {"S": stage.m.name}, "SK": {"S": "SHADOW#web-1"}, "examples": {"S": "a1 in action"}}
            write_one(stage.client, Put(kind.parts.items.table, {**place, **item}))
        verdict = judged("shadowing", steps.shadow(kind))
        assert verdict.passed == (fact is None), (fact, verdict.describe())
        assert all(reason.startswith(fact or "?") for reason in verdict.reasons)
        assert kind.position().phase is (Phase.VERIFIED if fact else Phase.SHADOWING)
    assert "100 reads of 1 readers compared" in verdict.headline
    told_since = {**item, "real": {"N": "3"}}
    write_one(stage.client, Put(kind.parts.items.table, {**place, **told_since}))
    with pytest.raises(NotYet, match=r"100 reads of 1 readers compared: 3 differ for good.*Nothing was switched"):
        kind.cut_over()


CUT_OVER = {
    "watching": f'DROP TRIGGER "!sluice_taken" ON {TABLE}',
    "routed_to_new": "UPDATE sluice.route SET write_to = 'old'",
    "fingerprint_differs": f"ALTER TABLE {TABLE} ADD COLUMN drifted text",
    "rows_missing": f"ALTER TABLE {TABLE} DISABLE TRIGGER ALL; DELETE FROM {TABLE} WHERE id = 'a00001'",
    "tombstones_left": f"ALTER TABLE {TABLE} DISABLE TRIGGER ALL; UPDATE {TABLE} SET _deleted = true WHERE id = 'a00002'",
}


def test_a_switch_that_is_not_whole_is_red(stage: Stage) -> None:
    kind = to_shadowing(stage)
    good = steps.cut_over(kind)
    assert judged("cut_over", good).passed
    for fact, spoil in CUT_OVER.items():
        stage.ask(spoil)
        verdict = judged("cut_over", {**good, **kind._switching.look(), **kind.diff().facts(), **kind.standing()})
        assert fact in {reason.partition(":")[0] for reason in verdict.reasons}, verdict.describe()


def test_a_write_past_the_route_is_red_at_the_gate(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = to_shadowing(stage)
    switched = kind.cut_over

    def and_one_goes_past() -> Swap:
        swap = switched()
        stage.put(audit(1, note={"S": "past the route"}))
        return swap

    monkeypatch.setattr(kind, "cut_over", and_one_goes_past)
    verdict = judged("cut_over", steps.cut_over(kind))
    assert [reason.partition(":")[0] for reason in verdict.reasons] == ["writes_astray"]
    hourly = judged("validated", steps.validate(kind))
    assert hourly.passed, hourly.describe()
    assert [check.name.partition(":")[0] for check in hourly.checks if check.state == "warning"] == ["writes_astray"]


def test_what_is_left_at_the_end_is_red(stage: Stage) -> None:
    kind = to_shadowing(stage)
    steps.cut_over(kind)
    assert judged("retired", steps.retire(kind)).passed
    stage.ask(f"ALTER TABLE {TABLE} ADD COLUMN _token text")
    assert not judged("retired", kind.retire()).passed
    stage.ask(f"ALTER TABLE {TABLE} DROP COLUMN _token")
    assert judged("retired", kind.retire()).passed
    assert len(stage.ask(f"SELECT id FROM {TABLE}", "certify_app", TENANT)) == ITEMS
    stage.documents.drop(stage.table)
    verdict = judged("retired", kind.retire())
    assert [reason.partition(":")[0] for reason in verdict.reasons] == ["deleted_unproven"]
