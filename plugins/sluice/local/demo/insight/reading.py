"""Reads a report's page as somebody who has nothing but the page: its sentences, and its charts back into numbers.

Then it holds the two against each other, and against the JSON. It knows nothing of how the page is made.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from html.parser import HTMLParser
from typing import Any

UNITS = {"B": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "PB": 1e15, "%": 1.0, "/s": 1.0}
NUMBER = r"([\d.,]+) (kB|MB|GB|TB|PB|B|%|/s)"
DAY = r"(\d{1,2} [A-Z][a-z]+(?: \d{4})?)"
NOW, AHEAD = re.compile(NUMBER + " now"), re.compile(f"most likely {NUMBER}, with 80 % between {NUMBER} and {NUMBER}")
BETWEEN = re.compile(f"between {DAY} and {DAY}, most likely on {DAY}")
FROM = re.compile(f"from {DAY} on, most likely on {DAY}")
HIGH, WIDE = 300.0, 1000.0
ROUNDED = 0.006
"""By so much of itself a number with three digits may be another one."""
Points = Sequence[tuple[float, float]]


@dataclass
class Figure:
    """One chart of the page: what stands beside it, its scale, its lines in the drawing's units, its marks in percent."""

    store: str
    metric: str
    subject: str
    scale: Mapping[str, float] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)
    marks: list[tuple[str, float, float]] = field(default_factory=list)
    """Class, left and top."""
    text: str = ""

    def points(self, named: str) -> list[tuple[float, float]]:
        """Give a line as days (ordinals) and values."""
        found = re.findall(r"(-?[\d.]+) (-?[\d.]+)", self.paths.get(named, ""))
        return [(self._day(float(x) / WIDE), self._value(float(y) / HIGH)) for x, y in found]

    def marked(self, named: str) -> list[tuple[float, float]]:
        """Give the marks of a class as days and values."""
        return [(self._day(left / 100), self._value(top / 100)) for name, left, top in self.marks if name == named]

    def _day(self, share: float) -> float:
        return self.scale["first"] + share * (self.scale["last"] - self.scale["first"])

    def _value(self, share: float) -> float:
        return self.scale["high"] - share * (self.scale["high"] - self.scale["low"])


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.figures: list[Figure] = []
        self.headline = ""
        self._inside, self._said = False, ""

    def handle_starttag(self, tag: str, found: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in found}
        named = attributes.get("class", "")
        if tag == "figure":
            store, metric, subject = (attributes[f"data-{name}"] for name in ("store", "metric", "subject"))
            self.figures.append(Figure(store, metric, subject))
            self._inside = True
        elif tag == "svg" and self._inside:
            self.figures[-1].scale = {
                name[5:]: float(value) for name, value in attributes.items() if name[:5] == "data-"
            }
        elif tag == "path" and self._inside:
            self.figures[-1].paths[named] = attributes["d"]
        elif tag == "i" and self._inside:
            placed = dict(re.findall(r"(left|top):([\d.]+)%", attributes.get("style", "")))
            self.figures[-1].marks.append((named, float(placed.get("left", 0)), float(placed.get("top", 0))))
        self._said = "caption" if tag == "figcaption" else "headline" if tag == "h1" else self._said

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "figure"
        self._said = "" if tag in ("figcaption", "h1") else self._said

    def handle_data(self, data: str) -> None:
        data = data.replace("\N{NO-BREAK SPACE}", " ")
        if self._said == "caption":
            self.figures[-1].text += data
        elif self._said == "headline":
            self.headline += data


def read_page(html: str) -> tuple[str, list[Figure]]:
    """Give a page's headline and its charts."""
    reader = _Reader()
    reader.feed(html)
    return " ".join(reader.headline.split()), reader.figures


def mismatches(html: str, told: Mapping[str, Any]) -> list[str]:
    """Name everything in which text, charts and JSON differ; empty where they say the same."""
    _, figures = read_page(html)
    drawn = {(one.store, one.metric, one.subject): one for one in figures}
    found, until = list[str](), date.fromisoformat(told["until"])
    for measure in (one for store in told["stores"] for one in store["measures"]):
        name = (measure["store"], measure["metric"], measure["subject"])
        if figure := drawn.pop(name, None):
            found += [f"{' '.join(name)}: {what}" for what in _differs(figure, measure, until)]
        else:
            found.append(f"{' '.join(name)} has no chart")
    return [*found, *(f"{' '.join(name)} is in no JSON" for name in drawn)]


def _differs(figure: Figure, measure: Mapping[str, Any], until: date) -> Iterator[str]:
    was = figure.points("was")
    yield from _off("measured", was, measure["days"], measure["values"], figure)
    if now := NOW.search(figure.text):
        drawn = max(value for _, value in was[-_days_told(measure) :])
        if not _same(_number(now[1], now[2]), drawn, figure):
            yield f"the text says {now[0]}, the chart {drawn:.4g}"
    else:
        yield "the text does not say what there is now"
    if curve := measure["curve"]:
        yield from _curve_differs(figure, measure, curve)
        for arrival in measure["arrivals"]:
            yield from _arrival_differs(figure, arrival, until)


def _curve_differs(figure: Figure, measure: Mapping[str, Any], curve: Mapping[str, Any]) -> Iterator[str]:
    will, band = figure.points("will")[1:], figure.points("band")[1:]
    count = len(will)
    days = curve["days"][:count]
    yield from _off("most likely", will, days, curve["p50"][:count], figure)
    yield from _off("P90", band[:count], days, curve["p90"][:count], figure)
    yield from _off("P10", band[count:][::-1], days, curve["p10"][:count], figure)
    if len(curve["days"]) < 90:
        return
    if ahead := AHEAD.search(figure.text):
        texts = [_number(*ahead.groups()[at : at + 2]) for at in (0, 2, 4)]
        at = max(range(90 - _days_told(measure), 90), key=lambda day: will[day][1])
        lines = [will[at][1], band[count:][::-1][at][1], band[at][1]]
        if not all(_same(text, line, figure) for text, line in zip(texts, lines, strict=True)):
            yield f"in 90 days the text says {texts}, the chart {lines}"
    else:
        yield "the text does not say what there is in 90 days"


def _days_told(measure: Mapping[str, Any]) -> int:
    """Of how many days the text tells the highest: of a week, but of what is held."""
    return 1 if measure["unit"] == "bytes" else 7


def _arrival_differs(figure: Figure, arrival: Mapping[str, Any], until: date) -> Iterator[str]:
    """Hold a sentence's days against where the drawn curves pass the limit, as far as they are drawn."""
    limit, last = arrival["limit"], figure.scale["last"]
    (sentence,) = [line for line in figure.text.split(".") if limit["told"] in line] or [""]
    if not sentence:
        yield f"no sentence says when it {limit['told']}"
        return
    between, some = BETWEEN.search(sentence), FROM.search(sentence)
    said = {"earliest": between[1], "likely": between[3], "latest": between[2]} if between else {}
    said = {"earliest": some[1], "likely": some[2]} if some else said
    count = len(figure.points("will")) - 1
    band = figure.points("band")[1:]
    lines = {"earliest": band[:count], "likely": figure.points("will")[1:], "latest": band[count:][::-1]}
    for name, text in said.items():
        day = _day(text, until)
        if day.isoformat() != arrival[name]:
            yield f"the text says {text} ({name}), the JSON {arrival[name]}"
        if (
            day.toordinal() <= last
            and day < date.fromordinal(round(lines[name][-1][0]))
            and not _passes(lines[name], day.toordinal(), limit["value"])
        ):
            yield f"the text says {text} ({name}), and the chart's curve does not come to the limit then"
    marks = [day for day, value in figure.marked("likely") if abs(value - limit["value"]) < 0.01 * limit["value"]]
    if said and arrival["likely"] and date.fromisoformat(arrival["likely"]).toordinal() <= last:
        wanted = date.fromisoformat(arrival["likely"]).toordinal()
        if not any(abs(day - wanted) < 1 for day in marks):
            yield f"no point on the limit stands at {arrival['likely']}"


def _off(what: str, line: Points, days: Sequence[str], values: Sequence[float], figure: Figure) -> Iterator[str]:
    if len(line) < len(days) or not days:
        yield f"{what}: {len(days)} in the JSON, {len(line)} in the chart"
        return
    step = (figure.scale["high"] - figure.scale["low"]) / HIGH
    xs = [x for x, _ in line]
    for day, value in zip(days, values, strict=True):
        wanted = date.fromisoformat(day).toordinal()
        at = bisect_right(xs, wanted + 0.4) - 1
        if at < 0 or abs(xs[at] - wanted) > 0.4 or abs(line[at][1] - value) > 0.02 * step:
            yield f"{what}: {day} is {value:.6g} in the JSON and not in the chart"
            return


def _passes(line: Points, day: int, limit: float) -> bool:
    """Tell whether a drawn curve is below a limit until a day, and at it then; a drawing is not exact."""
    before = [y for x, y in line if x < day - 0.5]
    then = [y for x, y in line if abs(x - day) <= 0.5]
    return bool(then) and then[0] >= limit * 0.997 and all(y <= limit * 1.003 for y in before)


def _same(text: float, line: float, figure: Figure) -> bool:
    step = (figure.scale["high"] - figure.scale["low"]) / HIGH
    return abs(text - line) <= ROUNDED * abs(line) + 0.02 * step


def _number(digits: str, unit: str) -> float:
    return float(digits.replace(",", "")) * UNITS[unit]


def _day(text: str, until: date) -> date:
    has_year = text[-4:].isdigit()
    return datetime.strptime(text if has_year else f"{text} {until.year}", "%d %B %Y").date()
