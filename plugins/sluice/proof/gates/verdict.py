"""What a gate says: checks, and the verdict over them.

Pure: no clock, no store, no Great Expectations. A gate is red for a critical check that failed, and for
four things that a green must never hide: a check that could not be made, a comparison of nothing, one of
too little, stale facts.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

Severity = Literal["critical", "warning"]
Row = Mapping[str, Any]

SAMPLE_ROWS = 20
_ROWS_TOLD = 5
# Facts and `now` come from databases, and two databases need not agree to the second.
CLOCK_SLACK = timedelta(minutes=1)


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. With `error` it could not be: neither passed nor failed."""

    name: str
    passed: bool
    severity: Severity
    observed: Any
    expected: str
    sample_rows: tuple[Row, ...] = ()
    error: str | None = None

    @property
    def blocks(self) -> bool:
        """Whether it holds the gate shut. An error does at any severity: nobody knows what it hides."""
        return self.error is not None or (not self.passed and self.severity == "critical")

    @property
    def state(self) -> Literal["passed", "failed", "warning", "error"]:
        """One word for a person."""
        if self.error is not None:
            return "error"
        return "passed" if self.passed else "failed" if self.severity == "critical" else "warning"

    def describe(self) -> str:
        """Say what was seen, what was wanted, and which rows are to blame."""
        if self.error is not None:
            return f"{self.name}: could not be checked: {self.error}"
        return f"{self.name}: {self.observed}, expected {self.expected}{_shown(self.sample_rows)}"


@dataclass(frozen=True)
class Verdict:
    """What a gate said of its subject. `compared` is the least that any of its suites stood on.

    `headline` is what the step itself has to say first, where it has.
    """

    gate: str
    subject: str
    passed: bool
    checks: tuple[Check, ...]
    compared: int
    evidence_at: datetime
    reasons: tuple[str, ...]
    headline: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Give the plain values of the verdict, fit for JSON."""
        return plain(asdict(self))  # type: ignore[no-any-return]

    def to_json(self) -> str:
        """Give the canonical text: equal verdicts have equal text."""
        return canonical(self.to_dict())

    def summary(self) -> dict[str, Any]:
        """Give what may travel between tasks: counts and names, no row and no value."""
        states = [check.state for check in self.checks]
        return {
            "gate": self.gate, "subject": self.subject, "passed": self.passed, "compared": self.compared,
            "evidence_at": self.evidence_at.isoformat(), "checks": len(states),
            **{state: states.count(state) for state in ("failed", "warning", "error")},
            "blocking": [check.name for check in self.checks if check.blocks],
        }  # fmt: skip

    def describe(self) -> str:
        """Say it to a person: colour, reasons with rows, and the next action."""
        head = f"gate {self.gate} on {self.subject} is {'green' if self.passed else 'RED'}"
        warnings = [f"warning: {c.describe()}" for c in self.checks if c.state == "warning"]
        base = f"{self.compared} compared, facts of {self.evidence_at.isoformat(timespec='seconds')}"
        lines = [f"{head} ({base})", *filter(None, [self.headline]), *self.reasons, *warnings]
        return "\n- ".join(lines) + f"\nNext: {self.next_action}"

    @property
    def next_action(self) -> str:
        """What a person does now. Errors come first: they may be all that is wrong."""
        if self.passed:
            return "nothing: the stage may go on"
        if any(check.error is not None for check in self.checks):
            return "mend what kept the checks from being made, then clear this gate's task"
        if any(check.blocks for check in self.checks):
            return "mend what is named above at its source, run the stage again, clear this gate's task"
        return "gather the facts again, then clear this gate's task"


def fact_check(
    name: str, passed: bool, observed: object, expected: str,
    severity: Severity = "critical", rows: Sequence[Row] = (),
) -> Check:  # fmt: skip
    """Make a check of an invariant that lives in code."""
    return Check(name, passed, severity, observed, expected, tuple(rows)[:SAMPLE_ROWS])


def broken_check(name: str, error: str, severity: Severity = "critical") -> Check:
    """Make the check of something that could not be looked at."""
    return Check(name, False, severity, None, "an answer", error=error)


def floor_check(suite: str, compared: int, floor: int) -> Check:
    """Hold that `suite` stood on something: at least `floor`, and never on nothing."""
    least = max(1, floor)
    return fact_check(f"{suite}: enough was compared", compared >= least, compared, f"at least {least}")


def decide(
    gate: str, subject: str, checks: Sequence[Check], *, compared: int, facts_at: datetime, now: datetime,
    freshness: timedelta, headline: str = "",
) -> Verdict:  # fmt: skip
    """Pass judgement.

    `facts_at` and `now` are the database's own times, aware; facts older than `freshness` are stale.
    """
    reasons = [check.describe() for check in checks if check.blocks]
    reasons += [] if checks else ["nothing was checked: the gate has no suite"]
    reasons += [] if compared > 0 else ["nothing was compared"]
    reasons += _staleness(now - facts_at, freshness)
    return Verdict(gate, subject, not reasons, tuple(checks), compared, facts_at, tuple(reasons), headline)


def canonical(value: object) -> str:
    """Write JSON in the one form that hashes are taken of: sorted keys, no spaces, UTF-8."""
    return json.dumps(plain(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def plain(value: Any) -> Any:
    """Turn a value into what JSON can hold; what JSON does not know becomes its text."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value).isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, str | bool | int | float) else _text(value)


def _shown(rows: Sequence[Row]) -> str:
    told = "; ".join(", ".join(f"{name}={_null(row[name])}" for name in row) for row in rows[:_ROWS_TOLD])
    more = "; more in the evidence" if len(rows) > _ROWS_TOLD else ""
    return f" (rows: {told}{more})" if rows else ""


def _null(value: object) -> object:
    return "NULL" if value is None else value


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def _staleness(age: timedelta, freshness: timedelta) -> list[str]:
    if age > freshness:
        return [f"the facts are {age} old, and only {freshness} counts as fresh"]
    if age < -CLOCK_SLACK:
        return [f"the facts are {-age} in the future: they and `now` are not of one clock"]
    return []
