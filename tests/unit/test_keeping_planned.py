"""Which backups stay: planned over years of drawn histories, and held against what was promised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sluice.estate.residency import may_hold
from sluice.safety.keeping.encrypting import same_key
from sluice.safety.keeping.expiring import ClockWrong, Expiry, Holding, Keeping, LogObject, plan_expiry, wants_whole
from sluice.safety.keeping.locking import plan_locks
from sluice.safety.keeping.sweeping import plan_sweep
from sluice.safety.keeping.tiers import TIERS, Needs, One, assign, begins, chain, lacking
from sluice.safety.physical.wal import Segment

FIRST = datetime(2026, 1, 1, 2, tzinfo=UTC)
DAY, SIZE = timedelta(days=1), 1 << 20
KEEPING = Keeping()


@st.composite
def histories(draw: st.DrawFn) -> list[One]:
    """Months of backups, with gaps, several on some days, increments of whole ones, and servers that were made anew."""
    at, place, full, system = FIRST, 0, "", 1
    made = list[One]()
    for number in range(draw(st.integers(1, 40))):
        at += timedelta(hours=draw(st.sampled_from([1, 7, 24, 24, 24, 24, 60, 400])))
        if draw(st.integers(0, 19)) == 0:
            full, system, place = "", system + 1, 0
        place += draw(st.integers(0, 3 * SIZE))
        name, ends = f"{number:03}", place + draw(st.integers(1, SIZE))
        after = full if full and draw(st.booleans()) else None
        full = full if after else name
        made.append(One(name, at, after, Needs(str(system), 1, SIZE, place, ends)))
        place = ends
    return made


def held(ones: Sequence[One], verified: Sequence[str], log: bool = True) -> Holding:
    """What there is: these, and all of their log."""
    files = list[LogObject]()
    for system in {one.needs.system for one in ones if one.needs} if log else ():
        last = max(one.needs.ends for one in ones if one.needs and one.needs.system == system)
        names = [Segment(1, number, SIZE).name for number in range(last // SIZE + 1)]
        files += [LogObject(system, name, f"{system}/{name}", FIRST) for name in names]
    return Holding({one.id: one for one in ones}, frozenset(verified), files)


def planned(holding: Holding, keeping: Keeping = KEEPING) -> Expiry:
    """Plan right after the newest backup."""
    return plan_expiry(holding, keeping, max(one.whole_at for one in holding.backups.values()) + timedelta(hours=1))


def reaches(holding: Holding, base: One, moment: datetime, gone: set[str]) -> bool:
    """Whether a moment can be reached from a backup, whose next one on the same server ends that moment's log at the latest."""
    assert base.needs
    after = [one.needs for one in holding.backups.values() if one.whole_at >= moment and one.needs]
    upto = min((one.ends for one in after if one.system == base.needs.system), default=base.needs.ends)
    first, last = (Segment.at(place, 1, SIZE) for place in (base.needs.begins, upto))
    there = {file.name for file in holding.log if file.system == base.needs.system and file.key not in gone}
    return all(Segment(1, number, SIZE).name in there for number in range(first.number, last.number))


@given(histories())
def test_the_first_of_each_period_stands_for_it_and_for_those_that_were_missed(ones: list[One]) -> None:
    found = assign(ones, TIERS)
    for tier in TIERS:
        able = [one for one in ones if one.after is None or not tier.whole]
        members = [one for one in able if tier in found.get(one.id, ())]
        periods = [begins(one.whole_at, tier.every) for one in members]
        assert len(set(periods)) == len(periods), "two stand for one period"
        for one in able:
            period = begins(one.whole_at, tier.every)
            stands = next(member for member in members if member.whole_at >= period)
            assert begins(stands.whole_at, tier.every) == period
            assert stands.whole_at <= one.whole_at
    assert all(
        one.after is None for one in ones if {"weekly", "monthly"} & {tier.name for tier in found.get(one.id, ())}
    )


@pytest.mark.parametrize(
    ("moment", "day", "week", "month"),
    [
        ("2026-03-29T01:30:00+00:00", "2026-03-29", "2026-03-23", "2026-03-01"),  # summer time begins elsewhere
        ("2027-01-01T00:30:00+00:00", "2027-01-01", "2026-12-28", "2027-01-01"),  # an ISO week over New Year
        ("2026-06-01T01:00:00+05:00", "2026-05-31", "2026-05-25", "2026-05-01"),  # another zone's clock
    ],
)
def test_periods_are_of_utc(moment: str, day: str, week: str, month: str) -> None:
    at = datetime.fromisoformat(moment)
    assert [f"{begins(at, every):%Y-%m-%d}" for every in ("day", "week", "month")] == [day, week, month]  # type: ignore[arg-type]


def test_who_has_nothing_whole_in_this_week_lacks_it() -> None:
    monday = datetime(2026, 6, 1, 2, tzinfo=UTC)
    there = [One("a", monday - 3 * DAY), One("b", monday, after="a")]
    assert [tier.name for tier in lacking(there, TIERS, monday + timedelta(hours=1))] == ["weekly", "monthly"]
    assert lacking([*there, One("c", monday)], TIERS, monday + timedelta(hours=2)) == ()


def test_an_increment_rests_on_what_was_read_back_and_no_week_goes_without_a_whole_one() -> None:
    ones = year(40)
    now = ones[-1].whole_at + timedelta(hours=1)
    names = [one.id for one in ones]
    assert wants_whole(held([], [], log=False), KEEPING, now) == "the weekly backup of this week is not there yet"
    assert wants_whole(held([], [], log=False), replace(KEEPING, tiers=()), now) == "there is none yet"
    assert wants_whole(held(ones, names), KEEPING, now) is None
    assert "2026-02-09 was not read back" in str(wants_whole(held(ones, names[:-4]), KEEPING, now))
    assert "weekly" in str(wants_whole(held(ones, names), KEEPING, now + 7 * DAY))


@given(histories(), st.data())
def test_whatever_was_verified_what_is_promised_stays(ones: list[One], data: st.DataObject) -> None:
    verified = data.draw(st.lists(st.sampled_from([one.id for one in ones]), unique=True))
    holding = held(ones, verified)
    plan = planned(holding)
    assert set(plan.keep) | set(plan.drop) == set(holding.backups)
    assert not set(plan.keep) & set(plan.drop)
    assert all([*plan.keep.values(), *plan.drop.values()]), "each says why"
    for name in plan.keep:
        assert set(chain(holding.backups, name) or ()) <= set(plan.keep), "what a kept one rests on stays"
    sound = [one for one in ones if holding.is_sound(one.id)]
    for name in plan.drop:
        newer = [one for one in sound if one.whole_at > holding.backups[name].whole_at and one.id in plan.keep]
        assert newer, "a newer verified one stays"
    assert {one.id for one in sound[-KEEPING.at_least :]} <= set(plan.keep)
    age = sound[-1].whole_at if sound else FIRST
    for name, tiers in assign(sound, TIERS).items():
        if any(holding.backups[name].whole_at + tier.keep > age for tier in tiers):
            assert name in plan.keep, "its tier's time is not over"
    gone = {key for one in plan.log for key in one.files.values()}
    for name in plan.keep:
        needs = holding.backups[name].needs
        assert needs
        for number in range(needs.begins // SIZE, needs.ends // SIZE + 1):
            assert f"{needs.system}/{Segment(1, number, SIZE).name}" not in gone, "what makes it consistent stays"


@given(histories())
def test_each_moment_of_the_window_can_be_reached_as_before(ones: list[One]) -> None:
    holding = held(ones, [one.id for one in ones])
    plan = planned(holding)
    gone = {key for one in plan.log for key in one.files.values()}
    newest = ones[-1].whole_at
    moment = newest - KEEPING.window
    while moment <= newest:
        before = [one for one in ones if one.whole_at < moment]
        if before:
            assert before[-1].id in plan.keep
            assert reaches(holding, before[-1], moment, gone), f"{moment} could be reached"
        moment += timedelta(hours=17)


def year(days: int) -> list[One]:
    """A whole backup each Monday, an increment each other day."""
    made, full = list[One](), None
    for number in range(days):
        at, place = FIRST + number * DAY, number * 10 * SIZE
        after = full if at.weekday() else None
        made.append(One(f"{at:%Y-%m-%d}", at, after, Needs("1", 1, SIZE, place, place + 10)))
        full = full if after else made[-1].id
    return made


def test_after_two_years_there_are_days_weeks_and_months() -> None:
    ones = year(730)
    plan = planned(held(ones, [one.id for one in ones]))
    old = [name for name in plan.keep if name < f"{ones[-1].whole_at - 36 * DAY:%Y-%m-%d}"]
    assert len(plan.keep) - len(old) in range(36, 44), (
        "the window, with the whole one that its first increment rests on"
    )
    assert {name for name in old if datetime.fromisoformat(name).weekday()} == {"2026-01-01"}, "whole ones alone stay"
    first_year = [name for name in old if name < f"{ones[-1].whole_at - 366 * DAY:%Y-%m-%d}"]
    assert len(first_year) == 12, "of the first year, one a month"
    assert len(old) - len(first_year) in range(45, 53), "of the second, one a week"
    assert plan.keep["2026-02-02"] == "monthly until 2033-02-02"
    assert "and older than the window; 2027-12-31 is newer and was verified" in plan.drop["2026-02-03"]
    between = [one for one in plan.log if one.first <= Segment(1, 500, SIZE).name <= one.last]
    assert len(between) == 1
    assert Segment(1, (ones[-1].whole_at - FIRST).days * 10 - 50, SIZE).name not in str(plan.log)
    assert plan.is_much, "nobody has expired anything for two years: that is asked"


def test_nothing_grows_old_while_nothing_is_verified() -> None:
    ones = year(400)
    assert not planned(held(ones, [])).drop
    few = planned(held(ones, [one.id for one in ones[:100]]))
    assert not set(few.drop) & {one.id for one in ones[99:]}, "those after the last verified one stay"
    assert f"{FIRST + 70 * DAY:%Y-%m-%d}" in few.keep, "and those of its window"
    assert max(one.last for one in few.log) < Segment(1, 640, SIZE).name


def test_what_rests_on_something_that_is_gone_counts_for_nothing() -> None:
    ones = [one for one in year(60) if one.id != "2026-02-23"]  # the whole one of the last week
    holding = held(ones, [one.id for one in ones])
    assert not holding.is_sound("2026-03-01")
    assert "2026-02-22" in planned(holding).keep


@pytest.mark.parametrize(("late", "told"), [(-1, "before the newest|set the clock"), (4 * 24, "a clock has jumped")])
def test_a_clock_that_contradicts_the_backups_is_refused(late: int, told: str) -> None:
    ones = year(60)
    with pytest.raises(ClockWrong, match=told):
        plan_expiry(held(ones, []), KEEPING, ones[-1].whole_at + timedelta(hours=late))


def test_a_clock_that_is_a_little_behind_that_of_the_server_is_none_that_is_wrong() -> None:
    ones = year(60)
    holding = held(ones, [one.id for one in ones])
    at = ones[-1].whole_at
    assert plan_expiry(holding, KEEPING, at - timedelta(seconds=40)).drop == plan_expiry(holding, KEEPING, at).drop


def test_a_clock_that_is_days_ahead_makes_nothing_older() -> None:
    ones = year(60)
    holding = held(ones, [one.id for one in ones])
    plans = [plan_expiry(holding, KEEPING, ones[-1].whole_at + timedelta(hours=ahead)) for ahead in (0, 71)]
    assert plans[0] == plans[1]


def test_what_is_locked_or_one_of_the_last_few_stays() -> None:
    ones = year(60)
    lean = replace(KEEPING, tiers=(), window=timedelta(0), at_least=3)
    holding = held(ones, [one.id for one in ones])
    assert [*planned(holding, lean).keep] == ["2026-02-23", "2026-02-27", "2026-02-28", "2026-03-01"]
    locked = replace(holding, locked={"2026-01-06": ones[-1].whole_at + 9 * DAY})
    assert "locked until 2026-03-10" in planned(locked, lean).keep["2026-01-06"]
    assert "2026-01-06 rests on it" in planned(locked, lean).keep["2026-01-05"]


def test_the_log_of_a_server_that_is_no_more_goes_with_its_last_backup() -> None:
    old = [replace(one, id=f"old {one.id}", needs=replace(one.needs, system="0")) for one in year(30) if one.needs]
    new = [replace(one, whole_at=one.whole_at + 400 * DAY) for one in year(60)]
    holding = held([*old, *new], [one.id for one in (*old, *new)])
    lean = replace(KEEPING, tiers=())
    assert {one.system for one in planned(holding, lean).log if one.why == "no backup of that server is kept"} == {"0"}
    orphan = replace(holding, backups={one.id: one for one in new})
    assert "no backup of that server is left" in {one.why for one in planned(orphan, lean).log}
    young = replace(orphan, log=[replace(one, stored_at=new[-1].whole_at) for one in orphan.log])
    assert not planned(young, lean).log, "a first backup may be under way, or a manifest may have been hidden"


def test_a_later_timeline_and_the_histories_stay() -> None:
    ones = year(60)
    holding = held(ones, [one.id for one in ones])
    more = [LogObject("1", name, name, FIRST) for name in ("00000002.history", Segment(2, 3, SIZE).name)]
    plan = planned(replace(holding, log=[*holding.log, *more]))
    assert plan.log
    assert not {"00000002.history", Segment(2, 3, SIZE).name} & {key for one in plan.log for key in one.files.values()}


def test_locks_last_until_the_tiers_end_and_are_of_what_was_verified_alone() -> None:
    ones = year(40)
    found = plan_locks(held(ones, [one.id for one in ones]), KEEPING, ones[-1].whole_at)
    assert {name: lock.mode for name, lock in found.items()} == {"2026-01-01": "COMPLIANCE", "2026-02-02": "COMPLIANCE"}
    assert found["2026-02-02"].until == FIRST + 32 * DAY + timedelta(days=2557)
    assert plan_locks(held(ones, []), KEEPING, ones[-1].whole_at) == {}
    increments = replace(KEEPING, tiers=(replace(TIERS[0], immutable="GOVERNANCE"),))
    locked = plan_locks(held(ones, [one.id for one in ones]), increments, ones[-1].whole_at)
    assert locked["2026-02-02"].until == FIRST + 38 * DAY + timedelta(days=30), "as long as its last increment is"


@pytest.mark.parametrize(
    ("group", "region", "allowed", "may"),
    [
        ("eu", "eu-central-1", (), True),
        ("eu", "eu-west-2", (), False),  # London
        ("eu", "eu-central-2", (), False),  # Zurich
        ("eu", "us-east-1", (), False),
        ("eu", "us-east-1", ("us-east-1",), True),
        ("us", "us-west-2", (), True),
        ("us", "us-gov-west-1", (), False),
        ("apac", "ap-south-1", (), True),
        ("global", "me-south-1", (), True),
    ],
)
def test_a_region_group_bounds_the_copies(group: str, region: str, allowed: tuple[str, ...], may: bool) -> None:
    assert may_hold(group, region, allowed) is may


def test_halves_are_swept_a_day_after_their_last_object_by_the_stores_own_clock() -> None:
    base = "backups/stores/base/base"
    dated = {
        f"{base}/a/part-00000.zst": FIRST,
        f"{base}/b/part-00000.zst": FIRST,
        f"{base}/b/manifest.json": FIRST,
        f"{base}/c/part-00000.zst": FIRST,
        f"{base}/c/part-00001.zst": FIRST + 2 * DAY,  # written by now
        "backups/stores/base/wal/1/00000001/x.zst": FIRST + 2 * DAY,
        "backups/stores/based/base/d/part-00000.zst": FIRST,
    }
    assert plan_sweep("base", dated, FIRST + 2 * DAY) == [f"{base}/a"]
    assert plan_sweep("base", dated, FIRST + 900 * DAY) == [f"{base}/a"], "a clock that is ahead makes none older"
    assert plan_sweep("base", dated, FIRST + timedelta(hours=23)) == []


@pytest.mark.parametrize(
    ("wanted", "found", "same"), [("arn:x:key/7", "7", True), ("7", "8", False), ("7", None, False)]
)
def test_a_key_of_encryption_has_two_names(wanted: str, found: str | None, same: bool) -> None:
    assert same_key(wanted, found) is same
