"""The forecast on a real table: shown in the plan, a finding where it is bad, measured where a stream is on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sluice.migration.engine.contract import Fence, Lag
from sluice.migration.engine.following import TooFarBehind
from sluice.migration.kinds.dynamodb_source.headroom import probe_changes
from sluice.migration.kinds.single_table.ahead import look_ahead

from tests.documents import Documents
from tests.few_items import few_items, item, to_capturing


def test_the_plan_shows_it(documents: Documents, make_table: Callable[..., str]) -> None:
    seeds = [item(f"u{n}") for n in range(30)]
    with few_items(documents, make_table, *seeds) as few:
        said = few.opened().describe_plan()
        assert "headroom: 30 items" in said
        assert "the stream is off" in said
        kind = few.opened()
        forecast = look_ahead(few.client, kind._streams, kind.tables).forecast
        # A whole record in one index and a look-up in another, each under 1 KB: three units each.
        assert forecast.units_an_item == 6
        assert forecast.bearing.each_second == 4000
        assert [f for f in kind.preflight() if f.code in ("falls_behind", "long_copy")] == []


def test_more_changes_than_the_tables_bear_are_refused_before_anything_is_made(
    documents: Documents, make_table: Callable[..., str]
) -> None:
    limits = {"changes_per_second": 1_000_000, "stop_behind": "1m", "warn_behind": "1s"}
    pace = {"segments": 1, "write_units": 1}
    with few_items(
        documents, make_table, *[item(f"u{n}") for n in range(30)], replication=limits, backfill=pace
    ) as few:
        (found,) = [f for f in few.opened().preflight() if f.code == "falls_behind"]
        assert found.blocks
        assert found.acceptable
        assert "declared" in few.opened().describe_plan()


def test_the_rate_of_changes_is_what_the_stream_shows(documents: Documents, make_table: Callable[..., str]) -> None:
    with few_items(documents, make_table, item("a")) as few:
        streams = few.opened()._streams
        assert probe_changes(few.client, streams, few.old) is None
        to_capturing(few.opened())
        for version in range(2, 42):
            few.put(item("a", version))
        rate = probe_changes(few.client, streams, few.old)
        assert rate is not None
        assert 1 < rate.each_second <= 40
        assert "shards of its stream) changes" in few.opened().describe_plan()


def test_a_lane_stops_copying_while_it_is_too_far_behind(
    documents: Documents, make_table: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with few_items(documents, make_table, item("a")) as few:
        kind = few.opened()
        to_capturing(kind)
        late = [13 * 3600.0, 60.0]
        follower = type(kind._ways.leading(kind.marks.state()))
        monkeypatch.setattr(follower, "deliver", lambda *_: Lag(1, "changes of long ago", late.pop(0)))
        kind.replicate(1.0)
        with pytest.raises(TooFarBehind, match=r"13\.0 h behind"):
            kind.copy_chunk(0, Fence(1))
        kind.replicate(1.0)
        assert kind.copy_chunk(0, Fence(1)).rows == 1
        assert timedelta(seconds=kind._behind) == timedelta(minutes=1)
