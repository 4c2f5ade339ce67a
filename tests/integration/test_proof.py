"""What a proof is worth: as old as the oldest look it trusts, and nothing once capture was touched since."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sluice.ledger.marks import Marks
from sluice.migration.engine import steps
from sluice.migration.engine.contract import NotYet, Phase
from sluice.proof.diff import rows as diff_rows

from tests.integration.moved import MONTHS, Moved

TABLE = (
    "CREATE TABLE app.thing (id int PRIMARY KEY, at timestamptz NOT NULL, note text)",
    "INSERT INTO app.thing SELECT i, now() - i * interval '1 hour', 'n' FROM generate_series(1, 400) i",
    "GRANT ALL ON app.thing TO certify_app",
)
OFF = 'ALTER TABLE app.thing DISABLE TRIGGER "!sluice_capture"'
ON = 'ALTER TABLE app.thing ENABLE ALWAYS TRIGGER "!sluice_capture"'
AGED = (
    "UPDATE sluice.migration SET changed_at = changed_at - interval '1 hour'",
    "UPDATE sluice.compared SET at = at - interval '10 minutes'",
)


@pytest.fixture
def moved(moving) -> Moved:
    found = moving(MONTHS, *TABLE, accept=("weaker_key",))
    found.migration = found.migration.model_copy(
        update={"gates": found.migration.gates.model_copy(update={"shadow": None})}
    )
    return found


@pytest.fixture
def small(monkeypatch) -> None:
    """Ranges of a hundred rows."""
    monkeypatch.setattr(diff_rows, "RANGE_ROWS", 100)


def age(moved: Moved) -> float:
    """Seconds since the proof, by the store's clock; fails where it does not count."""
    kind = moved.kind()
    kind.position()
    seen = Marks("thing").proof_age(moved.open[-1], timedelta(hours=1))
    assert seen["fresh"]
    return float(seen["seconds"])


def dies_at(monkeypatch, moved: Moved, range_: int) -> None:
    """A comparison that is broken off at its n-th range."""
    sum_buckets, asked = diff_rows.sum_buckets, []

    def dying(*what):
        asked.append(what)
        if len(asked) == range_:
            raise KeyboardInterrupt
        return sum_buckets(*what)

    with monkeypatch.context() as broken:
        broken.setattr(diff_rows, "sum_buckets", dying)
        with pytest.raises(KeyboardInterrupt):
            moved.kind().diff()


def test_a_proof_is_as_old_as_the_beginning_of_its_comparison(moved):
    moved.to(Phase.BACKFILLED)
    kind = moved.kind()
    diff = kind.diff()
    moved.admin("SELECT pg_sleep(1.2)")
    facts = kind.verify(diff)
    assert age(moved) > 1.2, "recorded later, and no younger for it"
    assert facts["verified_seconds_ago"] >= 1


def test_a_resumed_proof_is_as_old_as_the_oldest_range_it_trusts(moved, small, monkeypatch):
    moved.to(Phase.BACKFILLED)
    dies_at(monkeypatch, moved, 3)
    moved.admin(*AGED)
    facts = steps.verify(moved.kind())
    assert facts["rows_compared"] == 400
    assert age(moved) > 600
    assert facts["verified_seconds_ago"] >= 600, "what its gate judges"
    steps.verify(moved.kind())
    assert age(moved) < 60, "the next one begins anew"


def test_a_range_counts_from_before_it_was_read(moved, small, monkeypatch):
    moved.to(Phase.BACKFILLED)
    sum_buckets = diff_rows.sum_buckets

    def slow(*what):
        found = sum_buckets(*what)
        moved.admin("SELECT pg_sleep(0.3)")
        return found

    with monkeypatch.context() as slowly:
        slowly.setattr(diff_rows, "sum_buckets", slow)
        dies_at(slowly, moved, 3)
    ((first, second, now),) = moved.ask("SELECT min(at), max(at), clock_timestamp() FROM sluice.compared")
    assert now - first >= timedelta(seconds=0.6)
    assert now - second >= timedelta(seconds=0.3)


def test_ranges_proven_before_capture_was_off_for_a_moment_are_compared_again(moved, small, monkeypatch):
    moved.to(Phase.BACKFILLED)
    dies_at(monkeypatch, moved, 3)
    moved.own(OFF, "UPDATE app.thing SET note = 'unseen' WHERE id = 7", ON)
    diff = moved.kind().diff()
    assert (diff.different, [s.key for s in diff.samples]) == (1, ["7"])


@pytest.mark.parametrize("touched", (OFF, 'DROP TRIGGER "!sluice_capture_truncate" ON app.thing', "replaced"))
def test_no_cutover_on_a_proof_from_before_capture_was_off_for_a_moment(moved, touched):
    moved.to(Phase.VERIFIED)
    assert age(moved) < 60
    if touched == OFF:
        moved.own(OFF, "UPDATE app.thing SET note = 'unseen' WHERE id = 7", ON)
    elif touched == "replaced":
        ((text,),) = moved.ask("SELECT pg_get_functiondef('sluice.capture__thing'::regproc)")
        moved.admin(text)
    else:
        made = (
            'CREATE TRIGGER "!sluice_capture_truncate" AFTER TRUNCATE ON app.thing FOR EACH STATEMENT EXECUTE FUNCTION'
        )
        moved.admin(touched, f"{made} sluice.capture__thing()", ON.replace("capture", "capture_truncate"))
    assert moved.kind().standing()["fingerprint_differs"] == 0, "a look finds everything in its place"
    with pytest.raises(NotYet, match=r"touched since.*run it again to verify anew"):
        moved.kind().cut_over()
    if touched == OFF:
        assert steps.verify(moved.kind())["rows_different"] == 1
    else:
        steps.verify(moved.kind())
        moved.to(Phase.CUT_OVER)


def test_a_comparison_during_which_capture_was_touched_is_no_proof(moved):
    moved.to(Phase.BACKFILLED)
    kind = moved.kind()
    diff = kind.diff()
    moved.own(OFF, ON)
    with pytest.raises(NotYet, match=r"capture of app\.thing was touched while its tables were compared.*Run it again"):
        kind.verify(diff)
    assert kind.position().phase is Phase.BACKFILLED
    moved.to(Phase.CUT_OVER)


def test_a_red_comparison_after_the_cutover_forgets_no_cutover(moved):
    """How long the old table is kept counts from it."""
    moved.to(Phase.CUT_OVER)
    moved.kind().forget_proof()
    assert moved.kind().position().cut_over_at is not None
