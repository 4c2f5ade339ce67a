"""What a migration costs, as laws fitted on a few sizes, and where each limit of a machine is met. Pure: numbers in, numbers out.

A law is a line, `fixed + each · rows`. Time is a sum over rows, so its variance grows with them and a run weighs 1 / rows.
The range of a prediction is what the lines through each two of the sizes say: no distribution is assumed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import inf
from statistics import median

Point = tuple[float, float]
"""Rows, and what was measured with so many."""


@dataclass(frozen=True)
class Law:
    """`fixed` once, `each` for every row. A negative `fixed` says that small tables were cheaper by the row."""

    fixed: float
    each: float

    def at(self, rows: float) -> float:
        """What so many rows cost."""
        return self.fixed + self.each * rows


@dataclass(frozen=True)
class Prediction:
    """What a law says of a size that was not run yet, and between what the lines through two sizes say it lies."""

    law: Law
    value: float
    low: float
    high: float

    def error(self, seen: float) -> float:
        """How far what was seen lies from the prediction, as a share of what was seen."""
        return abs(self.value - seen) / seen if seen else float(self.value != 0)


def fit(points: Sequence[Point]) -> Law:
    """The line with the least squares, each divided by its rows. One size alone gives a line through nothing."""
    if len({rows for rows, _ in points}) < 2:
        return Law(0.0, median(seen / rows for rows, seen in points))
    weight = sum(1 / rows for rows, _ in points)
    rows_mean = sum(1.0 for _ in points) / weight
    seen_mean = sum(seen / rows for rows, seen in points) / weight
    spread = sum((rows - rows_mean) ** 2 / rows for rows, _ in points)
    each = sum((rows - rows_mean) * (seen - seen_mean) / rows for rows, seen in points) / spread
    return Law(seen_mean - each * rows_mean, each)


def predict(points: Sequence[Point], rows: float) -> Prediction:
    """Say what so many rows will cost. Runs of one size count by their median."""
    sizes = medians(points)
    law = fit(sizes)
    told = [fit(pair).at(rows) for pair in combinations(sizes, 2)] or [law.at(rows)]
    return Prediction(law, law.at(rows), min(*told, law.at(rows)), max(*told, law.at(rows)))


def steady(points: Sequence[Point]) -> Prediction:
    """Say what does not depend on rows: the median of all runs, between the least and the most of them."""
    values = [value for _, value in points]
    return Prediction(Law(median(values), 0.0), median(values), min(values), max(values))


def medians(points: Sequence[Point]) -> list[Point]:
    """One point a size, in order."""
    seen: dict[float, list[float]] = defaultdict(list)
    for rows, value in points:
        seen[rows].append(value)
    return [(rows, median(seen[rows])) for rows in sorted(seen)]


def bend(points: Sequence[Point]) -> float:
    """What a further row costs between the two largest sizes, over what it costs between the two smallest; 1 is a line."""
    sizes = medians(points)
    if len(sizes) < 3:
        return 1.0
    first, last = fit(sizes[:2]).each, fit(sizes[-2:]).each
    return last / first if first else 1.0 if not last else inf


@dataclass(frozen=True)
class Machine:
    """What a server gives: cores, and megabytes a second to its disk and over its network."""

    cores: float
    disk_mb: float
    link_mb: float
    claims: float
    """Chunks a second that the queue hands out, at most."""


@dataclass(frozen=True)
class Copy:
    """What copying asks for, as measured: a lane's own pace, and bytes a row."""

    lane_rows: float
    """Rows a second of one lane with a core of its own."""
    wal: float
    target: float
    source: float
    """Bytes of heap a row of the source: locking a row writes its page once more."""
    chunk_rows: float
    chunk_seconds: float = 0.8
    """A chunk gives up, and is halved, after so long: users wait for its locks."""

    @property
    def written(self) -> float:
        """Bytes that a row puts on the disk: its log, its copy, and the page it was read from."""
        return self.wal + self.target + self.source

    def limits(self, machine: Machine, lanes: float) -> dict[str, float]:
        """Rows a second that each limit allows."""
        return {
            "lanes": lanes * self.lane_rows,
            "cores": machine.cores * self.lane_rows,
            "disk": machine.disk_mb * 1e6 / self.written,
            "replica's link": machine.link_mb * 1e6 / self.wal,
            "claims": machine.claims * self.chunk_rows,
        }

    def rate(self, machine: Machine, lanes: float) -> float:
        """Rows a second of so many lanes."""
        return min(self.limits(machine, lanes).values())

    def met_at(self, machine: Machine) -> dict[str, float]:
        """With how many lanes each limit is met, the first one first."""
        allowed = {name: rate for name, rate in self.limits(machine, 1).items() if name != "lanes"}
        met = {name: rate / self.lane_rows for name, rate in allowed.items()}
        slowest = min(met.values())
        # Lanes beyond the first limit share what there is, so each of their chunks takes longer.
        met["a chunk's time"] = slowest * self.chunk_seconds * self.lane_rows / self.chunk_rows
        return dict(sorted(met.items(), key=lambda one: one[1]))

    def fitting_chunk(self, machine: Machine, lanes: float) -> float:
        """Rows of the largest chunk that is done in time when so many lanes share the machine."""
        return min(self.chunk_rows, self.chunk_seconds * self.rate(machine, lanes) / lanes)


def laws(runs: Sequence[Mapping[str, float]], rows: float, constant: Sequence[str] = ()) -> dict[str, Prediction]:
    """Fit every quantity of the runs, each of which has its `rows`, and predict it; some are the same for any table."""
    seen = {name: [(run["rows"], run[name]) for run in runs] for name in runs[0] if name != "rows"}
    return {name: steady(points) if name in constant else predict(points, rows) for name, points in seen.items()}
