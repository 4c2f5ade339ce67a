"""An item that is written faster than changes arrive: the other side is always one behind, and that is no difference."""

from __future__ import annotations

import itertools

import pytest
from sluice.migration.kinds.single_table import SingleTable

from tests.few_items import Few, item


@pytest.mark.parametrize("follows", [True, False])
def test_what_moves_on_both_sides_is_no_difference_and_what_stands_still_on_one_is(
    few: Few, kind: SingleTable, monkeypatch: pytest.MonkeyPatch, follows: bool
) -> None:
    versions, replicate = itertools.count(2), kind.replicate

    def and_written_again(seconds: float):
        lag = replicate(seconds) if follows else None
        few.put(item("one", version=next(versions)))  # younger than anything that has arrived
        return lag

    few.put(item("one", version=next(versions)))
    monkeypatch.setattr(kind, "replicate", and_written_again)
    diff = kind.diff()
    assert diff.clean is follows, diff.facts()
    assert (diff.races > 0) is follows
