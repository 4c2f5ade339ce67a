"""That each rule that comes along is shown to fire and to clear, and by what: a server, an emulator, or its numbers alone."""

from __future__ import annotations

from collections import defaultdict
from importlib import import_module

import pytest
from sluice.insight.health.rules import read_rules

from tests import firing
from tests.watched import ROOT

NO_ENGINE_HERE = {
    firing.MOTO: {
        "processors_busy", "memory_full", "reads_unusual", "writes_unusual",
        "table_unreachable", "requests_throttled", "read_units_scarce", "write_units_scarce", "service_errors", "requests_slow",
    },
    firing.PAGE: {"metadata_unreachable", "scheduler_silent", "dag_processor_silent", "triggerer_silent"},
    firing.NUMBERS: {"stream_late", "stream_lost_soon", "looks_too_long"},
}  # fmt: skip
"""What cannot be broken on a machine with a PostgreSQL, and what stands in for it."""


def shown() -> dict[str, set[str]]:
    """Ask the tests what they show: which rules, by what. Each of them fails where it does not."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for file in sorted(ROOT.glob("tests/*/test_health_fires*.py")):
        module = import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
        for name, test in vars(module).items():
            if name.startswith("test_") and callable(test):
                rules, by = test.shows
                found[by] |= {*rules}
    return found


def test_every_rule_is_shown_to_fire_and_to_clear() -> None:
    rules = set().union(*shown().values())
    assert rules == {*read_rules(ROOT, {}).rules}, (
        "a rule that comes along wants a test in test_health_fires_*.py that `shows` it"
    )


def test_what_no_server_here_can_show_is_shown_by_what_stands_in_for_it() -> None:
    found = shown()
    assert {
        by: rules - found[firing.POSTGRES] for by, rules in found.items() if by != firing.POSTGRES
    } == NO_ENGINE_HERE
    assert found.keys() == {firing.POSTGRES, *NO_ENGINE_HERE}


def test_whoever_says_of_a_rule_that_it_fires_is_held_to_it() -> None:
    with pytest.raises(AssertionError, match="they fire and clear, and they did not"):
        firing.shows("bloat")(lambda: None)()
