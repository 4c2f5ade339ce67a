"""Every rule for which nothing is here to break: Airflow by a page like its own, streams and slow looks by their numbers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from sluice.insight.collecting.airflow import look_at_airflow
from sluice.insight.collecting.collecting import Look, Taken, keep
from sluice.insight.collecting.looked import Looked
from sluice.insight.metrics import AIRFLOW
from sluice.ledger.samples import Samples, Series

from tests.firing import NAME, NUMBERS, PAGE, Watched, shows
from tests.watched import HOUR, MINUTE, a_store

PARTS = ("scheduler", "dag_processor", "triggerer")


class Page:
    """A page of health like Airflow's, by a clock of one's own."""

    def __init__(self, watched: Watched) -> None:
        self.watched, self.age, self.status = watched, timedelta(), "healthy"

    def told(self) -> dict[str, Any]:
        """What it says now."""
        at = (self.watched.now - self.age).isoformat()
        return {"metadatabase": {"status": self.status}} | {one: {f"latest_{one}_heartbeat": at} for one in PARTS}


@pytest.fixture
def page(kept_samples: Samples) -> Iterator[Page]:
    """That page, which is looked at."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(made.told()).encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    url = f"http://127.0.0.1:{server.server_port}"
    watched = Watched(kept_samples, None, Look(AIRFLOW, "page", lambda _: look_at_airflow(url, watched.now)))
    made = Page(watched)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield made
    server.shutdown()
    server.server_close()


OF_AIRFLOW = {"metadata_unreachable", "scheduler_silent", "dag_processor_silent", "triggerer_silent"}


@shows("metadata_unreachable", "scheduler_silent", "dag_processor_silent", "triggerer_silent", by=PAGE)
def test_an_airflow_whose_parts_are_silent(page: Page) -> None:
    assert not OF_AIRFLOW & page.watched.minutes(3)
    page.age, page.status = timedelta(minutes=3), "unhealthy"
    assert page.watched.minutes(7) >= OF_AIRFLOW
    page.age, page.status = timedelta(), "healthy"
    assert not OF_AIRFLOW & page.watched.minutes(1)


@shows("stream_late", "stream_lost_soon", by=NUMBERS)
def test_a_stream_that_nobody_follows(kept_samples: Samples) -> None:
    watched = Watched(kept_samples, a_store(engine="dynamodb", connection="dynamodb"))
    rules = {"stream_late", "stream_lost_soon"}

    def behind(seconds: float) -> set[str]:
        def note() -> None:
            watched.samples.record(watched.now, {Series(NAME, "stream_age_seconds", "move_users"): seconds})

        return watched.minutes(7, note) & rules

    assert [behind(seconds) for seconds in (30, 600, 13 * 3600, 30)] == [set(), {"stream_late"}, rules, set()]


@shows("looks_too_long", by=NUMBERS)
def test_looks_that_take_too_long(kept_samples: Samples) -> None:
    watched = Watched(kept_samples)
    levels = watched.rules["looks_too_long"].levels
    assert isinstance(levels.over, int | float) and isinstance(levels.clear, int | float)
    server = Look(NAME, "server", lambda _: Looked(), up="up_count")

    def takes(seconds: float) -> set[str]:
        for _ in range(21):
            watched.now += MINUTE
            keep(watched.samples, [Taken(server, watched.now, seconds, Looked({Series(NAME, "up_count"): 1.0}))])
        return watched.wrong()

    assert "looks_too_long" not in takes(levels.clear)
    assert "looks_too_long" in takes(levels.over + 1)
    assert "looks_too_long" not in takes(levels.clear)


@shows("dead_rows", by=NUMBERS)
def test_a_table_that_is_locked_whenever_it_is_measured_is_as_bad_as_it_was(kept_samples: Samples) -> None:
    watched = Watched(kept_samples)
    dead, locked = (Series(NAME, metric, "app.orders") for metric in ("dead_rows_percent", "table_locked_count"))
    beside = {Series(NAME, "database_bytes"): 1e9, Series(NAME, "up_count"): 1.0}
    for hour in range(12):
        watched.samples.record(watched.now, {dead: 90.0, **beside} if hour < 4 else {locked: 1.0, **beside})
        wrong = watched.wrong()
        assert ("dead_rows" in wrong) == (hour >= 2), hour
        watched.now += HOUR
    for _ in range(4):
        watched.samples.record(watched.now, beside)
        wrong = watched.wrong()
        watched.now += HOUR
    assert "dead_rows" not in wrong, "it was dropped"
