"""Questions at a terminal: what is shown of each, which one is meant, and how far a night of the archive is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sluice.flow.question_address import question_address
from sluice.local.airflow_api import Approval, TaskState
from sluice.local.progress import counted, queued, reason, remaining, standings, waits_for
from sluice.local.questions import WIDEST, NoQuestion, find, option, told

NOW = datetime(2026, 11, 22, 21, tzinfo=UTC)
BODY = "\n".join([
    r"- **Month**: `app.event_y2024m01`, 2024-01-01 to 2024-02-01 of `app.event\_all`",
    f"- **What happens**: {'x' * 200}",
    "- **Rows**: 50",
    "- **Gate**: archive green: [evidence/a/b.json](/sluice/evidence/a)",
    "- **To have it back**: restore_archive",
])  # fmt: skip
ASKED = Approval(
    "1a2b3c4d", "archive_retention", "manual__2026-11-22T20:00:00+00:00", "each.approve_drop", 3,
    "Drop app.event_y2024m01 of app.event?", BODY, ("Approve", "Reject"), NOW - timedelta(minutes=47),
)  # fmt: skip
OTHER = replace(ASKED, id="ffff3c4d", map_index=4, subject="Drop app.event_y2024m02 of app.event?")


def test_a_question_is_told_with_its_run_its_age_its_page_and_its_answer():
    lines = [line.strip() for line in told([ASKED], "http://here", NOW, whole=False).splitlines()]
    assert lines[0] == "One question waits."
    assert lines[2] == "1a2b3c4d  Drop app.event_y2024m01 of app.event?"
    assert lines[3] == f"archive_retention, run {ASKED.run_id}, since 2026-11-22 20:13 UTC (47 min)"
    assert lines[4] == "Month: app.event_y2024m01, 2024-01-01 to 2024-02-01 of app.event_all"
    assert len(lines[5]) == WIDEST and lines[5].endswith("…")
    assert lines[6:9] == ["Rows: 50", "Gate: archive green: evidence/a/b.json", "… and 1 more: --whole"]
    assert lines[9].endswith("T20:00:00%2B00:00/tasks/each.approve_drop/mapped/3/required_actions")
    assert lines[-1] == "Answer: ./sluice answer 1a2b3c4d approve, or reject"
    whole = told([ASKED, OTHER], "http://here", NOW, whole=True)
    assert "2 questions wait." in whole and "x" * 200 in whole and "To have it back" in whole
    assert whole.endswith("All that one run asks alike: ./sluice answer 1a2b3c4d approve --all")
    assert "/mapped/" not in question_address(replace(ASKED, map_index=-1), "http://here")


def test_a_question_is_meant_by_its_id_alone_and_answered_by_its_own_words():
    assert find([ASKED, OTHER], "1A2B3C4D") is ASKED
    assert find([ASKED, OTHER], "ffff3c4d") is OTHER
    for which, why in (("3c4d", "several questions end so"), ("0000", "no question that waits"), ("", "no question")):
        with pytest.raises(NoQuestion, match=why):
            find([ASKED, OTHER], which)
    assert [option(ASKED, word) for word in ("approve", "REJECT")] == ["Approve", "Reject"]
    with pytest.raises(NoQuestion, match="takes approve or reject, and not maybe"):
        option(ASKED, "maybe")


def branch(index: int, *states: str | None) -> list[TaskState]:
    return [TaskState(f"each.task{n}", index, state, 1, f"app.m{index}") for n, state in enumerate(states)]


def test_months_are_counted_by_where_their_tasks_stand():
    tasks = [
        TaskState("list_months", 0, "success", 1),
        *branch(0, "success", "success", "skipped"),
        *branch(1, "success", "success", "awaiting_input"),
        *branch(2, "success", "scheduled", None),
        *branch(3, "up_for_retry", None, None),
        *branch(4, "failed", "upstream_failed", "upstream_failed"),
        *branch(5, "scheduled", None, None),
        *branch(6, None, None, None),
        *branch(7, "success", "success", "success"),
    ]
    counts = standings(tasks)
    assert counted({"to come": 1}, "moment") == "1 moment: 1 to come"
    assert counted(counts, "month") == (
        "8 months: 2 done, 1 at work, 1 for a person to answer, 1 to be tried again, 1 failed, 2 to come"
    )
    assert remaining(counts, done=2, seconds=60) == "; about 2 min more", "four are left, at half a minute each"
    assert remaining(counts, done=1, seconds=60) == "", "of one nobody knows the pace"
    assert remaining(standings(branch(0, "success") + branch(1, "awaiting_input")), done=5, seconds=60) == ""
    assert not standings([TaskState("each.archive_month", -1, None, 0)]), "nothing is listed yet"


def test_what_a_run_waits_for_names_what_to_type():
    assert waits_for("archive_retention", []) == ""
    assert waits_for("archive_retention", [ASKED]).endswith("./sluice answer 1a2b3c4d approve, or reject")
    several = waits_for("archive_retention", [ASKED, OTHER])
    assert several.startswith("2 questions wait for a person, Drop app.event_y2024m01")
    assert several.endswith("./sluice questions archive_retention")
    assert queued(["night"]) == "queued behind night"


def test_the_reason_of_a_retry_is_what_was_raised_last():
    words = "12:00 Task failed\nStoreDown: away\n12:01 Task failed\nLockBusy: app.event uses session 29019\n12:01 retry"
    assert reason(words) == "LockBusy: app.event uses session 29019"
    assert reason("killed") == "its log says why"
