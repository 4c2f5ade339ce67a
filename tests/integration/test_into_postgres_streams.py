"""A page counts once: whoever dies or comes late, and whatever the stream does."""

from __future__ import annotations

import itertools
import threading
import time
from functools import partial
from typing import Any

import pytest
from sluice.errors import Transient
from sluice.estate.single_table import ScanPace
from sluice.failpoints import armed
from sluice.migration.engine import steps
from sluice.migration.engine.contract import Fence, NotYet, Phase
from sluice.migration.kinds.into_postgres import comparing, proving
from sluice.migration.kinds.into_postgres.gap import Gap

from tests.rowed import (
    ITEMS,
    Stage,
    audit,
    copied,
    follower,
    to_backfilled,
    to_capturing,
)
from tests.streams_that_lie import StreamThatLies


def test_whatever_happens_between_reading_and_writing_a_copied_page_the_live_path_wins(stage: Stage) -> None:
    stage.m = stage.m.model_copy(update={"backfill": ScanPace(segments=1, chunk_rows=1000)})
    kind, copier = to_capturing(stage), stage.kind()
    with armed("rows.scanned=sleep:1.5@1"):
        late = threading.Thread(target=copier.copy_chunk, args=(0, Fence(1)))
        late.start()
        time.sleep(0.5)
        stage.put(audit(1, note={"S": "changed"}), audit(4, timestamp={"S": "2024-03-30T00:00:00Z"}))
        stage.put(audit(5, timestamp={"S": "never"}), audit(200))
        for number in (2, 3):
            stage.delete(number)
        stage.put(audit(3, note={"S": "again"}))
        kind.replicate(10)
        assert late.is_alive() and len(stage.rows()) == 4
        late.join()
    stand = stage.rows()
    assert len(stand) == ITEMS - 1
    assert stand["a00001"][5]["note"] == "changed" and stand["a00003"][5]["note"] == "again"
    assert not {"a00002", "a00005"} & set(stand) and stand["a00004"][1].day == 30
    assert set(stage.quarantine()) == {"auditId=a00005"}
    kind.finish_backfill(Fence(1))
    assert kind.diff().clean


EDGES = ("rows.told", "rows.applied", "rows.place_moved", "rows.committed")


@pytest.mark.parametrize("edge", EDGES)
def test_a_page_counts_once_wherever_its_worker_dies(stage: Stage, edge: str) -> None:
    kind = to_capturing(stage)
    stage.ask("CREATE TABLE written AS SELECT id FROM app.tyler_audit_log LIMIT 0; GRANT INSERT ON written TO PUBLIC")
    stage.ask(
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " INSERT INTO public.written VALUES (NEW.id); RETURN NEW; END $$;"
        'CREATE TRIGGER "!sluice_test" BEFORE INSERT OR UPDATE ON app.tyler_audit_log FOR EACH ROW EXECUTE FUNCTION note()'
    )
    stage.put(*(audit(number, n={"N": "1"}) for number in range(10)))
    with armed(f"{edge}=raise"), pytest.raises(Transient, match=edge):
        kind.replicate(10)
    before = stage.ask("SELECT coalesce(sum(seen), 0), count(position) FROM sluice.place")
    rows = stage.ask("SELECT count(*) FROM app.tyler_audit_log")[0][0]
    assert (before[0][0] > 0) == (rows > 0) == (edge == "rows.committed"), "place and rows are both there, or neither"
    other = stage.kind()
    other.replicate(10)
    kind.replicate(10)
    assert stage.ask("SELECT sum(seen), sum(written) FROM sluice.place") == [(10, 10)]
    noted = stage.ask("SELECT count(*) FROM written WHERE id = 'a00003'")
    assert noted == [(1,)], "once in effect"


def test_two_consumers_of_one_shard_count_a_page_once(stage: Stage) -> None:
    to_capturing(stage)
    stage.put(*(audit(number, n={"N": "1"}) for number in range(10)))
    slow, quick = stage.kind(), stage.kind()
    with armed("rows.told=sleep:1@1"):
        late = threading.Thread(target=slow.replicate, args=(10,))
        late.start()
        time.sleep(0.5)
        quick.replicate(10)
        assert stage.ask("SELECT sum(seen), sum(written) FROM sluice.place") == [(10, 10)]
        late.join()
    assert stage.ask("SELECT sum(seen), sum(written) FROM sluice.place") == [(10, 10)]


@pytest.mark.parametrize("edge", ["rows.copied", "rows.segment_moved"])
def test_a_copied_page_and_its_checkpoint_are_one(stage: Stage, edge: str) -> None:
    kind = to_capturing(stage)
    with armed(f"{edge}=raise@2"), pytest.raises(Transient, match=edge):
        copied(kind)
    ((checked,),) = stage.ask("SELECT coalesce(sum(rows_written), 0) FROM sluice.chunk")
    assert stage.ask("SELECT count(*) FROM app.tyler_audit_log") == [(checked,)]
    copied(stage.kind())
    assert stage.kind().progress().rows == ITEMS
    assert len(stage.rows()) == ITEMS


def test_a_stream_that_tells_twice_out_of_several_shards_changes_nothing(stage: Stage) -> None:
    kind = to_backfilled(stage)
    lying = StreamThatLies(kind.parts.stream, 3, 7, twice=0.5, empty=0.2)
    reader = follower(kind, lying)
    reader.deliver(10)
    lying.split("shard-1")
    for number in range(60):
        stage.put(audit(number % 20, v={"N": str(number)}))
        if number % 6 == 0:
            stage.delete(number % 20)
    for _ in range(8):
        reader.deliver(5)
    stand = stage.rows()
    for number in range(20):
        last = max(n for n in range(60) if n % 20 == number)
        row = stand.get(f"a{number:05}")
        assert (row is None) == (last % 6 == 0), number
        assert row is None or row[5]["v"] == last
    kind.parts.run("forget_places")
    assert kind.diff().clean


@pytest.mark.parametrize("begun", [True, False])
def test_what_is_trimmed_is_copied_again_in_a_new_epoch(stage: Stage, begun: bool) -> None:
    kind = to_backfilled(stage)
    lying = StreamThatLies(kind.parts.stream, 1, 0)
    kind.parts.__dict__["stream"] = lying
    kind.parts.run("forget_places")
    stage.put(*([audit(8, note={"S": "seen"})] if begun else []))
    kind.replicate(10)
    stage.delete(5)
    stage.put(audit(6, note={"S": "in the gap"}))
    lying.listen()
    lying.trim()
    stage.put(audit(7, note={"S": "after it"}))
    if not begun:  # from the oldest record on, a stream does not say what is missing
        stage.ask("UPDATE sluice.place SET read_at = now() - interval '1 day'")
    with pytest.raises(Gap, match="capturing again"):
        kind.replicate(10)
    position = kind.position()
    assert (position.phase, position.epoch) == (Phase.CAPTURING, 2)
    kind.replicate(10)
    kind.plan_chunks()
    copied(kind)
    assert kind.finish_backfill(Fence(2))["rows_swept"] == 1
    stand = stage.rows()
    assert "a00005" not in stand and stand["a00006"][5]["note"] == "in the gap"
    assert stand["a00007"][5]["note"] == "after it"
    assert kind.diff().clean


@pytest.mark.parametrize("lost", ["off", "trimmed"])
def test_after_the_cutover_a_stream_that_forgot_shuts_neither_way(stage: Stage, lost: str) -> None:
    kind = to_backfilled(stage)
    steps.verify(kind)
    kind.shadow()
    if lost == "trimmed":
        kind.parts.__dict__["stream"] = stream = StreamThatLies(kind.parts.stream, 1, 0)
        kind.parts.run("forget_places")
        stage.put(audit(9, note={"S": "read"}))
    kind.cut_over()
    stage.put(audit(7, note={"S": "lost"}))
    if lost == "off":
        stage.client.update_table(TableName=stage.table, StreamSpecification={"StreamEnabled": False})
        kind = stage.kind()
    else:
        assert stream.trim()
    kind.replicate(5)
    with pytest.raises(NotYet, match="a00007"):
        (kind.cut_back if lost == "off" else partial(steps.retire, kind))()
    assert kind.position().phase is Phase.CUT_OVER
    stage.put(audit(7, note={"S": "once more"}))
    if lost == "off":
        kind.cut_back()
        assert kind.position().phase is Phase.VERIFIED and kind.diff().clean
    else:
        assert steps.retire(kind)["old_kept"] == 1
    assert stage.rows()["a00007"][5]["note"] == "once more"


def test_what_expired_after_the_cutover_goes_on_the_way_back_and_nothing_else(stage: Stage) -> None:
    kind = to_backfilled(stage)
    steps.verify(kind)
    kind.shadow()
    kind.parts.__dict__["stream"] = stream = StreamThatLies(kind.parts.stream, 1, 0)
    kind.parts.run("forget_places")
    kind.cut_over()
    for number in (5, 6, 7):
        stream.expire(stage.client, stage.table, {"auditId": {"S": f"a{number:05}"}})
    stage.put(audit(7, note={"S": "made again"}))
    kind.replicate(5)
    assert {"a00005", "a00006", "a00007"} <= set(stage.rows()), (
        "where the rows lead, what expired in the old table stays"
    )
    kind.cut_back()
    assert not {"a00005", "a00006"} & set(stage.rows()) and stage.rows()["a00007"][5]["note"] == "made again"
    assert kind.diff().clean
    stage.ask("UPDATE app.tyler_audit_log SET _deleted = false WHERE id = 'a00005'")
    diff = kind.diff()
    assert (diff.extra, diff.missing, diff.different) == (1, 0, 0), "what stands without an item is told"


def test_a_shard_that_went_unread_or_another_stream_is_a_gap(stage: Stage) -> None:
    kind = to_backfilled(stage)
    stage.ask("UPDATE sluice.place SET stream = 'another'")
    with pytest.raises(Gap, match="The stream another was not read"):
        kind.replicate(10)
    kind.replicate(10)
    stage.client.update_table(TableName=stage.table, StreamSpecification={"StreamEnabled": False})
    late = stage.kind()
    with pytest.raises(Gap, match="has no stream"):
        late.replicate(10)
    assert kind.position().epoch == 3
    late.replicate(10)
    late.plan_chunks()
    copied(late)
    late.finish_backfill(Fence(3))
    stage.put(audit(1, note={"S": "on again"}))
    late.replicate(10)
    assert stage.rows()["a00001"][5]["note"] == "on again"


@pytest.mark.parametrize("follows", [True, False])
def test_an_item_that_is_written_faster_than_changes_arrive_differs_where_its_row_stands_still(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, follows: bool
) -> None:
    kind, versions, deliver = to_backfilled(stage), itertools.count(), proving.replicate

    def and_written_again(*told: Any):
        stage.put(audit(7, note={"S": f"version {next(versions)}"}))  # younger than what was looked at
        return deliver(*told) if follows else None

    monkeypatch.setattr(comparing, "WAITS", (0.05, 0.1))
    monkeypatch.setattr(comparing, "RESTLESS", (0.05,) * 5)
    monkeypatch.setattr(proving, "replicate", and_written_again)
    stage.put(audit(7, note={"S": "not delivered yet"}))
    diff = kind.diff()
    assert diff.clean is follows, diff.facts()
    assert (diff.races > 0) is follows
