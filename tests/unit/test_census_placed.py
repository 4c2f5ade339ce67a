"""Which snapshot belongs to a place in the log, held against the plain definition; and how pg_waldump tells of commits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from sluice.safety.census import Marked, Moment
from sluice.safety.physical.commits import Commit, commits_told
from sluice.safety.physical.placing import NUMBERS, Sight, fitting
from sluice.safety.physical.wal import as_text

# By pg_waldump of PostgreSQL 15 and 18.
TOLD = """\
rmgr: Transaction len (rec/tot):     46/    46, tx:        755, lsn: 0/016F10B0, prev 0/016F1070, desc: COMMIT 2026-11-23 00:17:53.475503 UTC
rmgr: Transaction len (rec/tot):     34/    34, tx:        757, lsn: 0/016F1100, prev 0/016F10B0, desc: ABORT 2026-11-23 00:17:53.475503 UTC
rmgr: Transaction len (rec/tot):     54/    54, tx:        756, lsn: 0/016F1160, prev 0/016F1120, desc: COMMIT 2026-11-23 00:17:53.512375 UTC; subxacts: 757
rmgr: Transaction len (rec/tot):    250/   250, tx:        760, lsn: 0/016F1200, prev 0/016F1160, desc: PREPARE gid desc: COMMIT : 2026-11-23 00:17:53.512375 UTC
rmgr: Transaction len (rec/tot):     60/    60, tx:          0, lsn: 0/016F1300, prev 0/016F1200, desc: COMMIT_PREPARED 760: 2026-11-23 00:17:53.512375 UTC; subxacts: 761
"""  # noqa: E501


def marked(next_: int, running: frozenset[int]) -> Marked:
    """A snapshot."""
    return Marked("", Moment(None, "", str(next_), tuple(map(str, sorted(running)))))


def fits(one: Marked, order: list[int]) -> int | None:
    """Tell how many of the commits a snapshot sees, where it sees these and none behind: as it is defined."""
    next_, running = int(one.moment.next), set(map(int, one.moment.running))
    seen = [xid < next_ and xid not in running for xid in order]
    return sum(seen) if seen == sorted(seen, reverse=True) and any(seen) else None


@given(st.data(), st.sampled_from([1000, NUMBERS - 5, 7 * NUMBERS + 3]))
def test_the_snapshot_is_taken_that_sees_all_up_to_a_commit_and_none_behind(data: st.DataObject, about: int) -> None:
    order = data.draw(st.permutations(range(about - 6, about + 6)))
    snapshot = st.builds(
        marked, st.integers(about - 7, about + 7), st.frozensets(st.integers(about - 7, about + 7), max_size=5)
    )
    # A snapshot's running ones are older than its next.
    taken = [
        marked(int(one.moment.next), frozenset(x for x in map(int, one.moment.running) if x < int(one.moment.next)))
        for one in data.draw(st.lists(snapshot, min_size=1, max_size=4))
    ]
    commits = [Commit(100 + n, xid % NUMBERS) for n, xid in enumerate(order)]
    right = [(n, many) for n, one in enumerate(taken) if (many := fits(one, order))]
    found = fitting(taken, commits)
    assert (found is None) == (not right)
    if found:
        index, chosen = found
        assert (index, chosen.moment.position) == (right[0][0], as_text(commits[right[0][1] - 1].at))


@given(st.integers(2**31, 2**40), st.integers(-(2**31) + 1, 2**31 - 1))
def test_the_lower_half_of_a_number_is_enough_near_the_snapshot(next_: int, away: int) -> None:
    assert Sight(next_, frozenset()).whole((next_ + away) % NUMBERS) == next_ + away


def test_commits_are_read_and_nothing_else() -> None:
    assert commits_told(TOLD) == [Commit(0x16F10B0, 755), Commit(0x16F1160, 756), Commit(0x16F1300, 760)]
