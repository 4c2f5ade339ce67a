"""Great Expectations' result → checks.

Its results say `success: false` for a failed expectation and for one whose query broke alike; the difference
is in `exception_info`, flat or nested by metric. Plain dicts in, checks out: nothing here imports it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sluice.proof.gates.verdict import SAMPLE_ROWS, Check, Row, Severity, plain

# Not part of what is wanted: where to look, and how to report.
_SILENT = {"column", "column_A", "column_B", "batch_id"}


def checks_of(result: Mapping[str, Any], columns_shown: tuple[str, ...] = ()) -> list[Check]:
    """Turn a validation result (`to_json_dict()`) into checks, in the order of the suite."""
    places = sorted(result["results"], key=lambda one: one["expectation_config"]["meta"].get("place", 0))
    return [_check(one, columns_shown) for one in places]


def errors_of(exception_info: Mapping[str, Any]) -> Iterator[str]:
    """Give the messages of what raised, each once, first line only (the rest may hold values)."""
    infos = [exception_info] if "raised_exception" in exception_info else exception_info.values()
    told = (str(info.get("exception_message")).strip() for info in infos if info.get("raised_exception"))
    yield from dict.fromkeys(message.splitlines()[0] if message else "no message" for message in told)


def _check(one: Mapping[str, Any], columns_shown: tuple[str, ...]) -> Check:
    config, result = one["expectation_config"], one["result"]
    errors = "; ".join(errors_of(one["exception_info"])) or None
    return Check(
        name=name_of(config),
        passed=bool(one["success"]) and errors is None,
        severity=severity_of(config),
        observed=_observed(result),
        expected=_expected(config),
        sample_rows=_sample(result) if columns_shown and not one["success"] else (),
        error=errors,
    )


def name_of(config: Mapping[str, Any]) -> str:
    """Name an expectation for a person: the columns it is about, and what it says of them."""
    kwargs, kind = config["kwargs"], config["type"].removeprefix("expect_").replace("_", " ")
    about = ", ".join(str(kwargs[name]) for name in ("column", "column_A", "column_B") if name in kwargs)
    what = config.get("description") or kind
    return f"{about}: {what}" if about else what


def severity_of(config: Mapping[str, Any]) -> Severity:
    """Give its severity; all that is less than critical warns."""
    return "critical" if config.get("severity", "critical") == "critical" else "warning"


def _expected(config: Mapping[str, Any]) -> str:
    kwargs = config["kwargs"]
    wanted = {name: _brief(kwargs[name]) for name in kwargs if name not in _SILENT and kwargs[name] is not None}
    least, most = wanted.pop("min_value", None), wanted.pop("max_value", None)
    between = [] if least is most is None else [_between(least, most)]
    return ", ".join([*between, *(f"{name} {value}" for name, value in wanted.items())]) or "every row"


def _between(least: Any, most: Any) -> str:
    if least == most:
        return str(least)
    return f"at least {least}" if most is None else f"at most {most}" if least is None else f"{least} to {most}"


def _brief(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _observed(result: Mapping[str, Any]) -> Any:
    if "observed_value" in result:
        return plain(result["observed_value"])
    if "unexpected_count" in result:
        return f"{result['unexpected_count']} of {result['element_count']} rows"
    return None


def _sample(result: Mapping[str, Any]) -> tuple[Row, ...]:
    return tuple(plain(row) for row in result.get("partial_unexpected_index_list") or ())[:SAMPLE_ROWS]
