"""A worker whose clock is wrong: `python shifted.py MINUTES PHASE`. The address travels in the environment.

Every way in which Python tells the time of day is shifted before anything else is imported.
"""

from __future__ import annotations

import datetime
import os
import sys
import time
from pathlib import Path

DSN_VARIABLE = "SLUICE_CHAOS_DSN"


def shift(minutes: float) -> None:
    """Be so far ahead (or behind, when negative)."""
    seconds, told, told_ns = 60 * minutes, time.time, time.time_ns
    time.time = lambda: told() + seconds
    time.time_ns = lambda: told_ns() + round(seconds * 1e9)

    class Shifted(datetime.datetime):
        """A datetime whose now is wrong."""

        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:
            return super().now(tz) + datetime.timedelta(seconds=seconds)

        @classmethod
        def utcnow(cls) -> datetime.datetime:
            return cls.now(datetime.UTC).replace(tzinfo=None)

        @classmethod
        def today(cls) -> datetime.datetime:
            return cls.now()

    datetime.datetime = Shifted  # type: ignore[misc]


def main(phase: str) -> None:
    """Run the migration to a phase, and keep to its times as the tasks do."""
    from sluice.estate import read_estate
    from sluice.migration.engine import steps
    from sluice.migration.engine.contract import Phase
    from sluice.migration.kinds import open_kind
    from sluice.stores.postgres import connect

    from tests.harness import advance

    found = read_estate(Path(__file__).parents[2]).migrations["user_sessions"]
    # Without the shadow read: on a busy machine its verdict is about time, too.
    migration = found.model_copy(update={"gates": found.gates.model_copy(update={"shadow": None})})

    def opening() -> object:
        return open_kind(migration, lambda purpose: connect(os.environ[DSN_VARIABLE], purpose=purpose))

    kind = opening()
    if phase == Phase.RETIRED:
        steps.check_kept_long_enough(migration, kind, kind.position().now)
    if phase == "only the swap":
        kind.cut_over()
    else:
        advance(opening, Phase(phase))


if __name__ == "__main__":
    shift(float(sys.argv[1]))
    main(sys.argv[2])
