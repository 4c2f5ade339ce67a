"""The server that leads dies under load: what clients were promised is there, or it is said how much is not.

    SLUICE_PROMOTIONS=20 python -m pytest tests/chaos/test_promotions.py

plays twenty with synchronous commit; SLUICE_PROMOTIONS_TOLD names a file for their times.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from sluice.failpoints import Broken, armed
from sluice.safety.driver import Clock
from sluice.safety.replicas.drilling import play_round
from sluice.safety.replicas.fencing import NotFenced, allow_writes, cut, fence_writes, is_cut, listen_to
from sluice.safety.replicas.health import judge, judge_left, within_target
from sluice.safety.replicas.lag import measure_lags
from sluice.safety.replicas.planning import NotDead, NotPromotable, Proven, SplitBrain
from sluice.safety.replicas.promoting import hold_off, plan, promote, take_back
from sluice.safety.replicas.rivals import NotOurs
from sluice.safety.replicas.scratch_group import set_standby_names, wait_for
from sluice.safety.replicas.servers import Leading, look
from sluice.stores.postgres import StoreDown

from tests.replicated import Trio, opened_trio

PROMOTIONS = int(os.environ.get("SLUICE_PROMOTIONS", "1"))
SOON = timedelta(seconds=5)


@pytest.fixture(scope="module")
def trio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trio]:
    """Three servers for all tests of this file: each leaves one that leads and two that follow."""
    with opened_trio(tmp_path_factory.mktemp("trio")) as made:
        yield made


@pytest.fixture
def synchronous(trio: Trio) -> Iterator[Trio]:
    """The same, with commits that wait for any one of the two."""
    set_standby_names(trio.leading, [one.name for one in trio.others])
    yield trio
    set_standby_names(trio.leading, [])


def all_well(trio: Trio) -> bool:
    """Whether nothing is wrong with the three."""
    return judge(trio.look(), {}) == ()


def test_what_was_acknowledged_synchronously_is_never_lost(trio: Trio) -> None:
    told = []
    for _ in range(PROMOTIONS):
        made, trio.leading = play_round(trio.members, trio.leading, trio.trial, True, print)
        told.append(made.told)
        assert made.lost == 0
        assert made.promoted.kept_all
        assert made.acknowledged > 100
        assert made.phases["first write"] < 60
        assert made.promoted.not_following == ()
        assert made.promoted.timelines[1] == made.promoted.timelines[0] + 1
        assert all_well(trio)
    if file := os.environ.get("SLUICE_PROMOTIONS_TOLD"):
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_text(json.dumps({"promotions": told}, indent=1) + "\n")


def test_whoever_is_behind_is_not_promoted(trio: Trio) -> None:
    behind, ahead = trio.others

    def fall_behind() -> None:
        """Have one receive nothing while clients write on, and the other acknowledges."""
        cut([behind.server])
        trio.trial.wait_since(time.monotonic(), 50)

    made, trio.leading = play_round(trio.members, trio.leading, trio.trial, True, print, fall_behind)
    assert (made.promoted.new, made.lost) == (ahead.name, 0)
    assert made.promoted.following == (behind.name,)
    assert all_well(trio)


def test_without_it_the_loss_is_measured_and_lies_within_its_bounds(trio: Trio) -> None:
    def fall_behind() -> None:
        """Have nobody receive for half a second in which clients write on."""
        cut(trio.replicas)
        trio.trial.wait_since(time.monotonic() + 0.5, 1)

    made, trio.leading = play_round(trio.members, trio.leading, trio.trial, False, print, fall_behind)
    assert made.lost > 0, "this trial cannot see a loss"
    assert not made.promoted.kept_all
    bounds = made.promoted.lost
    assert bounds
    assert bounds.at_least.total_seconds() <= made.lost_for <= bounds.at_most.total_seconds() + 0.1
    assert bounds.at_least > timedelta(0)


def test_a_promotion_that_was_broken_off_anywhere_is_gone_on_with(synchronous: Trio) -> None:
    trio = synchronous
    asked = trio.asked()
    trio.leading.kill()
    proven: list[Proven] = []
    for edge in ("promotion.fenced", "promotion.promoted", "promotion.followed"):
        with armed(f"{edge}=raise"), pytest.raises(Broken):
            promote(asked, plan(asked), Clock(), print, proven.append)
    made = promote(replace(asked, proven=proven[-1]), plan(asked), Clock(), print)
    assert len(made.following) == 1
    assert made.kept_all, "what was proven before is proven"
    assert made.timelines[1] == made.timelines[0] + 1
    assert made.waits_for == "nobody"
    for told in (None, replace(proven[-1], received=1, replayed=0), replace(proven[-1], new="somebody else")):
        assert not promote(replace(asked, proven=told), plan(asked), Clock(), print).kept_all
    trio.swap(made.new)
    assert all_well(trio)


def test_a_server_that_answers_is_fenced_and_nothing_is_lost_without_synchronous_commit(trio: Trio) -> None:
    asked, old = trio.asked(), trio.leading
    with trio.trial.running(2):
        trio.trial.wait_since(time.monotonic(), 50)
        planned = plan(asked)
        assert "sessions begin read-only" in str(planned)
        made = promote(asked, planned, Clock(), print)
        trio.trial.wait_since(time.monotonic(), 50)
    with trio.connect(old) as c, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        c.execute("INSERT INTO sluice_trial.written VALUES (-1)")
    assert not [one for one in judge(trio.look(), {}) if "both take writes" in one.text]
    assert made.next_write is not None
    seen = look(old.server)
    assert isinstance(seen, Leading)
    assert judge_left(seen, made.next_write) == ()
    with trio.connect(old) as c:
        c.execute("BEGIN READ WRITE; INSERT INTO sluice_trial.written VALUES (-1); COMMIT")
    seen = look(old.server)
    assert isinstance(seen, Leading)
    assert [one.severity for one in judge_left(seen, made.next_write)] == ["P1"], "that default is no lock"
    trio.swap(made.new)
    with trio.connect() as c:
        assert trio.trial.lost(c) == []
    assert all_well(trio)


def test_a_fence_is_taken_back_and_the_old_server_leads_on(synchronous: Trio) -> None:
    trio = synchronous
    asked = trio.asked()
    fence_writes(trio.leading.server)
    cut(trio.replicas)
    cut(trio.replicas)
    assert {one.receiver for one in trio.look().following} == {""}
    for _ in range(2):
        take_back(asked)
    wait_for(lambda: all_well(trio), trio.leading, "lead on")
    with trio.trial.running(1):
        trio.trial.wait_since(time.monotonic(), 10)


def test_what_the_server_does_by_itself_behind_its_fence_is_no_write(trio: Trio) -> None:
    analyses = {"autovacuum": "on", "autovacuum_naptime": "1", "autovacuum_analyze_threshold": "0"}
    with trio.connect() as c:
        for name, value in {**analyses, "autovacuum_analyze_scale_factor": "0"}.items():
            c.execute(f"ALTER SYSTEM SET {name} = {value}")
        c.execute("SELECT pg_reload_conf()")
        c.execute("CREATE TABLE busy AS SELECT generate_series(1, 1000) AS n")
    try:
        fenced = fence_writes(trio.leading.server)
        time.sleep(3)
        seen = look(trio.leading.server)
        assert isinstance(seen, Leading)
        assert seen.next_write == fenced.next_write
    finally:
        allow_writes(trio.leading.server)
    with trio.connect() as c:
        c.execute("ALTER SYSTEM RESET ALL")
        c.execute("SELECT pg_reload_conf()")


def test_a_role_that_writes_past_the_fence_stops_the_promotion(trio: Trio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sluice.safety.replicas.fencing.TRIES", 3)
    with trio.connect() as c:
        c.execute("CREATE ROLE stubborn LOGIN SUPERUSER; ALTER ROLE stubborn SET default_transaction_read_only = off")
    address = trio.trial.address
    trio.trial.address = trio.leading.server.dsn.replace("user=postgres", "user=stubborn")
    try:
        asked, told = trio.asked(), list[str]()
        with trio.trial.running(1), pytest.raises(NotFenced, match="somebody writes all the same"):
            trio.trial.wait_since(time.monotonic(), 10)
            promote(asked, plan(asked), Clock(), told.append)
        assert told == ["shop: nothing was promoted; the fence was taken back"]
        seen = look(trio.leading.server)
        assert isinstance(seen, Leading)
        assert not seen.read_only, "users can write again"
    finally:
        trio.trial.address = address
        allow_writes(trio.leading.server)


def test_a_quorum_that_cannot_be_compared_leaves_nobody_cut_off(synchronous: Trio) -> None:
    trio = synchronous
    asked, gone = trio.asked(), trio.others[0]
    trio.leading.kill()
    planned = plan(asked)
    gone.kill()
    told = list[str]()
    with pytest.raises((NotPromotable, StoreDown)):
        promote(asked, planned, Clock(), told.append)
    assert told == [
        f"shop: nothing was promoted; the fence was taken back. {asked.old.name} and {gone.name} did not answer: what is fenced"
        " there is fenced still"
    ]
    assert not any(is_cut(one) for one in trio.replicas if one.name != gone.name)
    trio.leading.start()
    gone.start()
    wait_for(lambda: all_well(trio), trio.leading, "lead")


def test_silence_is_not_death(trio: Trio) -> None:
    asked = trio.asked()
    trio.leading.kill()
    with pytest.raises(NotDead, match=f"then type: {trio.leading.name} is dead"):
        plan(asked)
    with pytest.raises(NotOurs, match="leaves the failover of shop to its platform"):
        plan(replace(asked, by="platform"))
    trio.leading.start()
    wait_for(lambda: all_well(trio), trio.leading, "lead")


def test_two_that_take_writes_are_told_and_the_old_one_is_held_off(synchronous: Trio) -> None:
    trio = synchronous
    asked, old = trio.asked(), trio.leading
    old.kill()
    made = promote(asked, plan(asked), Clock(), print)
    assert not hold_off(old.server), "it is not there"
    old.start()
    assert [one.severity for one in judge(trio.look(), {}) if "both take writes" in one.text] == ["P1"]
    with pytest.raises(SplitBrain):
        plan(asked)
    for _ in range(2):
        assert hold_off(old.server)
    assert not [one for one in judge(trio.look(), {}) if "both take writes" in one.text]
    trio.swap(made.new)


def test_an_agent_that_promotes_by_itself_is_seen(trio: Trio) -> None:
    with (
        psycopg.connect(trio.leading.server.dsn, application_name="Patroni heartbeat"),
        pytest.raises(NotOurs, match="Patroni"),
    ):
        plan(trio.asked())


def test_health_and_lag_say_what_each_replica_does(trio: Trio) -> None:
    one = trio.others[0]
    lags = measure_lags(trio.leading.server, trio.replicas, SOON)
    assert {lag.arrived for lag in lags.values()} == {True}
    assert set(within_target(lags)) == {each.name for each in trio.others}
    assert judge(trio.look(), lags) == ()
    with trio.connect(one) as c:
        c.execute("SELECT pg_wal_replay_pause()")
        late = measure_lags(trio.leading.server, trio.replicas, timedelta(seconds=0.3))
        assert not late[one.name].arrived
        assert [(found.severity, found.server) for found in judge(trio.look(), late)] == [("P2", one.name)]
        c.execute("SELECT pg_wal_replay_resume()")
    cut([one.server])
    found = judge(trio.look(), {})
    assert [(each.severity, each.server) for each in found] == [("P1", one.name)]
    assert "does not stream" in found[0].text
    listen_to(one.server, trio.leading.server)
    wait_for(lambda: all_well(trio), one, "stream again")
    assert isinstance(look(trio.leading.server), Leading)
