"""How drills go over the weeks: what counts, when a promise will be passed, and what the picture shows."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, datetime, timedelta
from xml.etree import ElementTree

import pytest
from sluice.safety.drill.certificate import Certificate
from sluice.safety.drill.picturing import picture
from sluice.safety.drill.trend import FEWEST, Trend, theil_sen, trend_of
from sluice.safety.drill.trend_told import told, when_breached
from sluice.safety.words import lasts

from tests.drilled import FIRST, FULL, GOALS, WHOLE, certificate

BROKEN = replace(WHOLE, differences=("public.notes: 1 row fewer",))
SVG = "{http://www.w3.org/2000/svg}"


def trend(drills: list[Certificate], now: datetime | None = None, **stored: int) -> Trend:
    """Put drills together, on the day of the last one."""
    last = max(datetime.fromisoformat(one.asked_at) for one in drills)
    found = trend_of(drills, stored or {FULL: 10_000_000}, GOALS, now or last)
    assert found
    return found


def rising(days: int, first: float = 100.0, by: float = 2.0) -> list[Certificate]:
    """A drill a day, each slower than the one before."""
    return [certificate(day, first + by * day) for day in range(days)]


def test_under_eight_days_no_date_is_said() -> None:
    found = trend(rising(FEWEST - 1))
    assert (found.slope, found.breach) == (None, None)
    assert when_breached(found) == "no date: 7 days with a drill that came back whole, and 8 are needed"
    assert trend(rising(FEWEST)).breach is not None


def test_a_steady_rise_passes_the_promise_on_its_day() -> None:
    found = trend(rising(20))
    assert found.slope
    assert found.slope.at == pytest.approx(2.0)
    assert found.breach
    assert found.breach.likely == (FIRST + timedelta(days=101)).date(), (
        "300 s are reached on day 100, passed on the next"
    )
    assert "+2.00 s a day" in when_breached(found)


def test_a_drill_that_failed_is_none_and_a_late_one_counts() -> None:
    fast_and_broken = certificate(3.1, 1.0, compared=BROKEN)
    late = certificate(19, 900.0)
    found = trend([*rising(19), fast_and_broken, late])
    assert found.slowest[date(2026, 1, 4)].available == pytest.approx(106)
    assert [one.failed for one in found.drills if one.failed] == [("public.notes: 1 row fewer",)]
    assert found.slowest[date(2026, 1, 20)].late
    assert found.slope == theil_sen([(day.toordinal(), one.available) for day, one in found.slowest.items()])
    assert "21 drills in 20 days, 1 failed, 1 came back too late; 0 days without one" in told(found)
    unmeasured = certificate(20, 120.0, lost=None, unmeasured="no beat of a heart says how much")
    assert trend([unmeasured]).drills[0].failed == (), "it came back whole, and was timed"
    only_broken = trend([certificate(day, 1.0, compared=BROKEN) for day in range(20)])
    assert when_breached(only_broken).startswith("no date: 0 days"), "twenty fast failures are no trend"


def test_missing_days_stay_missing_and_change_no_slope() -> None:
    drills = [one for number, one in enumerate(rising(30)) if number % 3 and number != 29]
    found = trend(drills, FIRST + timedelta(days=33))
    assert found.slope
    assert found.slope.at == pytest.approx(2.0)
    assert len(found.days) == 33, "from the second day until today"
    assert sum(1 for _, drills in found.days if not drills) == 33 - len(drills)


def test_full_recoveries_stand_apart_and_change_no_trend() -> None:
    daily = rising(20)
    old = certificate(3.2, 900.0, target=f"backup {FULL}")
    gone = certificate(5.2, 1.0, target=f"elsewhere {FULL}", compared=BROKEN)
    found, alone = trend([*daily, old, gone]), trend(daily)
    assert (found.drills, found.slope, found.breach) == (alone.drills, alone.slope, alone.breach)
    assert [one.target.split()[0] for one in found.recoveries] == ["backup", "elsewhere"]
    assert told(found).splitlines()[-2:] == [
        f"full recovery of 2026-01-04, backup {FULL}: came back whole within 15 min, too late",
        f"full recovery of 2026-01-06, elsewhere {FULL}: failed: public.notes: 1 row fewer",
    ]
    drawn = picture(found)
    assert (drawn.count("full recovery of"), picture(alone).count("full recovery")) == (2, 0)
    ElementTree.fromstring(drawn)


def test_one_slow_day_makes_no_trend() -> None:
    drills = [certificate(day, 100 + day % 3) for day in range(20)]
    drills[19] = certificate(19, 290)
    found = trend(drills)
    assert found.breach is None or found.breach.latest is None
    assert trend([certificate(day, 200 - day) for day in range(20)]).breach is None
    assert "is passed already" in when_breached(trend([certificate(day, 400 + day) for day in range(20)]))


def test_the_day_lies_between_the_two_that_are_said_as_often_as_is_said() -> None:
    draw, held = random.Random(7), 0
    for _ in range(300):
        found = trend([certificate(day, 100 + 2 * day + draw.gauss(0, 6)) for day in range(25)])
        assert found.breach
        real = (FIRST + timedelta(days=101)).date()
        held += found.breach.earliest <= real and (found.breach.latest is None or real <= found.breach.latest)
    assert 0.72 <= held / 300 <= 0.95, "80 % are promised"


def test_what_is_stored_grows_and_comes_back_at_a_pace() -> None:
    names = [f"b{day}" for day in range(12)]
    drills = [certificate(day, 100, backups=(name,)) for day, name in enumerate(names)]
    found = trend(drills, **{name: 10_000_000 + 500_000 * day for day, name in enumerate(names)})
    assert found.growth
    assert found.growth.at == pytest.approx(500_000)
    assert found.pace == pytest.approx(140_000), "the median of the last seven"
    gone = trend(drills, b11=1)
    assert gone.growth is None, "backups that are gone have no size"


def test_the_picture_shows_each_day_each_failure_and_the_goal() -> None:
    drills = [one for number, one in enumerate(rising(12, 200, 8)) if number != 5]
    found = trend([*drills, certificate(2.2, 1.0, compared=BROKEN)])
    drawn = ElementTree.fromstring(picture(found))
    said = [title.text or "" for title in drawn.iter(f"{SVG}title")]
    assert "2026-01-03: failed: public.notes: 1 row fewer" in said
    assert "2026-01-06: no drill" in said
    assert sum(": fetched " in one for one in said) == 11
    texts = [text.text or "" for text in drawn.iter(f"{SVG}text")]
    assert {"RTO 5 min", "RPO 30 s", "fetched", "available"} <= set(texts)
    assert str(found.breach and found.breach.likely) in texts


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.42, "0.4 s"), (38, "38 s"), (240, "4 min"), (4800, "1 h 20 min"), (3600, "1 h"), (273600, "3 d 4 h")],
)
def test_spans_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert lasts(seconds) == said
