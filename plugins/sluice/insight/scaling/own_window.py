"""The maintenance window that an instance of RDS has of its own, held against the estate's. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sluice.estate.calendar import WEEK, Window

MONDAY = datetime(2024, 1, 1, tzinfo=UTC)
"""Any Monday: a week is like the other."""
EVERY = timedelta(minutes=1)


def lies_within(written: str, maintenance: Sequence[Window]) -> bool:
    """Whether each minute of `sun:05:00-sun:05:30` lies in one of the estate's windows. What cannot be read does not."""
    found = re.fullmatch(r"(\w{3}):(\d\d):(\d\d)-(\w{3}):(\d\d):(\d\d)", written)
    if found is None or found[1] not in WEEK or found[4] not in WEEK:
        return False
    begins, ends = _moment(found[1], found[2], found[3]), _moment(found[4], found[5], found[6])
    if ends <= begins:
        ends += timedelta(weeks=1)
    minutes = int((ends - begins) / EVERY)
    return all(any(window.holds(begins + n * EVERY) for window in maintenance) for n in range(minutes))


def _moment(day: str, hour: str, minute: str) -> datetime:
    days = [str(one) for one in WEEK].index(day)
    return MONDAY + timedelta(days=days, hours=int(hour), minutes=int(minute))
