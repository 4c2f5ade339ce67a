"""The end of a table whose items are rows by now: exported, read back, compared, and only then deleted; and the way there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sluice import failpoints
from sluice.failpoints import EDGES, Broken
from sluice.migration.engine import steps
from sluice.migration.engine.contract import Fence, Lag, NotYet, Phase
from sluice.migration.engine.following import TooFarBehind
from sluice.migration.kinds.dynamodb_source.bringing_back import bring_back
from sluice.migration.kinds.dynamodb_source.canary import Canaries
from sluice.migration.kinds.dynamodb_source.reading_back import Unproven
from sluice.migration.kinds.into_postgres import IntoPostgres
from sluice.migration.kinds.into_postgres.following import Follower
from sluice.stores.dynamodb.identity import identify
from sluice.stores.objects import Vault

from tests.conftest import ScratchVault
from tests.few_items import seen_to
from tests.rowed import ITEMS, Stage, audit, clients, copied, to_backfilled, to_capturing


@pytest.fixture
def bucket(vault: ScratchVault) -> Vault:
    return Vault(vault.client(), vault.bucket)


@contextmanager
def cut_over(stage: Stage, vault: Vault | None, **retire: str) -> Iterator[Callable[[], IntoPostgres]]:
    """Cut over; gives what opens a worker of its own, with a vault."""
    stage.m = stage.m.model_copy(update={"retire": stage.m.retire.model_copy(update=retire)})

    def opened() -> IntoPostgres:
        vaulted = (lambda: vault) if vault else None
        return IntoPostgres(stage.m, stage._connect, *clients(stage.documents), stage.documents.prefix, vaulted)

    kind = to_backfilled(stage)
    steps.verify(kind)
    kind.shadow()
    kind.cut_over()
    yield opened


def there(stage: Stage) -> bool:
    return identify(stage.client, stage.table) is not None


def test_it_is_exported_read_back_and_deleted_and_can_be_made_again(stage: Stage, bucket: Vault) -> None:
    with cut_over(stage, bucket) as opened:
        Canaries(stage.client, opened().parts.definition).let_go()  # of a drain that was killed
        opened().replicate(5)
        facts = steps.retire(opened())
        assert (facts["old_deleted"], facts["deleted_unproven"], facts["old_unsettled"]) == (1, 0, 0), facts
        assert facts["exported_items"] == facts["read_back_items"] == ITEMS
        assert facts["backup_taken"] == facts["live_is_target"] == 1
        assert facts["marks_left"] == facts["rows_missing"] == facts["rows_different"] == 0
        assert not there(stage)
        again = steps.retire(opened())
        assert (again["old_deleted"], again["exported_items"], again["rows_compared"]) == (1, ITEMS, ITEMS)
        assert opened().standing()["fingerprint_differs"] == 0
        assert "retired" in opened().describe_plan()
        assert bring_back(stage.client, bucket, str(facts["export"]).removeprefix(f"s3://{bucket.bucket}/")) == ITEMS


@pytest.mark.parametrize(("vaulted", "said"), [(False, "there is no vault"), (True, "the YAML says so")])
def test_where_it_cannot_or_shall_not_go_it_is_kept_and_said(
    stage: Stage, bucket: Vault, vaulted: bool, said: str
) -> None:
    with cut_over(stage, bucket if vaulted else None, **({"old_table": "keep"} if vaulted else {})) as opened:
        facts = steps.retire(opened())
        assert (facts["old_kept"], facts["old_deleted"], facts["old_unsettled"]) == (1, 0, 0)
        assert said in str(facts["old_kept_because"])
        assert there(stage)


def test_what_cannot_be_deleted_is_said_before_anything_is_changed(stage: Stage, bucket: Vault) -> None:
    with cut_over(stage, bucket) as opened:
        stage.client.update_table(TableName=stage.table, DeletionProtectionEnabled=True)
        with pytest.raises(NotYet, match="deletion protection"):
            opened().retire()
        stage.client.update_table(TableName=stage.table, DeletionProtectionEnabled=False)
        assert opened().position().phase is Phase.CUT_OVER


def test_whoever_writes_to_it_after_the_comparison_stops_it_until_that_is_seen_to(stage: Stage, bucket: Vault) -> None:
    with cut_over(stage, bucket) as opened:
        with failpoints.armed("retired.export_named=raise"), pytest.raises(Broken):
            steps.retire(opened())
        assert opened().position().phase is Phase.RETIRED
        stage.put(audit(5, note={"S": "past the route"}))
        for _ in range(2):
            with pytest.raises(Unproven, match=r"1 writes came to it past the route.*a00005") as told:
                opened().retire()  # as a task that is tried again by itself
        stage.client.update_table(TableName=stage.table, StreamSpecification={"StreamEnabled": False})
        stage.m = seen_to(stage.m, told.value)
        for _ in range(2):
            with pytest.raises(Unproven, match=r"2 writes .* its stream is off") as told:
                opened().retire()
        assert there(stage)
        stage.m = seen_to(stage.m, told.value)
        stage.put(audit(5, note={"S": "past the route, and told by nothing"}))
        with pytest.raises(Unproven, match="written after it was retired"):
            opened().retire()
        with pytest.raises(Unproven, match=r"3 writes .* its stream is off") as told:
            opened().retire()  # the word was for what came before
        stage.m = seen_to(stage.m, told.value)
        assert opened().retire()["old_deleted"] == 1


@pytest.mark.parametrize("came", ["deletion", "no row", "refused"])
def test_no_write_past_the_route_takes_a_row_away(stage: Stage, bucket: Vault, came: str) -> None:
    """What fits the mapping and is refused by PostgreSQL alone (here a text longer than its column) is no other."""
    past = {"no row": audit(5, timestamp={"S": "never"}), "refused": audit(5, action={"S": "LONGER THAN IT IS"})}
    with cut_over(stage, bucket) as opened:
        before = stage.rows()["a00005"]
        if came == "deletion":
            stage.delete(5)
        else:
            stage.put(past[came])
        opened().replicate(10)
        assert stage.rows()["a00005"] == before
        if came == "deletion":
            steps.retire(opened())
        else:
            with pytest.raises(NotYet, match=r"1 items in quarantine that came past the route.*a00005"):
                steps.retire(opened())
            stage.delete(5)  # as the message asks for, once it was brought over by hand
            steps.retire(opened())
        assert stage.rows()["a00005"] == before


END = [e.name for e in EDGES if "/dynamodb_source/retiring.py " in e.where]


def test_broken_off_anywhere_it_goes_on(
    stage: Stage, bucket: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(failpoints.ONCE_VARIABLE, str(tmp_path))
    with cut_over(stage, bucket) as opened, failpoints.armed(",".join(f"{name}=raise" for name in END)):
        broken = 0
        while True:
            try:
                facts = steps.retire(opened())
                break
            except Broken as edge:
                broken += 1
                assert there(stage) or "retired.deleted" in str(edge)
        assert {note.name for note in tmp_path.iterdir()} == set(END) and broken == len(END) > 3
        assert (facts["exported_items"], facts["old_deleted"], facts["deleted_unproven"]) == (ITEMS, 1, 0), facts


def test_the_plan_says_what_the_copy_is_about_to_meet(stage: Stage) -> None:
    said = stage.kind().describe_plan()
    assert f"headroom: {ITEMS} items" in said
    assert "the stream is off" in said
    to_capturing(stage)
    stage.put(*[audit(number) for number in range(40)])
    assert "how fast they are delivered shows once it copies" in stage.kind().describe_plan()


def test_a_copy_that_would_outlast_the_stream_is_told_before_anything_is_made(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sluice.migration.kinds.dynamodb_source import headroom

    assert not [f for f in stage.kind().preflight() if f.code == "long_copy"]
    slow = headroom.Rate(0.001, "a very slow table")
    monkeypatch.setattr(headroom, "probe_reads", lambda *_: (slow, ()))
    stage.client.put_item(TableName=stage.table, Item=audit(1))
    (found,) = [f for f in stage.kind().preflight() if f.code == "long_copy"]
    assert not found.blocks


def test_a_lane_stops_copying_while_it_is_too_far_behind(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = to_capturing(stage)
    late = [13 * 3600.0, 60.0]
    with monkeypatch.context() as patched:
        patched.setattr(Follower, "deliver", lambda *_: Lag(1, "changes of long ago", late.pop(0)))
        kind.replicate(1.0)
        with pytest.raises(TooFarBehind, match=r"13\.0 h behind"):
            kind.copy_chunk(0, Fence(1))
        kind.replicate(1.0)
    copied(kind)
    assert len(stage.rows()) == ITEMS
