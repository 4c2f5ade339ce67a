"""How often the 80 % range of a forecast holds, and how much narrower than others' it is: seeded sets, one table, one run.

Every set with every number of points, 7, 30 and 90 days ahead. All are told of purges alike; one row more shows what becomes
of the others where they are not. The engine was built on the first seeds (`TRAIN`), and those held out are for the end:
`SLUICE_BENCH_HELD_OUT=1 ./sluice bench forecast`.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from sluice.insight.forecast.forecast import forecast
from sluice.insight.forecast.scoring import clopper_pearson
from sluice.insight.forecast.series import Series, add_back, series_of, taken_off
from sluice.local.tables import table

from benchmarks._forecast_peers import Values, auto_ets, least_squares, robust_lines
from benchmarks._forecast_sets import HELD_OUT, HORIZONS, TRAIN, Made, make_all
from benchmarks._scratch import setting

OURS, ETS, OLS, LINES = "ours", "AutoETS", "least squares", "robust lines"
UNTOLD = "purges, untold"
MISSED = 10.0
"""What a unit outside an 80 % range costs, in units of its width: 2 / 0.2 (Gneiting and Raftery, 2007, 6.2)."""
AT = np.array(HORIZONS)
SCORES = ("interval", "pinball", "off")


@dataclass(frozen=True)
class Told:
    """What one method said of one history, and what came: at each horizon."""

    lines: Values
    truth: Values
    unit: Values
    """What grows until then: errors are shares of it."""
    claimed: bool

    @property
    def held(self) -> Values:
        return np.asarray((self.lines[0] <= self.truth) & (self.truth <= self.lines[2]), dtype=np.float64)

    @property
    def interval(self) -> Values:
        low, _, high = self.lines
        outside = np.maximum(low - self.truth, 0) + np.maximum(self.truth - high, 0)
        return np.asarray((high - low + MISSED * outside) / self.unit)

    @property
    def pinball(self) -> Values:
        off, shares = self.truth - self.lines, np.array([[0.1], [0.5], [0.9]])
        return np.asarray(np.maximum(shares * off, (shares - 1) * off).mean(axis=0) / self.unit)

    @property
    def off(self) -> Values:
        return np.asarray(np.abs(self.truth - self.lines[1]) / self.unit)


Cell: TypeAlias = dict[str, list[Told]]
Cells: TypeAlias = Mapping[tuple[str, int], Cell]


def main() -> dict[str, Any]:
    """Foretell each history by each method, and hold all of them against what came."""
    count, held_out = setting("SEEDS", 200), bool(setting("HELD_OUT", 0))
    made = list(make_all((HELD_OUT if held_out else TRAIN)[:count]))
    cells, seconds = _foretold(made)
    print(f"{count} seeds a cell, {'held out' if held_out else 'those it was built on'}\n\n{_table(cells)}\n")
    overall = {name: _overall(cells, name) for name in seconds}
    print(_summary(overall))
    against = ETS if ETS in seconds else OLS
    results = [
        {"case": name, "seconds": took, "ratio": overall[name]["interval"] / overall[against]["interval"]}
        for name, took in seconds.items()
    ]
    told: dict[str, Any] = {"seeds": count, "held_out": held_out, "overall": overall, "cells": [*_as_json(cells)]}
    ratio = results[0]["ratio"]
    return {"bench": "forecast", "ratio": ratio, "against": f"{against}'s interval score", "results": results} | told


def _foretold(made: Sequence[Made]) -> tuple[Cells, dict[str, float]]:
    """Give what each method said, and how many seconds a thousand histories took it."""
    cells: defaultdict[tuple[str, int], Cell] = defaultdict(lambda: defaultdict(list))
    seconds: dict[str, float] = {}
    purged = [one for one in made if one.purges]
    for name in (OURS, ETS, OLS, LINES):
        for histories, aware, row in ((made, True, ""), (purged, False, UNTOLD)):
            began = time.process_time()
            said = _say(name, histories, aware=aware or name == OURS)
            took = time.process_time() - began
            if said is None:
                break
            if aware:
                seconds[name] = 1000 * (said.seconds or took) / len(made)
                print(f"{name}: {seconds[name]:.1f} s for a thousand", flush=True)
            for one, lines, claimed in zip(histories, said.lines, said.claimed, strict=True):
                told = Told(lines, one.truth[AT - 1], AT * one.pace, claimed)
                cells[row or one.set, len(one.points)][name].append(told)
    return cells, seconds


@dataclass(frozen=True)
class Said:
    """Lines for each history, and whether a method stands by them."""

    lines: Sequence[Values]
    claimed: Sequence[bool]
    seconds: float = 0.0


def _say(name: str, histories: Sequence[Made], *, aware: bool) -> Said | None:
    """Ask one method; `aware` of what was and will be dropped, or not. None where it is not installed."""
    if name == OURS:
        found = [forecast(_series(one, aware=True), max(HORIZONS), one.planned) for one in histories]
        lines = [np.stack([one.p10, one.p50, one.p90])[:, AT - 1] for one in found]
        return Said(lines, [one.confident for one in found])
    known = [_series(one, aware=aware) for one in histories]
    gone = [_gone(one, series) if aware else 0.0 for one, series in zip(histories, known, strict=True)]
    if name == ETS:
        told = auto_ets([_every_day(series) for series in known], HORIZONS)
        if told is None:
            return None
        lines, seconds = told
    else:
        method = least_squares if name == OLS else robust_lines
        lines, seconds = [method(*_xy(series), AT.astype(np.float64)) for series in known], 0.0
    return Said([one - off for one, off in zip(lines, gone, strict=True)], [True] * len(known), seconds)


def _series(one: Made, *, aware: bool) -> Series:
    return add_back(series_of(one.points), one.purges if aware else ())


def _gone(one: Made, series: Series) -> Values:
    planned = taken_off(one.planned, one.last, max(HORIZONS))
    return np.asarray(series.dropped + planned[AT - 1])


def _xy(series: Series) -> tuple[Values, Values]:
    return (series.days - series.days[-1]).astype(np.float64), series.values


def _every_day(series: Series) -> Values:
    """Fill the missing days on a straight line: AutoETS wants every day."""
    days = np.arange(series.days[0], series.days[-1] + 1)
    return np.interp(days, series.days, series.values)


def _ratios(cell: Cell, name: str, score: str) -> Values:
    """Give a method's mean score over ours, at each horizon."""
    mine, theirs = (np.mean([getattr(told, score) for told in cell[one]], axis=0) for one in (OURS, name))
    return np.asarray(theirs / mine)


def _share(told: Sequence[Told]) -> Values:
    """Give how often the range held at each horizon, in percent, of those that it is claimed for."""
    claimed = [one.held for one in told if one.claimed]
    return 100 * np.mean(claimed, axis=0) if claimed else np.full(len(AT), np.nan)


def _overall(cells: Cells, name: str) -> dict[str, float]:
    """Give the geometric mean of all ratios, and how far from 80 % the ranges held on average; `UNTOLD` is left out."""
    told = [cell for (row, _), cell in cells.items() if row != UNTOLD]
    means = {score: float(np.exp(np.mean([np.log(_ratios(cell, name, score)) for cell in told]))) for score in SCORES}
    shares = np.array([_share(cell[name]) for cell in told])
    held = {"held": float(shares.mean()), "from_80": float(np.abs(shares - 80).mean())}
    return means | held | {"lowest": float(shares.mean(axis=1).min()), "highest": float(shares.mean(axis=1).max())}


def _table(cells: Cells) -> str:
    names = [name for name in (OURS, ETS, OLS, LINES) if all(name in cell for cell in cells.values())]
    peers = names[1:]
    head = ["set", "points", "claimed", *(f"held at {days} d" for days in HORIZONS), "all"]
    head += [f"{name}: held" for name in peers] + [f"{name}: score, off" for name in peers]
    return table(tuple(head), [tuple(_row(key, cell, peers)) for key, cell in cells.items()])


def _row(key: tuple[str, int], cell: Cell, peers: Sequence[str]) -> Iterator[str]:
    ours = cell[OURS]
    claimed = [one.held for one in ours if one.claimed]
    yield from (key[0], str(key[1]), f"{len(claimed) / len(ours):.0%}")
    for number in range(len(AT)):
        held = sum(int(one[number]) for one in claimed)
        low, high = clopper_pearson(held, len(claimed))
        yield f"{held / max(1, len(claimed)):.0%} ({low:.0%} to {high:.0%})"
    yield f"{_share(ours).mean():.0f}%"
    for name in peers:
        yield " ".join(f"{share:.0f}" for share in _share(cell[name]))
    for name in peers:
        score, off = (np.exp(np.mean(np.log(_ratios(cell, name, what)))) for what in ("interval", "off"))
        yield f"{score:.2f}, {off:.2f}"


def _summary(overall: Mapping[str, Mapping[str, float]]) -> str:
    head = ("method", "interval score", "pinball loss", "error of the middle", "held", "from 80 %", "by set and points")
    rows = [
        (
            name,
            *(f"{one[score]:.2f}" for score in SCORES),
            f"{one['held']:.0f}%",
            f"{one['from_80']:.1f}",
            f"{one['lowest']:.0f} to {one['highest']:.0f}%",
        )
        for name, one in overall.items()
    ]
    return table(head, rows)


def _as_json(cells: Cells) -> Iterator[dict[str, Any]]:
    for (row, points), cell in cells.items():
        claimed = float(np.mean([one.claimed for one in cell[OURS]]))
        methods = {
            name: {"held": _share(told).tolist()} | {score: _ratios(cell, name, score).tolist() for score in SCORES}
            for name, told in cell.items()
        }
        yield {"set": row, "points": points, "claimed": claimed, "methods": methods}
