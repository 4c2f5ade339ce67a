"""Whoever follows, copies or fills a window into PostgreSQL is killed between its rows and their checkpoint: once in effect."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sluice import failpoints
from sluice.migration.engine.contract import Fence

from tests.chaos import row_worker
from tests.conftest import Database
from tests.documents import Documents
from tests.rowed import ITEMS, Stage, audit, staged, to_capturing

ROOT = Path(__file__).parents[2]
FOLLOWING = ("rows.told", "rows.applied", "rows.place_moved", "rows.committed")
COPYING = ("rows.scanned", "rows.copied", "rows.segment_moved")
WINDOW = ("rows.window_read", "rows.window_filled")


@pytest.fixture
def rows(
    documents: Documents, make_table: Callable[..., str], make_database: Callable[[], Database]
) -> Iterator[Stage]:
    """A legacy audit trail on its way into a database of its own."""
    with staged(documents, make_table, make_database()) as made:
        yield made


def work(rows: Stage, doing: str, edge: str | None = None) -> int:
    """Let a worker of its own process work, killed at an edge; give what it ended with."""
    d = rows.documents
    told = {
        "table": rows.table.removeprefix(d.prefix), "name": rows.m.name, "dsn": rows.database.dsn(), "prefix": d.prefix,
        "engine": [d.endpoint, d.key, d.secret, d.region],
    }  # fmt: skip
    given = {"PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}", row_worker.TOLD: json.dumps(told)}
    armed = {failpoints.VARIABLE: f"{edge}=kill"} if edge else {}
    command = [sys.executable, str(ROOT / "tests/chaos/row_worker.py"), doing]
    done = subprocess.run(command, env={**os.environ, **given, **armed}, capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode


def test_killed_between_rows_and_checkpoint_each_change_counts_once(rows: Stage) -> None:
    kind = to_capturing(rows)
    rows.ask("CREATE TABLE written (id text, token text); GRANT INSERT ON written TO PUBLIC")
    rows.ask(
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " INSERT INTO public.written VALUES (NEW.id, NEW._token); RETURN NEW; END $$;"
        'CREATE TRIGGER "!sluice_test" AFTER INSERT OR UPDATE ON app.tyler_audit_log FOR EACH ROW EXECUTE FUNCTION note()'
    )
    for number, edge in enumerate(FOLLOWING):
        rows.put(*(audit(place, n={"N": str(number)}) for place in range(number * 5, number * 5 + 5)))
        assert work(rows, "follow", edge) == -signal.SIGKILL, edge
        ((seen, moved),) = rows.ask("SELECT coalesce(sum(seen), 0), count(position) FROM sluice.place")
        ((stand,),) = rows.ask("SELECT count(*) FROM app.tyler_audit_log")
        whole = (number + 1) * 5 if edge == "rows.committed" else 0
        assert (seen, stand, bool(moved)) == (whole, whole, bool(whole)), "rows and place are both there, or neither"
    rows.delete(3)
    assert work(rows, "follow") == 0
    twice = "SELECT id, token FROM written GROUP BY id, token HAVING count(*) > 1"
    assert rows.ask(twice) == [] and rows.ask("SELECT sum(seen) FROM sluice.place") == [(21,)]
    for edge in COPYING:
        assert work(rows, "copy", edge) == -signal.SIGKILL, edge
        ((checked,),) = rows.ask("SELECT coalesce(sum(rows_written), 0) FROM sluice.chunk")
        assert checked == 0, "nothing is checked off without its rows"
    assert work(rows, "copy") == 0
    kind.finish_backfill(Fence(1))
    rows.ask("DELETE FROM app.tyler_audit_log WHERE performed_at < '2024-02-01Z'")
    for edge in WINDOW:
        assert work(rows, "window", edge) == -signal.SIGKILL, edge
        assert rows.ask("SELECT count(*) FROM app.tyler_audit_log WHERE performed_at < '2024-02-01Z'") == [(0,)]
    assert work(rows, "window") == 0
    assert len(rows.rows()) == ITEMS - 1 and kind.diff().clean and rows.quarantine() == {}
