"""A DynamoDB table becomes rows of a partitioned PostgreSQL table: types, tenants, dirty items, windows, what a diff finds."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import UTC, datetime

import psycopg
import pytest
from sluice.estate.into_postgres import IntoPostgresMigration
from sluice.estate.single_table import Skip
from sluice.migration.engine.contract import Drifted, Fence, NotYet, Window

from tests.rowed import (
    ITEMS,
    OTHER,
    PARTS,
    TENANT,
    Stage,
    audit,
    copied,
    to_backfilled,
    to_capturing,
)


def test_numbers_texts_and_what_is_not_there_stay_what_they_are(stage: Stage) -> None:
    digits = "1234567890123456789012345678.9012345678"
    stage.put(
        audit(900, amount={"N": digits}, action={"NULL": True}),
        audit(901, userId={"NULL": True}, doc={"M": {"n": {"N": "0.1"}, "b": {"B": b"\x01"}, "none": {"NULL": True}}}),
    )
    to_backfilled(stage)
    stand = stage.rows()
    assert str(stand["a00900"][4]) == digits
    assert stand["a00900"][3] is None and stand["a00900"][5]["action"] is None, "NULL is told apart from missing"
    assert stand["a00001"][3] == "" and stand["a00000"][2] == "SYSTEM" and stand["a00000"][5] is None
    assert stand["a00901"][2] is None and stand["a00901"][5]["userId"] is None
    assert stand["a00901"][5]["doc"] == {"n": 0.1, "b": {"B": "AQ=="}, "none": None}
    assert stand["a00001"][5] == {"tags": {"SS": ["a", "b"]}}
    ((told,),) = stage.ask("SELECT jsonb_typeof(extra #> '{doc,n}') FROM app.tyler_audit_log WHERE id = 'a00901'")
    assert told == "number"


def test_a_tenant_sees_its_own_rows_and_a_partition_asked_directly_shows_nothing(stage: Stage) -> None:
    kind = to_backfilled(stage)
    listed = f"SELECT relname FROM pg_class WHERE relnamespace = '{PARTS}'::regnamespace AND relkind = 'r' ORDER BY 1"
    names = [name for (name,) in stage.ask(listed)]
    assert names[:3] == [f"tyler_audit_log_y2024m0{n}" for n in (1, 2, 3)]
    assert names[-1] >= f"tyler_audit_log_y{datetime.now(UTC):%Ym%m}"
    query = "SELECT count(*) FROM app.tyler_audit_log"
    assert stage.ask(query, "certify_app", TENANT) == [(ITEMS,)]
    assert stage.ask(query, "certify_app", OTHER) == stage.ask(query, "certify_app") == [(0,)]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        stage.ask(f"SELECT count(*) FROM {PARTS}.{names[0]}", "certify_app", TENANT)
    stage.ask(f"GRANT USAGE ON SCHEMA {PARTS} TO certify_app; GRANT SELECT ON {PARTS}.{names[0]} TO certify_app")
    assert stage.ask(f"SELECT count(*) FROM {PARTS}.{names[0]}", "certify_app", OTHER) == [(0,)]
    stage.delete(3)
    kind.replicate(10)
    assert stage.ask("SELECT _deleted, actor FROM app.tyler_audit_log WHERE id = 'a00003'") == [(True, None)]
    assert stage.ask(query, "certify_app", TENANT) == [(ITEMS - 1,)], "nobody meets a tombstone"


DIRTY = {
    "a00900": ("no_time", {"timestamp": {"S": "yesterday"}}),
    "a00901": ("missing_key", {"timestamp": {"NULL": True}}),
    "a00902": ("nul", {"userId": {"S": "a\0b"}}),
    "a00903": ("22001", {"action": {"S": "longer than 12"}}),
    "a00904": ("type", {"amount": {"S": "many"}}),
    "a00905": ("23514", {"timestamp": {"S": "2199-01-01T00:00:00Z"}}),
    "a00906": ("23505", {"userId": {"S": "u1"}, "timestamp": {"S": "2024-01-01T00:00:00.5Z"}}),
    "a00907": ("nul", {"deep": {"M": {"x\0": {"S": "y"}}}}),
}
"""What PostgreSQL cannot hold, and the word that its reason begins with."""


@pytest.mark.parametrize("way", ["copied", "streamed"])
def test_what_does_not_fit_is_set_aside_with_its_reason_and_stops_nobody(stage: Stage, way: str) -> None:
    kind = stage.kind()
    kind.expand()
    stage.ask("CREATE UNIQUE INDEX only_once ON app.tyler_audit_log (actor, performed_at) WHERE id >= 'a00906'")
    dirty = [audit(int(name[1:]), **more) for name, (_, more) in DIRTY.items()]
    stage.put(*(dirty if way == "copied" else ()))
    kind.start_capture()
    stage.put(audit(999, userId={"S": "u1"}, timestamp={"S": "2024-01-01T00:00:00.5Z"}))
    kind.replicate(10)
    kind.plan_chunks()
    copied(kind)
    stage.put(*(dirty if way == "streamed" else ()))
    kind.replicate(10)
    kind.finish_backfill(Fence(1))
    waiting = stage.quarantine()
    assert set(waiting) == {f"auditId={name}" for name in DIRTY}
    for name, (word, _) in DIRTY.items():
        reason, image = waiting[f"auditId={name}"]
        assert reason.startswith(word), (name, reason)
        assert json.loads(image)["auditId"] == {"S": name}
    assert len(stage.rows()) == ITEMS + 1
    assert kind.diff().clean, "what waits is no difference"
    assert kind.standing()["quarantined"] == len(DIRTY)
    kind.verify(kind.diff())
    kind.shadow()
    with pytest.raises(NotYet, match="8 items in quarantine"):
        kind.cut_over()
    stage.put(*(audit(number) for number in range(900, 905)), audit(907))
    stage.delete(905)
    kind.replicate(10)
    assert set(stage.quarantine()) == {"auditId=a00906"}
    stage.delete(999)
    kind.replicate(10)
    stage.ask(
        "DROP INDEX app.only_once; UPDATE sluice.migration SET target_fingerprint = sluice.fingerprint(target_oid)"
    )
    assert kind.diff().clean and stage.quarantine() == {}, "it fits by now, and its row is there"
    assert "a00906" in stage.rows()


def test_a_run_after_what_was_unfit_is_mended_copies_nothing_and_goes_on(stage: Stage) -> None:
    stage.put(audit(999, timestamp={"S": "yesterday"}))
    kind = to_backfilled(stage)
    assert kind.standing()["quarantined"] == 1
    stage.put(audit(999))
    kind.replicate(10)
    kind.plan_chunks()
    assert kind.copy_chunk(0, Fence(1)) is None
    kind.finish_backfill(Fence(1))
    assert kind.standing()["quarantined"] == 0 and kind.diff().clean


def test_a_row_whose_item_became_unfit_goes_and_comes_again(stage: Stage) -> None:
    kind = to_backfilled(stage)
    stage.put(audit(1, timestamp={"S": "never"}), audit(2, action={"S": "longer than 12"}))
    kind.replicate(10)
    assert not {"a00001", "a00002"} & set(stage.rows()) and len(stage.quarantine()) == 2
    stage.put(audit(1, timestamp={"S": "2024-03-03T00:00:00Z"}), audit(2))
    kind.replicate(10)
    stand = stage.rows()
    assert stand["a00001"][1].month == 3 and "a00002" in stand and stage.quarantine() == {}
    assert kind.diff().clean


def test_a_record_that_changes_its_month_is_in_one_month_only(stage: Stage) -> None:
    kind = to_capturing(stage)
    stage.put(audit(1, timestamp={"S": "2024-01-09T00:00:00Z"}))
    stage.put(audit(1, timestamp={"S": "2024-03-09T00:00:00Z"}))
    kind.replicate(10)
    copied(kind)
    assert stage.rows()["a00001"][1].month == 3
    assert stage.ask("SELECT count(*) FROM app.tyler_audit_log WHERE id = 'a00001' AND NOT _deleted") == [(1,)]
    kind.finish_backfill(Fence(1))
    assert kind.diff().clean


def test_two_items_that_want_one_row_are_told_and_the_second_gets_it_when_it_is_free(stage: Stage) -> None:
    columns = {name: column.model_dump(by_alias=True) for name, column in stage.m.target.columns.items()}
    columns["id"]["from"] = "{auditId|lower}"
    into = {**stage.m.model_dump(by_alias=True)["into"], "columns": columns}
    m = IntoPostgresMigration.model_validate({**stage.m.model_dump(by_alias=True), "into": into})
    stage.m = m
    kind = to_backfilled(stage)
    stage.put({**audit(1), "auditId": {"S": "A00001"}, "userId": {"S": "second"}})
    kind.replicate(10)
    ((key, (reason, _)),) = stage.quarantine().items()
    assert key == "auditId=A00001" and reason.startswith("collision") and "auditId=a00001" in reason
    assert kind.diff().clean and stage.rows()["a00001"][2] == "u1"
    stage.delete(1)
    kind.replicate(10)
    assert kind.diff().clean and stage.quarantine() == {}
    assert stage.rows()["a00001"][2] == "second"


def test_partitions_are_made_as_time_goes_on_and_are_as_closed_as_the_first(stage: Stage) -> None:
    to_capturing(stage)
    query = f"SELECT count(*), bool_and(relforcerowsecurity) FROM pg_class WHERE relnamespace = '{PARTS}'::regnamespace AND relkind = 'r'"  # noqa: E501
    ((before, _),) = stage.ask(query)
    stage.m = stage.m.model_copy(update={"target": stage.m.target.model_copy(update={"months_ahead": 5})})
    later = stage.kind()
    later.replicate(1)
    later.replicate(1)
    assert stage.ask(query) == [(before + 2, True)]
    assert later.standing()["fingerprint_differs"] == 0


def test_a_month_is_filled_again_and_a_second_time_changes_nothing(stage: Stage) -> None:
    kind = to_backfilled(stage)
    january = Window(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC))
    stage.ask("DELETE FROM app.tyler_audit_log WHERE performed_at < '2024-02-15Z'")
    first = kind.backfill_window(january)
    assert first.filled == first.diff.compared == first.diff.source_rows == first.diff.target_rows == ITEMS // 3
    assert first.diff.clean
    second = kind.backfill_window(january)
    assert (second.filled, second.diff.hash) == (0, first.diff.hash)
    assert second.diff.facts() == {**first.diff.facts(), "diff_seconds": second.diff.facts()["diff_seconds"]}
    assert not kind.diff().clean, "February still has its holes"
    february = Window(datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC))
    assert kind.backfill_window(february).diff.hash != first.diff.hash
    assert kind.diff().clean


def test_what_expires_meanwhile_may_stand_or_not(stage: Stage) -> None:
    stage.m = stage.m.model_copy(update={"skip": Skip(expired="ttl")})
    soon = int(time.time()) + 2
    stage.put(audit(900, ttl={"N": "1"}), audit(901, ttl={"N": str(soon)}), audit(902, ttl={"N": str(soon + 9999)}))
    kind = to_capturing(stage)
    copied(kind)
    assert kind.finish_backfill(Fence(1))["rows_skipped"] == 1
    assert {"a00901", "a00902"} <= set(stage.rows()) and "a00900" not in stage.rows()
    assert kind.diff().compared == ITEMS + 2
    time.sleep(max(0.0, soon + 0.2 - time.time()))
    diff = kind.diff()
    assert diff.clean and diff.compared == ITEMS + 1 and diff.races == 0, diff.samples


CORRUPTIONS = {
    "auditId=a00002 different in action": "UPDATE app.tyler_audit_log SET action = 'EDIT ' WHERE id = 'a00002'",
    "auditId=a00004 different in amount": "UPDATE app.tyler_audit_log SET amount = 4.500 WHERE id = 'a00004'",
    "auditId=a00006 different in extra": "UPDATE app.tyler_audit_log SET extra = '{}' WHERE id = 'a00006'",
    "auditId=a00007 different in _from": "UPDATE app.tyler_audit_log SET _from = 'x' WHERE id = 'a00007'",
    "auditId=a00008 missing": "DELETE FROM app.tyler_audit_log WHERE id = 'a00008'",
    "auditId=a00009 missing": "UPDATE app.tyler_audit_log SET _deleted = true WHERE id = 'a00009'",
    "auditId=a00011 extra": "INSERT INTO app.tyler_audit_log SELECT id, '2024-03-30Z', actor, action, amount, tenant_id, extra,"
    " _from, _token FROM app.tyler_audit_log WHERE id = 'a00011'",
    " extra in zz": "INSERT INTO app.tyler_audit_log (id, performed_at) VALUES ('zz', '2024-01-01Z')",
}
"""What the comparison says, and what was done."""


def test_corruption_is_found_and_named(stage: Stage) -> None:
    kind = to_backfilled(stage)
    for corrupt in CORRUPTIONS.values():
        stage.ask(corrupt)
    diff = kind.diff()
    said = [str(sample) for sample in diff.samples]
    assert len(said) == len(CORRUPTIONS)
    for what in CORRUPTIONS:
        assert any(what in one for one in said), (what, said)
    assert (diff.missing, diff.extra, diff.different) == (2, 2, 4)
    with pytest.raises(NotYet, match="not clean"):
        kind.verify(diff)


def test_another_mapping_or_another_table_stops_it(stage: Stage) -> None:
    kind = to_capturing(stage)
    columns = {name: column.model_dump(by_alias=True) for name, column in stage.m.target.columns.items()}
    columns["actor"]["otherwise"] = "ROBOT"
    said = stage.m.model_dump(by_alias=True)
    other = IntoPostgresMigration.model_validate({**said, "into": {**said["into"], "columns": columns}})
    with pytest.raises(Drifted, match="mapping"):
        replace(stage, m=other, open=stage.open).kind().replicate(1)
    stage.ask("ALTER TABLE app.tyler_audit_log ADD COLUMN more text")
    with pytest.raises(Drifted, match="a column"):
        kind.copy_chunk(0, Fence(1))
    assert kind.standing()["fingerprint_differs"] == 1
