"""How fast a copy answers, held against the living store: a lost index is red, and a slower machine is no lost index."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sluice.safety.drill.baseline import KEPT, Baseline, held_against, newest_baseline, take_baseline, thin_out
from sluice.safety.drill.certificate import certificates_of
from sluice.stores.objects import Vault
from sluice.stores.postgres import Connection, connect

from tests.conftest import Database
from tests.drilled import certificate

SHAPE = """
CREATE SCHEMA big;
CREATE TABLE big.things (id bigint, kind text, said text, PRIMARY KEY (id, kind));
INSERT INTO big.things SELECT g, 'it''s ' || g % 3, repeat('x', 60) FROM generate_series(1, 120000) AS g;
CREATE TABLE big.months (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE big.months_2026m01 PARTITION OF big.months FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE big.months_2026m02 PARTITION OF big.months FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
INSERT INTO big.months SELECT g, date '2026-01-01' + g % 50 FROM generate_series(1, 500) AS g;
CREATE TABLE big.keyless (said text);
ANALYZE;
"""


@pytest.fixture
def c(database: Database):
    """A session of the owner's, in a database with something in it."""
    with connect(database.dsn("admin"), purpose="test") as made:
        made.execute(SHAPE)  # type: ignore[call-overload]
        yield made


def taken(wheel: float = 10.0, **reads: float) -> Baseline:
    """Give a baseline as it would have been kept."""
    return Baseline("2026-01-01T00:00:00+00:00", (), reads, wheel, {"version": "17", "shared_buffers": "16384"})


def test_a_copy_without_its_index_is_red(c: Connection) -> None:
    live = take_baseline(c)
    assert {"keys of big.things", "walk along the key of big.things", "count of big.months_2026m02"} <= set(live.reads)
    assert not any("keyless" in name for name in live.reads)
    same = held_against(take_baseline(c, live), live, 20.0)
    assert (same["slow"], same["settings"]) == ([], {})
    assert len(same["reads"]) == len(live.reads)
    c.execute("ALTER TABLE big.things DROP CONSTRAINT things_pkey")
    copy = replace(take_baseline(c, live), wheel=live.wheel)
    slow = held_against(copy, live, 3.0)["slow"]
    assert [one.split(":")[0] for one in slow] == ["walk along the key of big.things", "keys of big.things"]


def test_what_a_copy_of_an_earlier_moment_does_not_have_is_not_asked(c: Connection) -> None:
    live = take_baseline(c)
    c.execute("DROP TABLE big.things; ALTER TABLE big.months DROP CONSTRAINT months_pkey, DROP COLUMN id")
    found = held_against(take_baseline(c, live), live, 3.0)
    assert (found["reads"], found["slow"]) == ({}, [])


def test_a_read_that_takes_longer_is_red_and_on_another_machine_it_is_told() -> None:
    live = taken(keys=2.0, walk=4.0, gone=1.0, tiny=0.01)
    copy = taken(keys=60.0, walk=9.0, tiny=0.9)
    found = held_against(copy, live, 3.0)
    assert found["slow"] == ["keys: 60.0 ms in the copy, 2.0 ms in the living store, over 3 times as long"]
    assert found["reads"]["keys"] == {"live_ms": 2.0, "copy_ms": 60.0, "ratio": 30.0}
    assert (found["machine"], found["slow_on_another_machine"]) == ("alike", [])
    slower = held_against(replace(copy, wheel=21.0, settings={"version": "17", "shared_buffers": "1"}), live, 3.0)
    assert (slower["slow"], len(slower["slow_on_another_machine"])) == ([], 1)
    assert slower["machine"] == "another: work for a processor alone takes 2.10 times as long"
    assert slower["settings"] == {"shared_buffers": ["16384", "1"]}


def test_a_certificate_has_it_and_older_ones_are_read(vault, c: Connection) -> None:
    vault.store.create_bucket("baselines")
    kept = Vault(vault.client(), "baselines")
    assert newest_baseline(kept, "shop") is None
    live = replace(take_baseline(c), at=datetime(2026, 1, 1, tzinfo=UTC).isoformat())
    live.keep(kept, "shop")
    assert newest_baseline(kept, "shop") == live
    kept.put_once("backups/stores/shop/baseline/20260102T000000000000Z.json", b'{"at": ', "application/json")
    assert newest_baseline(kept, "shop") == live, "one that is damaged is none"
    for seconds in range(KEPT):
        kept.put_once(f"backups/stores/shop/baseline/20251231T0000{seconds:02}000000Z.json", b"{}", "application/json")
    thin_out(kept, "shop")
    assert len(kept.list("backups/stores/shop/baseline/")) == KEPT
    assert newest_baseline(kept, "shop") == live
    slow = held_against(taken(keys=60.0), taken(keys=2.0), 3.0)
    made = certificate(2, 30, baseline=slow)
    made.keep(kept)
    old = certificate(1, 30)
    old.keep(kept)
    told: dict[str, Any] = json.loads(kept.get(old.key))
    del told["baseline"]
    older = certificate(0, 30)
    kept.put_once(
        older.key, json.dumps({**told, "name": older.name, "asked_at": older.asked_at}).encode(), "application/json"
    )
    first, second, third = certificates_of(kept, "shop")
    assert (first.baseline, second.baseline, third.baseline) == (None, None, slow)
    assert (first.wrong, second.wrong) == ((), ())
    assert third.wrong == (slow["slow"][0],)
