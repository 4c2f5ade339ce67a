"""Judge a gate: run its suites, weigh their checks, render their pages. The operator calls it.

judged = judge("verified", facts, subject="app.user_sessions", suites=["verified", "session_rules"],
               window=window, freshness=timedelta(minutes=30), now=now, facts_at=facts_at, root=root)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sluice.proof.gates.docs import render_docs
from sluice.proof.gates.rows import Subject
from sluice.proof.gates.suites import Fact, read_suite, run_suite
from sluice.proof.gates.verdict import Check, Row, Verdict, decide


@dataclass(frozen=True)
class Judged:
    """A verdict with what it was reached by: the data docs' files, and the hash of each suite's text."""

    verdict: Verdict
    docs: Mapping[str, bytes]
    suites_sha256: Mapping[str, str]


def judge(
    gate: str, facts: Mapping[str, Fact], *,
    subject: str, suites: Sequence[str], window: Subject | None,
    freshness: timedelta, now: datetime, facts_at: datetime, root: Path,
    parameters: Mapping[str, Fact] | None = None, samples: Mapping[str, Sequence[Row]] | None = None,
    checks: Sequence[Check] = (),
) -> Judged:  # fmt: skip
    """Run every suite of `gate` over `facts` (true at `facts_at`) and `window`, and pass judgement at `now`.

    Both times are the database's. A suite's `{"$PARAMETER": name}` is found among `parameters`, the facts,
    and `freshness_seconds`. `samples` gives, by fact, rows to show when it fails; `checks` are invariants
    made in code. The fact `headline` is told first. Raises NoSuchSuite, and StoreDown when the window's
    database is out of reach; a red gate is a value.
    """
    bound = {"freshness_seconds": freshness.total_seconds(), **facts, **(parameters or {})}
    read = [read_suite(root, name) for name in suites]
    ran = [
        run_suite(suite, facts=facts, window=window, now=now, parameters=bound, samples=samples or {}) for suite in read
    ]
    verdict = decide(
        gate, subject, [*checks, *(check for outcome in ran for check in outcome.checks)],
        compared=min((outcome.compared for outcome in ran), default=0),
        facts_at=facts_at, now=now, freshness=freshness, headline=str(facts.get("headline") or ""),
    )  # fmt: skip
    return Judged(verdict, render_docs(verdict, ran), {suite.name: suite.sha256 for suite in read})
