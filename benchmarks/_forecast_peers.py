"""Other ways to foretell the same series: least squares as in a textbook, robust lines with their own errors, and AutoETS.

Each gives low, middle and high for the horizons, 80 % between. AutoETS is statsforecast's, in a Python of its own, which
`SLUICE_STATSFORECAST` names; this file is its program there, so at the top it imports nothing but numpy.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
ORIGINS = 12
Z = 1.2815515655446004


def least_squares(x: Values, y: Values, ahead: Values) -> Values:
    """A line, and its textbook prediction interval: Draper and Smith, Applied regression analysis, 1.4."""
    at, points = x - x.mean(), len(x)
    slope = at @ y / (at @ at)
    left = y - y.mean() - slope * at
    where = x[-1] + ahead - x.mean()
    deviation = np.sqrt(left @ left / (points - 2) * (1 + 1 / points + where**2 / (at @ at)))
    middle = y.mean() + slope * where
    return np.stack([middle - _student(points - 2) * deviation, middle, middle + _student(points - 2) * deviation])


def robust_lines(x: Values, y: Values, ahead: Values) -> Values:
    """The median of four robust lines; errors of a rolling origin × (1 + 3/(n - 5)), joined with the spread of the lines."""
    lines = _lines(x, y, ahead)
    middle = np.median(lines, axis=0)
    scaled = []
    for stop in sorted({round(one) for one in np.linspace(max(5, len(x) // 3), len(x) - 1, ORIGINS)}):
        later = x[stop:] - x[stop - 1]
        near = later <= 90
        errors = y[stop:][near] - np.median(_lines(x[:stop], y[:stop], later[near]), axis=0)
        scaled.append(np.abs(errors) / later[near] ** 0.75)
    half = np.quantile(np.concatenate(scaled), 0.8) * ahead**0.75 * (1 + 3 / (len(x) - 5))
    return np.stack(
        [np.minimum(middle - half, lines.min(axis=0)), middle, np.maximum(middle + half, lines.max(axis=0))]
    )


def auto_ets(histories: Sequence[Values], horizons: Sequence[int]) -> tuple[list[Values], float] | None:
    """Low, middle and high for each history, and the seconds that took; None where there is no statsforecast."""
    python = os.environ.get("SLUICE_STATSFORECAST")
    if not python:
        return None
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as name:
        given, made = Path(name) / "given.npz", Path(name) / "made.npz"
        np.savez(given, *histories)
        told = [python, __file__, str(given), str(made), *map(str, horizons)]
        subprocess.run(told, check=True, env={**os.environ, "PYTHONWARNINGS": "ignore"})
        with np.load(made) as found:
            return [found[f"arr_{number}"] for number in range(len(histories))], float(found["seconds"])


def _lines(x: Values, y: Values, ahead: Values) -> Values:
    """All points, the newer half, a line of the logarithm, and from 20 points on a damped change of pace."""
    half, logs = len(x) // 2 if len(x) >= 6 else 0, np.log(np.maximum(y, 1.0))
    everything, newer = _line(x, y), _line(x[half:], y[half:])
    rate = _line(x, logs)
    found = [everything[0] + everything[1] * ahead, newer[0] + newer[1] * ahead]
    found.append(np.exp(np.minimum(rate[0] + rate[1] * ahead, 60)))
    if len(x) >= 20:
        change = (newer[1] - _line(x[:half], y[:half])[1]) / (x[half:].mean() - x[:half].mean())
        damped = (0.99 / 0.01) * (ahead - (0.99 - 0.99 ** (ahead + 1)) / 0.01)
        found.append(newer[0] + newer[1] * ahead + change * damped)
    return np.stack(found)


def _line(x: Values, y: Values) -> tuple[float, float]:
    """Where the line is on the last day, by the last seven points, and its slope (Theil and Sen)."""
    first, second = np.triu_indices(len(x), 1)
    slope = float(np.median((y[second] - y[first]) / (x[second] - x[first])))
    return float(np.median((y - slope * (x - x[-1]))[-7:])), slope


def _student(free: int) -> float:
    """The 90th percentile of Student's t: Abramowitz and Stegun 26.7.5, right to 0.001 from 6 degrees on."""
    terms = (Z**3 + Z) / 4, (5 * Z**5 + 16 * Z**3 + 3 * Z) / 96, (3 * Z**7 + 19 * Z**5 + 17 * Z**3 - 15 * Z) / 384
    return Z + sum(term / float(free) ** (power + 1) for power, term in enumerate(terms))


def _serve(given: str, made: str, horizons: Sequence[int]) -> None:
    """Foretell each history with AutoETS: run by the Python that has it."""
    from statsforecast.models import AutoETS  # type: ignore[import-not-found, unused-ignore]

    with np.load(given) as held:
        histories = [held[f"arr_{number}"] for number in range(len(held.files))]
    AutoETS(season_length=7).forecast(y=histories[0], h=7, level=[80])  # compiled before the clock starts
    began, found = time.process_time(), []
    for history in histories:
        season = 7 if len(history) >= 14 else 1  # of less than two weeks it makes a week that explains everything
        told: Any = AutoETS(season_length=season).forecast(y=history, h=max(horizons), level=[80])
        days = np.array(horizons) - 1
        found.append(np.stack([told["lo-80"][days], told["mean"][days], told["hi-80"][days]]))
    np.savez(made, *found, seconds=time.process_time() - began)


if __name__ == "__main__":
    _serve(sys.argv[1], sys.argv[2], [int(one) for one in sys.argv[3:]])
