"""Which counts of a store nothing can be held against any more: all that is still of use stays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sluice.safety.censuses import counted_at, key_of, spare

FIRST = datetime(2026, 1, 1, 4, tzinfo=UTC)
DAY = timedelta(days=1)
NIGHTS = [key_of("shop", FIRST + n * DAY) for n in range(100)]


def kept(since: datetime, backups: list[datetime]) -> list[int]:
    """Say which nights stay, by number."""
    gone = spare(NIGHTS, since, backups)
    assert set(gone) < set(NIGHTS)
    return [n for n, key in enumerate(NIGHTS) if key not in gone]


def test_a_key_tells_its_moment() -> None:
    moment = datetime(2026, 1, 1, 4, 5, 6, 789000, tzinfo=UTC)
    assert counted_at(key_of("shop", moment)) == moment


def test_of_the_window_all_stay_and_the_last_before_it() -> None:
    assert kept(FIRST + 65 * DAY + timedelta(hours=1), []) == [*range(65, 100)]


def test_around_a_backup_that_is_kept_for_years_two_stay() -> None:
    since = FIRST + 98 * DAY
    assert kept(since, [FIRST + 10 * DAY + timedelta(hours=3)]) == [10, 11, 98, 99]
    assert kept(since, [FIRST + 10 * DAY]) == [10, 11, 98, 99], "a dump is counted in its own snapshot"
    assert kept(since, [FIRST - DAY]) == [0, 98, 99]


def test_the_last_two_stay_whatever_the_window() -> None:
    assert kept(FIRST + 500 * DAY, []) == [98, 99]
    assert spare([], FIRST, [FIRST]) == []
    assert spare(NIGHTS[:1], FIRST + 500 * DAY, []) == []
