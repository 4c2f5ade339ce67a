"""Who takes the alerts of an estate: a real HTTP server, behind an Airflow connection."""

from __future__ import annotations

import json
import socketserver
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
    calls: list[str] = field(default_factory=list)
    """The paths that were asked for with nothing to say."""


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

        def do_GET(self) -> None:
            told.calls.append(self.path)
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


@dataclass
class Mailed:
    """What a mail server was given: envelopes, and texts."""

    to: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


@contextmanager
def taking_mail() -> Iterator[tuple[Mailed, int]]:
    """Start a mail server that keeps what it is given; give that, and its port. RFC 5321, as far as smtplib goes."""
    mailed = Mailed()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 here")
            while line := self.rfile.readline().decode().strip():
                verb = line.partition(" ")[0].upper()
                if verb == "RCPT":
                    if "nobody@" in line:
                        self._say("550 no such person")
                        continue
                    mailed.to.append(line.partition(":")[2].strip("<> "))
                elif verb == "DATA":
                    self._say("354 go on")
                    text = list(iter(lambda: self.rfile.readline().decode(), ".\r\n"))
                    mailed.texts.append("".join(text))
                self._say("221 bye" if verb == "QUIT" else "250 well")
                if verb == "QUIT":
                    return

        def _say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield mailed, server.server_address[1]
    server.shutdown()
    server.server_close()
