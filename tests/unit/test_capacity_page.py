"""The report as people see it: text, charts and JSON say the same, names are names, and nothing that is missing breaks it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date, timedelta
from html.parser import HTMLParser

import pytest
from sluice.insight.capacity.frame import ticks
from sluice.insight.capacity.markdown import markdown
from sluice.insight.capacity.measure import Ceiling, Curve, Reached
from sluice.insight.capacity.page import page
from sluice.insight.capacity.report import CHARTED, SCHEMA, Report, to_json
from sluice.insight.capacity.standing import SmallTrouble
from sluice.insight.capacity.telling import NO_PROPOSALS, NO_TROUBLES, arrival_told, headline, summary, urgent
from sluice.local.demo.insight.reading import mismatches, read_page

from tests.reported import FULL, HOSTILE, LAST, UNTIL, curve, empty, outlook, report, store, table

VOID = {"meta", "br", "path", "rect"}


class Tags(HTMLParser):
    """What a browser would have to mend, and every attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def tags(html: str) -> list[tuple[str, dict[str, str | None]]]:
    """Give every tag of a page; fails where one is not closed in its order."""
    reader = Tags()
    reader.feed(html)
    assert reader.open == []
    return reader.seen


def as_json(made: Report) -> dict:
    """The JSON, read back."""
    return json.loads(to_json(made))


def test_what_a_sum_is_made_of_is_on_the_page_and_in_the_text_and_in_the_json() -> None:
    made, how = report(), "730 × rds.db.r6g.large, per hour"
    assert how in page(made) and how in markdown(made)
    assert as_json(made)["cost"]["components"][0]["how"] == how


def test_what_a_reader_should_know_before_a_sum_is_quoted_stands_right_below_it() -> None:
    whole = report()
    assert whole.cost
    made = replace(whole, cost=replace(whole.cost, notes=("Not whole: no servers.",)))
    for text in (page(made), markdown(made)):
        assert text.index("a month now") < text.index("Not whole: no servers.") < text.index("shop: server")


def test_what_is_wrong_and_wakes_nobody_is_told_by_the_report() -> None:
    bloat = SmallTrouble("shop", date(2026, 2, 20), "app.orders is 40 % bloat <b>")
    made = report(troubles=(bloat, SmallTrouble("", date(2026, 2, 25), "the cache is cold")))
    assert "- shop, since 20 February: app.orders is 40 % bloat &lt;b>" in markdown(made)
    assert "the estate, since 25 February: the cache is cold" in page(made) and "bloat <b>" not in page(made)
    assert as_json(made)["troubles"][0] == {"store": "shop", "since": "2026-02-20", "text": bloat.text}
    assert "Nothing." in markdown(report(troubles=(), proposals=None))


STEEP = [1e9, 0.4e9, 0.05e9, 5e9]


@pytest.mark.parametrize("a_day", STEEP)
def test_text_and_charts_say_what_the_json_says(a_day: float) -> None:
    made = report(store(measures=(outlook(a_day=a_day),)), store("books", measures=(outlook("books", a_day / 3),)))
    html = page(made)
    assert mismatches(html, as_json(made)) == []
    title, figures = read_page(html)
    assert title == headline(made)
    assert len(figures) == 2


TAMPERED = {
    "the text says": (r"450.GB now", "460 GB now"),
    "in 90 days the text says": (r"most likely 540.GB", "most likely 570 GB"),
    "the text says 11 April (earliest)": (r"between 10 April and", "between 11 April and"),
    "measured: ": (r'(class="was" d="M0.00 )[\d.]+', r"\g<1>10.00"),
    "P90: ": (r'(class="band" d="M[\d. ]+L[\d.]+ )[\d.]+', r"\g<1>20.00"),
    "no point on the limit": (
        r'class="likely" style="top:[\d.]+%;left:[\d.]+%"',
        'class="likely" style="top:5%;left:5%"',
    ),
    "has no chart": (r'data-metric="disk_used_bytes"', 'data-metric="another"'),
}


@pytest.mark.parametrize("said", TAMPERED)
def test_a_page_that_says_something_else_is_found_out(said: str) -> None:
    made = report()
    html = page(made)
    changed = re.sub(*TAMPERED[said], html)
    assert changed != html
    assert any(said in one for one in mismatches(changed, as_json(made)))


def test_the_page_is_whole_and_asks_nobody_for_anything() -> None:
    found = tags(page(report()))
    assert not [tag for tag, _ in found if tag in ("script", "link", "img", "iframe", "object", "form")]
    addresses = [
        value for _, told in found for name, value in told.items() if name in ("href", "src", "srcset", "action")
    ]
    assert addresses and all(value and value.startswith("#") for value in addresses)
    style = re.findall(r"<style>(.*?)</style>", page(report()), re.DOTALL)
    assert "url(" not in style[0] and "@import" not in style[0] and "prefers-color-scheme: dark" in style[0]


def test_each_chart_has_a_title_and_its_numbers_as_a_table() -> None:
    html = page(report())
    for figure in re.findall(r"<figure.*?</figure>", html, re.DOTALL):
        assert re.search(r'role="img"[^>]*><title>[^<]+', figure)
        assert "<details>" in figure and figure.count("<tr>") > 20
    assert html.count("<figure") == 1


def test_a_name_is_a_name_whatever_is_in_it() -> None:
    made = report(
        store(HOSTILE, measures=(outlook(HOSTILE, subject=HOSTILE, title=HOSTILE, notes=(HOSTILE,)),), tables=(table(HOSTILE),)),
        estate=HOSTILE,
    )  # fmt: skip
    html = page(made)
    assert "<script" not in html
    assert not [tag for tag, _ in tags(html) if tag == "script"]
    assert mismatches(html, as_json(made)) == []
    text = markdown(made)
    assert "<script" not in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows if "GB" in row} == {5}


def test_what_is_missing_is_said_and_breaks_nothing() -> None:
    html, text = page(empty()), markdown(empty())
    tags(html)
    assert headline(empty()) == "Nothing has been measured yet."
    assert html.count("not measured") == 1, "its size"
    for said in ("No price table.", NO_TROUBLES, NO_PROPOSALS):
        assert said in html and said in text
    assert "Nothing of it has been measured." in html and "Nothing of it has been measured." in text
    half = report(store(lag=None, cache_hit=None, headroom=None, backup=None))
    assert page(half).count("not measured") == markdown(half).count("not measured") == 4
    assert "This is the first report." in html and "This is the first report." in text
    assert mismatches(html, as_json(empty())) == []
    tags(page(replace(empty(), stores=())))


@pytest.mark.parametrize("count", [1, 2, 7])
def test_a_few_days_are_drawn_without_a_forecast(count: int) -> None:
    made = report(store(measures=(outlook(count=count, seen=False),)))
    html = page(made)
    tags(html)
    assert "3 days were measured." in html
    assert mismatches(html, as_json(made)) == []
    assert headline(made) == "Nothing says yet when anything will be full."


def test_a_store_that_is_empty_is_drawn_too() -> None:
    nothing = outlook(values=(0.0,) * 200, curve=curve(0.0, 0.0), limits=(), arrivals=(), drops=())
    made = report(store(measures=(nothing,)))
    assert mismatches(page(made), as_json(made)) == []


def test_of_a_disk_whose_size_nobody_knows_the_page_says_how_to_tell_it() -> None:
    made = report(store(disk=None, measures=(outlook(limits=(), arrivals=()),)))
    assert "watch: {disk: {size: 400 GB}}" in page(made)
    assert "watch: {disk: {size: 400 GB}}" not in page(report())


def test_of_5000_tables_the_page_shows_some_and_the_json_has_all() -> None:
    made = report(store(tables=tuple(table(f"app.t{n:04d}", spark=n < CHARTED) for n in range(5000))))
    html = page(made)
    assert html.count('class="name">app.t') == CHARTED
    assert f"These are {CHARTED} of 5,000 tables." in html and f"These are {CHARTED} of 5,000 tables." in markdown(made)
    assert len(as_json(made)["stores"][0]["tables"]) == 5000
    assert len(html) < 500_000


def test_the_json_says_its_form_and_has_every_number() -> None:
    told = as_json(report())
    assert told["schema"] == SCHEMA
    measure = told["stores"][0]["measures"][0]
    assert len(measure["days"]) == len(measure["values"]) == 200
    assert measure["arrivals"][0]["likely"] == "2026-04-30"
    assert told["cost"]["now"] == [750, 1070]


def on(days: int) -> date:
    """A day after the end of the window."""
    return UNTIL + timedelta(days=days)


SENTENCES = {
    "shop is 85 % full between 12 March and 1 May, most likely on 1 April.": Reached(
        FULL, on(10), on(30), on(60), 10, "P1"
    ),
    "shop is 85 % full from 12 March on, most likely on 1 April, and perhaps not within a year.": Reached(
        FULL, on(10), on(30), None, 10, "P1"
    ),
    "shop is 85 % full from 12 March at the earliest, and more likely not within a year.": Reached(
        FULL, on(10), None, None, 10, "P1"
    ),
    "shop is 85 % full: not within a year.": Reached(FULL, None, None, None, None, None),
}


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_limit_is_told_as_far_as_it_is_known(sentence: str) -> None:
    assert arrival_told(outlook(), SENTENCES[sentence], UNTIL) == sentence


def test_a_limit_that_is_passed_is_told_as_that() -> None:
    full = outlook(values=(520e9,) * 200)
    assert arrival_told(full, Reached(FULL, LAST, LAST, LAST, 0, "P1"), UNTIL) == "shop is 85 % full already."


def test_the_headline_is_of_the_limit_that_comes_first() -> None:
    later, sooner = store("books", measures=(outlook("books", 0.2e9),)), store("shop", measures=(outlook("shop", 1e9),))
    assert headline(report(later, sooner)).startswith("shop is 85 % full between 10 April and ")
    far = outlook(arrivals=(Reached(FULL, None, None, None, None, None),))
    assert headline(report(store(measures=(far,)))) == "Nothing comes to its limit within a year."


def test_the_period_ends_with_the_last_day_that_was_looked_at() -> None:
    made = report()
    assert "week of 23 February to 1 March 2026" in page(made) and "week of 23 February to 1 March 2026" in markdown(
        made
    )
    assert "<title>Capacity of sample, 23 February to 1 March 2026</title>" in page(made)
    turn = report(since=date(2025, 12, 29), until=date(2026, 1, 5))
    assert "week of 29 December 2025 to 4 January 2026" in page(turn)


def test_of_each_store_the_limit_that_comes_first_stands_beside_its_name() -> None:
    sessions = outlook(
        metric="connections_used_percent", unit="percent", title="Sessions", limits=(HALF,), drops=(), steps=()
    )
    soon = replace(sessions, arrivals=(Reached(HALF, on(3), on(5), on(9), 3, "P1"),))
    row = row_of(page(report(store(measures=(outlook(), soon)))), "shop")
    assert row[1] == "P1 has half of its sessions in use between 5 March and 11 March, most likely on 7 March."
    for found, told in {
        (): "–",
        (outlook(arrivals=()),): "not foreseen yet",
        (outlook(limits=(), arrivals=()),): "no limit is known",
    }.items():
        assert row_of(page(report(store(measures=found))), "shop")[1] == told
    never = Reached(FULL, None, None, None, None, None)
    assert row_of(page(report(store(measures=(outlook(arrivals=(never,)),)))), "shop")[1] == "none within a year"


HALF = Ceiling("sessions", 50, "has half of its sessions in use")


def row_of(html: str, name: str) -> list[str]:
    """The cells of a store's row in the first table."""
    (row,) = re.findall(rf"<tr>(?:(?!</tr>).)*>{name}</a>.*?</tr>", html, re.DOTALL)
    cells = re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)
    return [" ".join(re.sub("<[^>]*>", " ", one).replace("\N{NO-BREAK SPACE}", " ").split()) for one in cells]


def test_of_what_rises_and_falls_with_the_week_its_busiest_day_is_told() -> None:
    """The last day may be a Sunday, and the ninetieth is another day of the week."""
    weekly = tuple(20.0 if n % 7 < 2 else 60.0 for n in range(200))[::-1]
    seen = curve(60.0, 0.1)
    lines = (
        tuple(20.0 if n % 7 == 5 else value for n, value in enumerate(line)) for line in (seen.p10, seen.p50, seen.p90)
    )
    sessions = outlook(values=weekly, unit="percent", curve=Curve(seen.days, *lines), limits=(), arrivals=(), drops=())
    assert sessions.now == 60.0
    assert sessions.in_90_days and sessions.in_90_days[1] == pytest.approx(60 + 0.1 * 89)
    made = report(store(measures=(sessions,)))
    assert "60 % now, on the busiest day of a week; in 90 days most likely 68.9 %" in markdown(made)
    assert mismatches(page(made), as_json(made)) == []


def test_a_range_of_one_value_is_told_once() -> None:
    still = replace(table("app.still"), in_90_days=(5e9, 5e9, 5e9))
    html = page(report(store(tables=(still,)))).replace("\N{NO-BREAK SPACE}", " ")
    assert "5 GB – 5 GB" not in html and '<td class="n soft">5 GB</td>' in html


def test_every_part_of_the_page_is_reached_from_its_top() -> None:
    html = page(report())
    top = html[: html.index("<section")]
    assert set(re.findall('href="#([^"]+)"', top)) == {"stores", "cost", "changed", "score", "troubles", "scaling"}
    assert all(f'id="{one}"' in html for one in re.findall('href="#([^"]+)"', html))


def test_people_are_told_of_what_two_reports_say_the_worst_first() -> None:
    worst = replace(outlook("books").arrivals[0], severity="P1")
    alone = replace(outlook().arrivals[0], severity=None)
    books = store("books", measures=(outlook("books", arrivals=(worst,)),))
    made = report(store(), books, store("new", measures=(outlook("new", arrivals=(alone,)),)))
    assert [(one.severity, one.subject) for one in urgent(made)] == [("P1", "books"), ("P2", "shop")]
    assert urgent(made)[0].text.startswith("P1: books is 85 % full between ")


def test_the_summary_has_the_headline_and_a_line_a_store() -> None:
    told = summary(report())
    assert headline(report()) in told and "shop: 450 GB now" in told and "held 78 % of 120 forecasts" in told


@pytest.mark.parametrize("high", [1e-3, 0.7, 1, 3, 9.99, 10, 77, 105, 640e9, 1e15])
def test_a_scale_has_three_to_five_round_steps(high: float) -> None:
    found = ticks(high)
    assert found[0] == 0 and found[-1] <= high and 3 <= len(found) <= 6
