"""Run one suite of expectations/ with Great Expectations, over facts or over a window of a live table.

A suite says in `meta.sluice` what it is over: `{"over": "facts", "compared_at_least": 1}`, or `{"over":
"window", "days": 31, "rows_at_most": 200000, "rows_at_least": 1000, "ahead_at_most_days": 1}`; where SQL
cannot be asked, over sampled rows or a table among the facts (`rows.py`). Great Expectations costs seconds
and a quarter of a gigabyte to import: when a suite is run, never when a DAG is read.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from sluice.errors import Terminal
from sluice.proof.gates.checks import checks_of, name_of, severity_of
from sluice.proof.gates.rows import Asked, RowsSubject, Subject, frame_of, rows_of, table_of
from sluice.proof.gates.verdict import SAMPLE_ROWS, Check, Row, broken_check, fact_check, floor_check
from sluice.proof.gates.window import Bounds, Window, WindowSubject, engine_sessions, measure
from sluice.stores.postgres import Refused

Fact = float | int | str | bool | None


class NoSuchSuite(Terminal):
    """A gate names a suite that is not there, or that cannot be read."""


@dataclass(frozen=True)
class Suite:
    """One file of expectations/, as text and as read."""

    name: str
    body: Mapping[str, Any]
    sha256: str

    @property
    def meta(self) -> Mapping[str, Any]:
        """What the suite tells Sluice."""
        return self.body["meta"]["sluice"]  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Outcome:
    """What one suite said. `results` are Great Expectations' own, for the data docs."""

    suite: Suite
    checks: tuple[Check, ...]
    compared: int
    results: tuple[Any, ...] = ()


def suite_for(root: Path, gate: str, kind: str) -> str:
    """Name the suite of a gate: `<gate>__<kind>` where a kind of migration has facts of its own, else `<gate>`."""
    own = f"{gate}__{kind}"
    return own if (root / "expectations" / f"{own}.json").exists() else gate


def suites_for(root: Path, gate: str, kind: str) -> list[str]:
    """Name all suites of a gate: its own, and what a kind has besides, `<gate>__<kind>__<what>`."""
    more = (root / "expectations").glob(f"{gate}__{kind}__*.json")
    return [suite_for(root, gate, kind), *sorted(path.stem for path in more)]


def read_suite(root: Path, name: str) -> Suite:
    """Read `expectations/<name>.json` below `root`. Raises NoSuchSuite."""
    path = root / "expectations" / f"{name}.json"
    try:
        text = path.read_text()
        suite = Suite(name, json.loads(text), hashlib.sha256(text.encode()).hexdigest())
        if suite.meta["over"] not in ("facts", "window", "rows", "table"):
            raise ValueError(f"over {suite.meta['over']!r}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        told = f"expectations/{name}.json cannot be read: {error!r}. See docs/howto/write-a-gate.md."
        raise NoSuchSuite(told) from error
    return suite


def run_suite(
    suite: Suite, *, facts: Mapping[str, Fact], window: Subject | None, now: datetime,
    parameters: Mapping[str, Fact], samples: Mapping[str, Sequence[Row]],
) -> Outcome:  # fmt: skip
    """Run `suite` over `facts` or `window`. `samples` are rows to show beside a fact that fails.

    What cannot be asked is a check in error, no exception; only a database out of reach raises (Transient).
    """
    if suite.meta["over"] == "facts":
        return _over_facts(suite, facts, parameters, samples)
    if suite.meta["over"] in ("table", "rows") and facts.get("counted_empty"):
        # Counted, and found empty: there is no row to look at, and nobody was kept from looking.
        return Outcome(suite, (fact_check(f"{suite.name}: rows", True, "no row on either side", "what there is"),), 1)
    if suite.meta["over"] == "table":
        return _over_table(suite, facts, parameters)
    if window is None:
        return Outcome(suite, (broken_check(f"{suite.name}: window", "the gate was given no table"),), 0)
    if isinstance(window, RowsSubject) != (suite.meta["over"] == "rows"):
        told = f"a suite over {suite.meta['over']} cannot look at {'rows' if isinstance(window, RowsSubject) else window.table}"
        return Outcome(suite, (broken_check(f"{suite.name}: where to look", told),), 0)
    if isinstance(window, RowsSubject):
        return _over_sample(suite, window, parameters)
    try:
        return _over_window(suite, window, now, parameters)
    except (psycopg.Error, Refused) as error:
        told = str(error).strip().splitlines()[0]
        return Outcome(suite, (broken_check(f"{suite.name}: read {window.table}", told),), 0)


def _over_facts(
    suite: Suite,
    facts: Mapping[str, Fact],
    parameters: Mapping[str, Fact],
    samples: Mapping[str, Sequence[Row]],
) -> Outcome:
    import pandas

    # An expectation skips a null and calls it good: a fact that nobody knows is left out, which is an error.
    known = {name: _number(value) for name, value in facts.items() if _is_known(value)}
    asset = _context().data_sources.add_pandas("facts").add_dataframe_asset(suite.name)
    whole = asset.add_batch_definition_whole_dataframe("all")
    batch = whole.get_batch({"dataframe": pandas.DataFrame([known])})
    result, checks = _validate(batch, suite, parameters)
    # Two tables that were counted, and found empty, are one comparison; an empty comparison is none.
    compared = int(known.get("rows_compared", len(known))) or int(known.get("counted_empty") or 0)
    floor = floor_check(suite.name, compared, suite.meta.get("compared_at_least", 1))
    return Outcome(suite, (*(_with_fact(check, known, samples) for check in checks), floor), compared, (result,))


def _over_table(suite: Suite, facts: Mapping[str, Fact], parameters: Mapping[str, Fact]) -> Outcome:
    name = str(suite.meta["of"])
    try:
        rows = table_of(facts, name)
    except ValueError as error:
        return Outcome(suite, (broken_check(f"{suite.name}: read {name}", str(error)),), 0)
    return _over_rows(suite, rows, Asked.of(suite.meta), parameters, ())


def _over_sample(suite: Suite, subject: RowsSubject, parameters: Mapping[str, Fact]) -> Outcome:
    asked = Asked.of(suite.meta)
    return _over_rows(suite, rows_of(subject, asked), asked, parameters, subject.key)


def _over_rows(
    suite: Suite, rows: Sequence[Row], asked: Asked, parameters: Mapping[str, Fact], key: tuple[str, ...]
) -> Outcome:
    floor = floor_check(suite.name, len(rows), asked.rows_at_least)
    if not rows:
        return Outcome(suite, (floor,), 0)
    asset = _context().data_sources.add_pandas("rows").add_dataframe_asset(suite.name)
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame_of(rows)})
    result, checks = _validate(batch, suite, parameters, key)
    return Outcome(suite, (*checks, floor), len(rows), (result,))


def _over_window(suite: Suite, subject: WindowSubject, now: datetime, parameters: Mapping[str, Fact]) -> Outcome:
    bounds = Bounds.of(suite.meta)
    window, ahead = measure(subject, bounds, now)
    floor = floor_check(suite.name, window.rows if window else 0, bounds.rows_at_least)
    if window is None or window.rows == 0:
        return Outcome(suite, (*ahead, floor), 0)
    result, checks = _ask(suite, subject, window, parameters)
    return Outcome(suite, (*checks, *ahead, floor), window.rows, (result,))


def _ask(
    suite: Suite, subject: WindowSubject, window: Window, parameters: Mapping[str, Fact]
) -> tuple[Any, list[Check]]:
    with engine_sessions(subject) as creator:
        # The address is a formality: SQLAlchemy asks `creator` for its connections.
        source = _context().data_sources.add_postgres(
            "window",
            connection_string="postgresql+psycopg://gate@creator/window",
            kwargs={"creator": creator},
        )
        asset = source.add_query_asset(str(subject.table), query=window.query)
        try:
            batch = asset.add_batch_definition_whole_table("all").get_batch()
            return _validate(batch, suite, parameters, subject.key)
        finally:
            source.get_execution_engine().engine.dispose()


def _validate(
    batch: Any, suite: Suite, parameters: Mapping[str, Fact], key: tuple[str, ...] = ()
) -> tuple[Any, list[Check]]:
    from great_expectations import ExpectationSuite

    shown: dict[str, Any] = {"result_format": "SUMMARY", "partial_unexpected_count": SAMPLE_ROWS}
    if key:
        shown |= {"unexpected_index_column_names": list(key), "return_unexpected_index_query": False}
    asked, unasked = _bound(suite, parameters)
    result = batch.validate(
        ExpectationSuite(name=suite.name, expectations=asked),
        result_format=shown,
        expectation_parameters=dict(parameters),
    )
    return result, [*checks_of(result.to_json_dict(), key), *unasked]


def _bound(suite: Suite, parameters: Mapping[str, Fact]) -> tuple[list[dict[str, Any]], list[Check]]:
    """Part what can be asked from what lacks a parameter: a limit of nothing would be no limit, and pass."""
    asked, unasked = [], []
    for place, expectation in enumerate(suite.body["expectations"]):
        lacking = {name for name in _parameters(expectation["kwargs"]) if not _is_known(parameters.get(name))}
        if lacking:
            told = f"nobody knows {', '.join(sorted(lacking))}"
            unasked.append(broken_check(name_of(expectation), told, severity_of(expectation)))
        else:
            asked.append({**expectation, "meta": {**expectation.get("meta", {}), "place": place}})
    return asked, unasked


def _parameters(kwargs: Mapping[str, Any]) -> set[str]:
    values = (value for value in kwargs.values() if isinstance(value, Mapping))
    return {value["$PARAMETER"] for value in values if "$PARAMETER" in value}


def load_great_expectations() -> Any:
    """Import it: seconds the first time. It sends nothing home and logs nothing, its own warnings included."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    # Its tracebacks are told as checks in error.
    logging.getLogger("great_expectations").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import great_expectations
    return great_expectations


def _context() -> Any:
    context = load_great_expectations().get_context(mode="ephemeral")
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


def _with_fact(check: Check, facts: Mapping[str, Any], samples: Mapping[str, Sequence[Row]]) -> Check:
    name = check.name.partition(":")[0]
    rows = () if check.passed else tuple(samples.get(name, ()))[:SAMPLE_ROWS]
    return replace(check, observed=facts.get(name, check.observed), sample_rows=rows)


def _is_known(value: Fact) -> bool:
    return value is not None and value == value  # NaN is nobody's number


def _number(value: Fact) -> Any:
    return int(value) if isinstance(value, bool) else value
