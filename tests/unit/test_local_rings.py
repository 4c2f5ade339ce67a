"""The runner of tests tells the truth, most of all about rings in which nothing ran."""

from __future__ import annotations

import pytest
from sluice.local.rings import BUDGETS, Outcome, read_outcome, report

GREEN = Outcome("unit", passed=3, failed=0, skipped=1, minutes=0.25, code=0)

RESULT = '<testsuites><testsuite tests="9" failures="2" errors="1" skipped="2"/></testsuites>'


def test_counts_come_from_what_pytest_wrote(tmp_path):
    result = tmp_path / "result.xml"
    result.write_text(RESULT)
    read = read_outcome("unit", result, 0.5, 1)
    assert (read.ran, read.passed, read.failed, read.skipped) == (7, 4, 3, 2)


@pytest.mark.parametrize(
    ("outcome", "green"),
    [
        (GREEN, True),
        (Outcome("unit", 3, 1, 0, 0.1, 1), False),
        (Outcome("unit", 0, 0, 0, 0.1, 5), False),
        (Outcome("unit", 0, 0, 7, 0.1, 0), False),
        (Outcome("unit", 3, 0, 0, 0.1, 3), False),
    ],
    ids=["green", "one failed", "none found", "all skipped", "pytest broke"],
)
def test_green_means_that_something_ran_and_nothing_failed(outcome, green):
    assert outcome.is_green is green


def test_a_ring_that_wrote_nothing_ran_nothing(tmp_path):
    read = read_outcome("e2e", tmp_path / "absent.xml", 0.0, 5)
    assert read.ran == 0
    assert "e2e ran no test: that counts as failed." in report([read])


def test_the_report_closes_with_the_sums():
    lines = report([GREEN, Outcome("dags", 4, 2, 0, 9.0, 1)]).splitlines()
    assert lines[-1] == "7 passed, 2 failed, 1 skipped"
    assert "dags took longer than its 2 minutes." in lines


def test_the_table_lines_up():
    head, rule, row, *_ = report([GREEN]).splitlines()
    assert head.split() == ["ring", "ran", "passed", "failed", "skipped", "minutes", "budget"]
    assert row.split() == ["unit", "3", "3", "0", "1", "0.2", str(BUDGETS["unit"])]
    assert len(rule) >= len(row)
