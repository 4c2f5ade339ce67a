"""What applications told of their shadowed reads, as the gate before the cutover counts it."""

from __future__ import annotations

import pytest
from sluice.estate.single_table import DualRead
from sluice.migration.kinds.dynamodb_source.shadow import judged
from sluice.stores.dynamodb.values import Item


def report(**counts: int) -> Item:
    """One reader's, where all that was compared was equal."""
    told = {"compared": 0, "race": 0, "real": 0, "failed": 0, "old_p95": 1, "new_p95": 1, **counts}
    return {**{name: {"N": str(count)} for name, count in told.items()}, "examples": {"S": ""}}


@pytest.mark.parametrize(
    ("reports", "failing"),
    [
        ([report(asked=1_000_000, compared=10_000, failed=1_000)], 0),  # of a sample of one in a hundred
        ([report(asked=1_000_000, compared=10_000, failed=10_000)], 0),
        ([report(asked=1_000_000, compared=10_000, failed=10_001)], 1),
        ([report(asked=100, compared=0, failed=2), report(asked=100, compared=100)], 0),
        ([report(asked=99, compared=99, failed=1)], 1),
        ([report(compared=198, failed=2)], 0),  # a reader of an older release does not tell how many it was asked for
        ([report(compared=197, failed=2)], 1),
    ],
)
def test_one_read_in_a_hundred_may_fail_of_all_that_were_shadowed(reports: list[Item], failing: int) -> None:
    assert judged(reports, DualRead())["shadow_failing"] == failing
