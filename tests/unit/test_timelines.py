"""Which files of a log lie behind a backup, across promotions: by hand, where PostgreSQL's own rules are narrow."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from sluice.safety.physical.arriving import first_followed
from sluice.safety.physical.log import LogFile
from sluice.safety.physical.stretch import Held, Stretch
from sluice.safety.physical.timelines import Era, Line, read_line
from sluice.safety.physical.wal import Segment, as_text

SIZE = 1 << 20
HALF = SIZE // 2


def line(timeline: int, *left: tuple[int, int]) -> Line:
    """Give a timeline's line by its history: (timeline, where it was left)."""
    return read_line(timeline, "".join(f"{one}\t{as_text(at)}\tno recovery target specified\n" for one, at in left))


def backup(timeline: int, begins: int, ends: int) -> Any:
    """Give as much of a backup as is looked at."""
    return SimpleNamespace(timeline=timeline, begins=as_text(begins), ends=as_text(ends), id="b", store="shop")


def held(whole: str, begun: str = "") -> Held:
    """Give a vault with files, each as timeline and number: `1.3 1.4 2.4`."""
    there = [{Segment(int(t), int(n), SIZE): None for t, _, n in (one.partition(".") for one in text.split())}
             for text in (whole, begun)]  # fmt: skip
    named = [{one: LogFile(one.name, "", "") for one in some} for some in there]
    return Held((), named[0], named[1], SIZE)


def told(found: Stretch) -> str:
    """Write what it gives as `held` reads it."""
    segments = [Segment.named(one.name, SIZE) for one in found.files]
    return " ".join(f"{one.timeline}.{one.number}" for one in segments if one)


def test_a_history_is_read_as_postgresql_writes_it() -> None:
    found = read_line(3, "# a remark\n1\t0/3000148\tno recovery target specified\n\n2\t1/0\tbefore 2026-11-23\n")
    assert found == Line((Era(1, 0, 0x3000148), Era(2, 0x3000148, 1 << 32), Era(3, 1 << 32, None)))
    assert [found.at(place) for place in (0, 0x3000147, 0x3000148, 1 << 32)] == [1, 1, 2, 3]
    assert (found.holds(1, 0x3000148), found.holds(1, 0x3000149), found.holds(4, 0)) == (True, False, False)


TWO = line(2, (1, 4 * SIZE + HALF))
AT_THE_EDGE = line(2, (1, 4 * SIZE))
TWICE = line(3, (1, 4 * SIZE + 8), (2, 4 * SIZE + HALF))
ASIDE = line(3, (1, 5 * SIZE + HALF))
ONE = Line.alone(1)


@pytest.mark.parametrize(
    ("whole", "begun", "lines", "gives", "timeline", "missing"),
    [
        ("1.2 1.3", "1.4", [ONE], "1.2 1.3 1.4", 1, None),
        ("1.2 1.3 2.4", "1.4 2.5", [TWO, ONE], "1.2 1.3 2.4 2.5", 2, None),
        # What the old one wrote in its last file, and behind, leads nowhere.
        ("1.2 1.3 1.4 1.5 2.4", "1.6", [TWO, ONE], "1.2 1.3 2.4", 2, None),
        ("1.2 1.3 2.4", "", [AT_THE_EDGE, ONE], "1.2 1.3 2.4", 2, None),
        ("1.2 1.3 2.4 3.4", "1.4", [TWICE, line(2, (1, 4 * SIZE + 8)), ONE], "1.2 1.3 3.4", 3, None),
        # Left aside: the second timeline is another's.
        ("1.2 1.3 1.4 2.4 2.5 3.5", "", [ASIDE, TWO, ONE], "1.2 1.3 1.4 3.5", 3, None),
        # The file in which it was left is not there: the log ends on the old one, with all that this one had.
        ("1.2 1.3 2.5", "1.4", [TWO, ONE], "1.2 1.3 1.4", 1, Segment(2, 4, SIZE).name),
        ("1.2 2.4", "1.4", [TWO, ONE], "1.2", 1, Segment(1, 3, SIZE).name),
    ],
)
def test_what_lies_behind_a_backup_goes_over_a_promotion(
    whole: str, begun: str, lines: list[Line], gives: str, timeline: int, missing: str | None
) -> None:
    found = held(whole, begun).behind(backup(1, 2 * SIZE, 3 * SIZE), lines)
    assert (told(found), found.timeline, found.missing) == (gives, timeline, missing)
    assert found.reaches == (int(gives[-1]) + 1) * SIZE


def test_a_backup_of_a_way_that_was_left_says_so() -> None:
    there = held("1.2 1.3 1.4 1.5 2.4", "1.6 2.5")
    found = there.behind(backup(1, 5 * SIZE, 5 * SIZE + 8), [TWO, ONE])
    assert (told(found), found.timeline, found.missing) == ("1.5 1.6", 1, "the way from timeline 1 to 2")
    after = there.behind(backup(2, 4 * SIZE + HALF, 5 * SIZE), [TWO, ONE])
    assert (told(after), after.timeline, after.missing) == ("2.4 2.5", 2, None)


def test_the_window_begins_with_a_backup_that_the_log_has_followed() -> None:
    there = held("1.2 1.3 1.4 1.5 1.6 2.4 2.5")
    early, left, new = backup(1, 2 * SIZE, 3 * SIZE), backup(1, 5 * SIZE, 6 * SIZE), backup(2, 5 * SIZE, 6 * SIZE)
    assert first_followed([early, left, new], there, TWO) is early
    assert first_followed([left, new], there, TWO) is new
    gap = held("1.2 1.6 1.5 2.5")
    assert first_followed([early, left, new], gap, TWO) is new
