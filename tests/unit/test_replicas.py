"""What follows from what a group of servers says: who may be promoted, what that proves, and what is wrong with whom."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sluice.safety.replicas.health import Finding, judge, judge_left, within_target
from sluice.safety.replicas.lag import Lag
from sluice.safety.replicas.planning import Asked, NotDead, NotPromotable, SplitBrain, plan_promotion
from sluice.safety.replicas.pooler import Pooler, PoolerDown, PoolerRefused, Repoint, apply_repoint, plan_repoint
from sluice.safety.replicas.promise import Promise, read_promise
from sluice.safety.replicas.promoting import bounds
from sluice.safety.replicas.rivals import NotOurs, read_signs
from sluice.safety.replicas.servers import Following, Group, Leading, Link, Server, Silent, Slot

NOW = datetime(2026, 11, 23, tzinfo=UTC)
A, B, C = (Server(name, f"host={name}") for name in "abc")
LINKS = {name: Link("streaming", "quorum", 0) for name in "bc"}
LED = Leading("a", "7", 3, 1000, "ANY 1 (b, c)", "on", False, LINKS, {}, NOW, NOW, 700)
AT_B = Following("b", "7", 3, 900, 900, "streaming", "", False, 0, NOW)
AT_C = replace(AT_B, name="c", received=950, replayed=800)
WELL = Group((LED,), (AT_B, AT_C), ())
DEAD = Group((), (AT_B, AT_C), (Silent("a", "timeout"),))
ASKED = Asked("shop", A, (B, C), "sluice", Promise(1, frozenset("bc")), last_seen=1000)


@pytest.mark.parametrize(
    ("text", "needed", "names", "quorum"),
    [
        ("", 0, "", 1),
        ("b", 1, "b", 1),
        ("b, c", 1, "bc", 2),
        ("2 (b, c, d)", 2, "bcd", 2),
        ("FIRST 1 (b, c)", 1, "bc", 2),
        ('any 2 (b, C, "d")', 2, "bcd", 2),
        ("ANY 3 (b, c, d)", 3, "bcd", 1),
    ],
)
def test_for_whom_commits_wait_is_read_as_postgresql_reads_it(text: str, needed: int, names: str, quorum: int) -> None:
    assert read_promise(text) == Promise(needed, frozenset(names))
    assert read_promise(text).quorum == quorum


@pytest.mark.parametrize(
    ("text", "asked", "kept"),
    [
        ("ANY 1 (b, c)", "bc", True),
        ("ANY 1 (b, c)", "b", False),  # the other may have acknowledged, and may still
        ("ANY 2 (b, c)", "b", True),
        ("b, c", "b", False),  # the second waits for nobody while the first is away
        ("b", "b", True),
        ("*", "bc", False),  # whoever ships the log could have been the one
        ("", "bc", False),
    ],
)
def test_so_many_hold_every_acknowledged_commit_together(text: str, asked: str, kept: bool) -> None:
    assert read_promise(text).kept_by(set(asked)) is kept


def test_whoever_has_received_most_is_promoted_and_the_plan_can_be_read() -> None:
    planned = plan_promotion(ASKED, DEAD, ())
    assert (planned.chosen, planned.fence, planned.cut, planned.loses) == ("c", "quorum", ("c", "b"), "")
    assert str(planned).splitlines()[1:5] == [
        "  fence a: c, b listen no more, so that no commit of its is acknowledged",
        "  promote c, or whoever has received more by then",
        "  b follows c",
        "  nothing that was acknowledged is lost",
    ]


def test_a_later_timeline_comes_before_a_later_position() -> None:
    later = replace(AT_B, timeline=4)
    assert plan_promotion(ASKED, replace(DEAD, following=(later, AT_C)), ()).chosen == "b"


def test_an_old_server_that_answers_is_fenced_and_only_who_streams_from_it_is_promoted() -> None:
    assert plan_promotion(ASKED, WELL, ()).fence == "read-only"
    mute = replace(WELL, following=(AT_B, replace(AT_C, receiver="")))
    assert plan_promotion(ASKED, mute, ()).chosen == "b"
    with pytest.raises(NotPromotable, match="none of b receives from it"):
        plan_promotion(ASKED, replace(WELL, following=(replace(AT_B, receiver=""),)), ())


@pytest.mark.parametrize(
    ("promise", "why"),
    [
        (None, "nobody knows for whom"),
        (read_promise(""), "wait for nobody"),
        (read_promise("*"), "a stranger may acknowledge"),
        (read_promise("ANY 1 (b, c, d)"), "too few to stop it"),
    ],
)
def test_without_proof_nothing_is_promoted_but_by_a_persons_word(promise: Promise | None, why: str) -> None:
    with pytest.raises(NotDead, match=why):
        plan_promotion(replace(ASKED, promise=promise), DEAD, ())
    with pytest.raises(NotDead):
        plan_promotion(replace(ASKED, promise=promise, word="b is dead"), DEAD, ())
    planned = plan_promotion(replace(ASKED, promise=promise, word=" a is dead "), DEAD, ())
    assert planned.fence == "word"
    assert planned.loses.startswith("at least 50 bytes of the log")


def test_a_second_promotion_is_not_proven_by_the_first_ones_server() -> None:
    only_c = replace(DEAD, following=(AT_C,))
    asked = replace(ASKED, promise=read_promise("ANY 2 (b, c)"), led_since="b")
    with pytest.raises(NotPromotable, match=r"b of shop leads since it was promoted.*Let `name`"):
        plan_promotion(replace(asked, word="a is dead"), only_c, ())
    leads = Group((replace(LED, name="b", timeline=4),), (AT_C,), (Silent("a", "timeout"),))
    assert plan_promotion(asked, leads, ()).chosen == "b", "whoever asks again goes on with it"


def test_a_promotion_that_was_broken_off_is_gone_on_with_and_two_that_write_are_not() -> None:
    new = replace(LED, name="c", timeline=4)
    broken_off = Group((new,), (AT_B,), (Silent("a", "refused"),))
    planned = plan_promotion(ASKED, broken_off, ())
    assert (planned.fence, planned.chosen) == (None, "c")
    assert "b follows c" in str(planned)
    assert plan_promotion(ASKED, Group((replace(LED, read_only=True), new), (AT_B,), ()), ()).fence is None
    with pytest.raises(SplitBrain, match="c and a of shop take writes"):
        plan_promotion(ASKED, Group((LED, new), (AT_B,), ()), ())


def test_nobody_is_promoted_where_nobody_answers_or_somebody_else_promotes() -> None:
    with pytest.raises(NotPromotable, match="a: timeout"):
        plan_promotion(ASKED, replace(DEAD, following=()), ())
    for by, rivals in (("platform", ()), ("sluice", ("Patroni",))):
        with pytest.raises(NotOurs):
            plan_promotion(replace(ASKED, by=by), DEAD, rivals)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sign", "who"),
    [
        ("session Patroni restapi", "Patroni"),
        ("library repmgr", "repmgr"),
        ("extension repmgr", "repmgr"),
        ("slot repmgr_slot_2", "repmgr"),
        ("slot pgautofailover_standby_1", "pg_auto_failover"),
        ("extension pgautofailover", "pg_auto_failover"),
        ("session cnpg_metrics_exporter", "CloudNativePG"),
        ("slot _cnpg_cluster_2", "CloudNativePG"),
        ("role rds_superuser", "Amazon RDS or Aurora"),
        ("role neon_superuser", "Neon"),
    ],
)
def test_who_promotes_by_itself_leaves_signs(sign: str, who: str) -> None:
    ours = ["session sluice:promote", "session psql", "role postgres", "library pg_stat_statements", "slot sluice_log"]
    assert read_signs([*ours, sign]) == (who,)
    assert read_signs(ours) == ()


def test_a_group_that_is_well_has_no_findings() -> None:
    assert judge(WELL, {"b": Lag(timedelta(milliseconds=40), True)}) == ()


SLOTTED = replace(LED, slots={"s": Slot(False, "lost")})


@pytest.mark.parametrize(
    ("group", "found"),
    [
        (replace(WELL, following=(AT_B,), silent=(Silent("c", "refused"),)), "P1 c does not answer: refused"),
        (replace(WELL, following=(AT_B, replace(AT_C, receiver=""))), "P1 c does not stream from a (stream"),
        (replace(WELL, following=(AT_B, replace(AT_C, system="8"))), "P1 c is of another server than a: m"),
        (replace(WELL, following=(AT_B, replace(AT_C, timeline=4))), "P1 c is on timeline 4, and a, which"),
        (replace(WELL, following=(AT_B, replace(AT_C, paused=True))), "P2 c somebody has paused its repla"),
        (Group((SLOTTED,), (AT_B, replace(AT_C, slot="s")), ()), "P1 c its slot s is lost: the log tha"),
        (Group((replace(LED, standby_names="*"),), (AT_B, AT_C), ()), "P2 a waits for '*': a stranger may "),
        (Group((replace(LED, standby_names="x"),), (AT_B, AT_C), ()), "P1 a commits wait for 1 of x, and 0"),
        (Group((), (AT_B, AT_C), ()), "P1 all no server takes writes"),
        (replace(WELL, leading=(LED, replace(LED, name="d"))), "P1 a and d both take writes: fence the on"),
    ],
)
def test_what_is_wrong_is_said_with_its_urgency(group: Group, found: str) -> None:
    (told,) = judge(group, {})
    assert str(told).replace(":", "", 1).startswith(found)


def test_a_write_behind_a_fence_is_urgent() -> None:
    assert judge_left(replace(LED, read_only=True), 700) == ()
    (told,) = judge_left(replace(LED, read_only=True), 698)
    assert str(told).startswith(
        "P1 a: was fenced and left, and 2 transactions have written there since, past the fence"
    )


def test_lag_is_urgent_past_its_threshold_and_told_past_its_target() -> None:
    lags = {"b": Lag(timedelta(seconds=6), False), "c": Lag(timedelta(milliseconds=60), True)}
    assert judge(WELL, lags) == (Finding("P2", "b", "is 6.0 s behind, and 5 s are allowed"),)
    assert within_target({**lags, "d": Lag(timedelta(milliseconds=9), True)}) == {"b": False, "c": False, "d": True}


INI = "; db = host=x\n[pgbouncer]\nshop = host=x\n[databases]\nshopping = host=x\n"


@pytest.mark.parametrize(
    ("line", "after"),
    [
        ("shop = host=a port=5432 dbname=s", "shop = host=b port=6000 dbname=s"),
        ("shop=dbname=s", "shop=dbname=s host=b port=6000"),
        ("\"shop\" = host='a c' user=hostess", '"shop" = host=b user=hostess port=6000'),
        ("shop =", "shop = host=b port=6000"),
    ],
)
def test_a_line_of_a_pool_is_changed_in_two_words_and_no_other_line_is(line: str, after: str) -> None:
    planned = plan_repoint(f"{INI}{line}\r\n[users]\n", "shop", "b", 6000)
    assert (planned.after, planned.text) == (after, f"{INI}{after}\r\n[users]\n")
    again = plan_repoint(planned.text, "shop", "b", 6000)
    assert (again.text, str(again)) == (planned.text, f"  {after}")


def test_a_pool_without_a_line_of_its_own_is_changed_by_hand() -> None:
    with pytest.raises(PoolerRefused, match="by hand"):
        plan_repoint(f"{INI}* = host=x\n", "shop", "b", 6000)


def test_a_pools_file_is_nobody_elses_to_read_while_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, modes = tmp_path / "pgbouncer.ini", list[int]()
    file.write_text("old")
    file.chmod(0o644)
    new = tmp_path / "pgbouncer.ini.sluice"
    new.write_text("what a run left that was broken off")

    def refuse(path: Path, user: int, group: int) -> None:
        modes.append(path.stat().st_mode & 0o777)
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "chown", refuse)
    with pytest.raises(PermissionError):
        apply_repoint(Pooler(file, "host=127.0.0.1 port=1", "shop"), Repoint("", "", "password=secret"))
    assert modes == [0o600]
    assert (file.read_text(), new.exists()) == ("old", False), "it is as it was, and nothing lies beside it"
    monkeypatch.undo()
    with pytest.raises(PoolerDown):
        apply_repoint(Pooler(file, "host=127.0.0.1 port=1", "shop"), Repoint("", "", "password=secret"))
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("password=secret", 0o644), "whoever could read it can"


def test_a_loss_is_bounded_from_when_a_server_was_last_seen_to_when_nobody_listened_any_more() -> None:
    every, minute = timedelta(seconds=10), timedelta(minutes=1)
    kept = [NOW - minute, NOW - timedelta(seconds=50)]
    found = bounds(kept, NOW - timedelta(seconds=20), NOW, every)
    assert found
    assert (found.at_least, found.at_most) == (timedelta(seconds=20), timedelta(seconds=50))
    later = bounds(kept, NOW - 2 * minute, NOW, every)  # it lived on after it was last seen: its beats say so
    assert later
    assert (later.at_least, later.at_most) == (timedelta(0), timedelta(seconds=50))
    assert bounds([], None, NOW, every) is None
