"""Which part of the protocol is there for what: taken out by a drill only, never by a setting, and which test goes red then.

`python -m tests.chaos.mutations` prints the table. `tests/unit/test_model.py` holds that it is complete both ways.
"""

from __future__ import annotations

from typing import NamedTuple

DRILLS = "tests/chaos/test_mutations.py"


class Taken(NamedTuple):
    """One part. `test` is in `DRILLS`; `model` is the same mutation in `tests/model/mutations.py`, where it has one."""

    part: str
    out: str
    test: str
    seen: str
    model: str = ""


TABLE = (
    Taken(
        "row lock",
        "FOR NO KEY UPDATE of copy.fill_chunk",
        "test_without_the_row_lock_deleted_rows_come_back",
        "the comparison finds a row too many",
        "row lock",
    ),
    Taken(
        "trigger keyed on OLD",
        "the DELETE by OLD's key of capture.create_forward",
        "test_an_upsert_that_forgets_the_old_key_leaves_rows_behind",
        "one id in two months",
        "old key",
    ),
    Taken(
        "conflict rule",
        "DO NOTHING of copy.fill_chunk becomes DO UPDATE",
        "test_a_copy_that_overwrites_turns_users_away",
        "a user at REPEATABLE READ is refused for nothing",
        "do nothing",
    ),
    Taken(
        "conflict rule, without the row lock",
        "the same, and FOR NO KEY UPDATE",
        "test_without_the_row_lock_a_copy_that_overwrites_brings_old_values_back",
        "the comparison finds a row that differs",
    ),
    Taken(
        "fence",
        "backfill.check_fence looks away",
        "test_without_the_fence_a_worker_of_another_age_writes_what_it_remembers",
        "2,000 rows without the new column",
        "fence",
    ),
    Taken(
        "fence, for halves",
        "halving a chunk does not share it",
        "test_a_half_that_an_abort_does_not_see_outlives_it",
        "a chunk of the epoch before: the next one copies that range and no other",
    ),
    Taken(
        "fence, for capture",
        "bounds read before it is taken",
        "test_a_capture_of_another_age_trusts_its_own_bounds",
        "a row of a month that is there is quarantined, and its old state stays",
    ),
    Taken(
        "proof of its epoch",
        "a comparison counts in whatever epoch it is recorded",
        "test_a_comparison_of_another_age_proves_nothing",
        "verified, with a row missing",
        "proof of its epoch",
    ),
    Taken(
        "row_security off",
        "pinned to on, for a role without BYPASSRLS",
        "test_a_role_that_sees_less_copies_less_and_says_nothing",
        "one tenant's rows, every chunk checked off",
    ),
    Taken(
        "capture first",
        "chunks are copied while expanded",
        "test_copying_before_capture_is_on_misses_what_was_written_between",
        "the comparison finds a row that differs",
        "capture first",
    ),
    Taken(
        "layout after capture",
        "pages counted before capture is on",
        "test_pages_that_were_counted_too_early_are_never_copied",
        "the comparison finds rows missing",
        "layout after capture",
    ),
    Taken(
        "checkpoint with data",
        "the mark in one transaction, the rows in the next",
        "test_a_mark_apart_from_its_rows_outlives_them",
        "every chunk done, 2,000 rows missing",
        "checkpoint with data",
    ),
    Taken(
        "look at the file",
        "backfill.check_fence looks away from a rewritten table",
        "test_without_a_look_at_the_file_rewritten_pages_are_skipped",
        "the comparison finds rows missing",
    ),
    Taken(
        "old snapshots in capture",
        "the INSERT before the DELETE at REPEATABLE READ",
        "test_a_delete_that_trusts_an_old_snapshot_leaves_rows_behind",
        "the comparison finds a row too many",
        "old snapshots in capture",
    ),
    Taken(
        "drain before the cutover",
        "the swap without steps.cut_over's wait",
        "test_a_cutover_that_waits_for_nobody_empties_the_table_for_an_old_snapshot",
        "a reader finds no row",
        "drain",
    ),
    Taken(
        "reverse capture",
        "capture.install_reverse in the swap",
        "test_a_swap_without_reverse_capture_leaves_the_old_table_behind",
        "the old table lacks a write",
        "reverse capture",
    ),
    Taken(
        "moved keys in reverse",
        "capture.create_reverse updates by the old id",
        "test_a_reverse_capture_that_keeps_the_old_id_loses_the_row",
        "the old table keeps the old id too",
        "moved keys in reverse",
    ),
    Taken(
        "one snapshot in the diff",
        "each side counted in a statement of its own",
        "test_a_comparison_of_two_snapshots_is_not_exact",
        "red, where the tables are equal",
        "one snapshot in the diff",
    ),
    Taken(
        "capture always on",
        "the trigger disabled for one write",
        "test_a_capture_that_is_off_for_a_moment_is_seen",
        "the comparison finds a row that differs",
    ),
    Taken(
        "the row as it is by now",
        "the second look of capture.latest_forward",
        "test_a_capture_that_trusts_a_row_that_was_overtaken_keeps_it_stale",
        "the comparison finds a row that differs",
    ),
    Taken(
        "hash length prefix",
        "octet_length of portable.column_text",
        "test_a_hash_without_lengths_takes_one_row_for_another",
        "('ab', 'c') passes for ('a', 'bc')",
    ),
)


def lines() -> list[str]:
    """The table, for people: what was taken out, what is seen then, which test goes red."""
    told = [("without", "taken out", "what is seen", "test"), *((*row[:2], row.seen, row.test) for row in TABLE)]
    widths = [max(len(row[column]) for row in told) for column in range(3)]
    return ["  ".join([*(f"{cell:{width}}" for cell, width in zip(row, widths, strict=False)), row[3]]) for row in told]


if __name__ == "__main__":
    print(f"Every test is in {DRILLS} and is played twice: whole, and without the part.\n")
    print("\n".join(lines()))
