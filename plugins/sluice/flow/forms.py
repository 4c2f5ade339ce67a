"""The trigger forms: what a person may choose in Airflow's UI when starting a run."""

from __future__ import annotations

from airflow.sdk import Param

from sluice.estate import Migration
from sluice.estate.durations import format_duration

GOALS = ["onward", "planned", "expanded", "capturing", "backfilled", "verified", "shadowing", "cut_over", "retired"]
"""Where a run may be told to go: the phases, and `onward`."""


def optional_text(title: str, description: str) -> Param:
    """A text that may be left empty: of one that may not be null, Airflow's page asks before it lets anybody trigger."""
    return Param(None, type=["null", "string"], title=title, description=description)


def migration_form(m: Migration) -> dict[str, Param]:
    """The form of `migrate__<name>`; what is left empty comes from the YAML."""
    return {
        "to_phase": Param(
            "onward",
            enum=GOALS,
            type="string",
            title="Go to phase",
            description="onward goes as far as verified, and never back. A phase is gone to, forward or back: from cut_over,"
            " verified cuts back and planned takes everything back.",
        ),
        "dry_run": Param(
            False, type="boolean", title="Dry run", description="Print the plan in the log of plan_way; change nothing."
        ),
        "lanes": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            maximum=16,
            title="Lanes",
            description=f"YAML: {m.backfill.lanes}",
        ),
        "chunk_rows": Param(
            None,
            type=["null", "integer"],
            minimum=100,
            maximum=1_000_000,
            title="Rows a chunk",
            description=f"YAML: {m.backfill.chunk_rows:,}. Counts when the chunks are laid out.",
        ),
        "throttle": Param(
            0.0,
            type="number",
            minimum=0,
            maximum=0.95,
            title="Rest",
            description="Share of its time that each lane rests, on top of the limits in the YAML.",
        ),
        "retire_early": Param(
            False,
            type="boolean",
            title="Retire early",
            description=f"Do not wait for keep_old_for ({format_duration(m.keep_old_for)}).",
        ),
    }
