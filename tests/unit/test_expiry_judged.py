"""What is said of a record by its expiry, as DynamoDB reads it: seconds, a number, and not more than five years back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sluice.estate.models import Expiry
from sluice.upkeep.items.expiry import judge

NOW = datetime(2026, 6, 1, tzinfo=UTC)
WANTED = Expiry(within=timedelta(days=31), lag=timedelta(days=2))


def at(**ago: float) -> dict[str, Any]:
    return {"N": str(int((NOW - timedelta(**ago)).timestamp()))}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "missing"),
        ({"S": at(days=-3)["N"]}, "no_number"),
        ({"NULL": True}, "no_number"),
        ({"N": at(days=-3)["N"] + "000"}, "milliseconds"),
        ({"N": "9" * 38}, "milliseconds"),
        ({"N": "-" + "9" * 38}, "too_old"),
        ({"N": "0"}, "too_old"),
        (at(days=5 * 365 + 1), "too_old"),
        (at(days=5 * 365 - 1), "overdue"),
        (at(days=2, seconds=1), "overdue"),
        (at(days=2), "waiting"),
        (at(), "waiting"),
        (at(seconds=-1), "alive"),
        (at(days=-31), "alive"),
        (at(days=-31, seconds=-1), "too_late"),
    ],
)
def test_each_value_has_its_word(value: dict[str, Any] | None, told: str) -> None:
    assert judge(value, NOW, WANTED) == told
