"""Who takes the alerts of an estate: a real HTTP server, behind an Airflow connection."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest


@dataclass
class Told:
    """What the HTTP server was sent, and what it answers."""

    answers: int = 200
    bodies: list[dict[str, Any]] = field(default_factory=list)
    token: str | None = None


@contextmanager
def listening() -> Iterator[tuple[Told, int]]:
    """Start who takes alerts; give what it was told, and its port."""
    told = Told()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            told.token = self.headers["X-Token"]
            self.send_response(told.answers)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    http = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield told, http.server_port
    http.shutdown()
    http.server_close()


def connect_people(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """Give Airflow the connection `people` to it."""
    where = {"conn_type": "http", "host": f"http://127.0.0.1:{port}/hook", "extra": {"X-Token": "secret"}}
    monkeypatch.setenv("AIRFLOW_CONN_PEOPLE", json.dumps(where))
