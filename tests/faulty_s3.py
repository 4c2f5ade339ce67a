"""An S3 that fails: a proxy before the real one. It passes everything on, but for what a plan says of the next request."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from sluice.stores.objects import Vault

PATIENCE = 0.2
"""Seconds that our client waits for an answer."""
OF_ONE_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "expect", "date", "server"}
REFUSED = "<?xml version='1.0'?><Error><Code>{}</Code><Message>A drill.</Message></Error>"


@dataclass(frozen=True)
class Fault:
    """What happens to the next request of a method whose path has this in it."""

    does: str
    """One of FAULTS."""
    method: str
    of: str

    def __str__(self) -> str:
        return f"{self.method} {self.of} {self.does}"


@dataclass(frozen=True)
class Request:
    """What a client asks."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What the real one said."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


@dataclass
class FaultyS3:
    """The way to a real S3 on 127.0.0.1, and the faults that wait on it."""

    real: str
    plan: list[Fault] = field(default_factory=list)
    port: int = 0

    def next_fault(self, method: str, path: str) -> str:
        """Take the first fault of the plan that is meant for this request; '' where none is."""
        for fault in self.plan:
            if fault.method == method and fault.of in path:
                self.plan.remove(fault)
                return fault.does
        return ""

    def forward(self, request: Request) -> Answer:
        """Ask the real one."""
        with self.way() as way:
            way.request(request.method, request.path, request.body, request.headers)
            answer = way.getresponse()
            headers = [one for one in answer.getheaders() if one[0].lower() not in OF_ONE_HOP]
            return Answer(answer.status, headers, answer.read())

    @contextmanager
    def way(self) -> Iterator[http.client.HTTPConnection]:
        """A connection to the real one."""
        where = urlsplit(self.real)
        way = http.client.HTTPConnection(str(where.hostname), where.port, timeout=30)
        try:
            yield way
        finally:
            way.close()

    def vault(self, key: str, secret: str, bucket: str, attempts: int = 1) -> Vault:
        """The bucket by this way, with a client of little patience."""
        import boto3
        from botocore.config import Config

        config = Config(read_timeout=PATIENCE, retries={"mode": "standard", "total_max_attempts": attempts})
        known = {"aws_access_key_id": key, "aws_secret_access_key": secret, "region_name": "us-east-1"}
        url = f"http://127.0.0.1:{self.port}"
        return Vault(boto3.client("s3", endpoint_url=url, config=config, **known), bucket)


@dataclass(frozen=True)
class Passing:
    """One request on its way, and who waits for its answer."""

    s3: FaultyS3
    request: Request
    asker: BaseHTTPRequestHandler

    def answer(self, answer: Answer, *, length: int | None = None) -> None:
        """Give the asker an answer, with the length that is told or the true one."""
        asker = self.asker
        asker.send_response(answer.status)
        for name, value in answer.headers:
            asker.send_header(name, value)
        asker.send_header("Content-Length", str(len(answer.body) if length is None else length))
        asker.end_headers()
        asker.wfile.write(answer.body)

    def refuse(self, status: int, code: str) -> None:
        """Answer in the place of the real one, which never hears of it."""
        self.answer(Answer(status, [("Content-Type", "application/xml")], REFUSED.format(code).encode()))

    def hang_up(self) -> None:
        """Close the connection to the asker."""
        self.asker.close_connection = True


def _fails(passing: Passing) -> None:
    passing.refuse(500, "InternalError")


def _asks_for_patience(passing: Passing) -> None:
    passing.refuse(503, "SlowDown")


def _is_slow(passing: Passing) -> None:
    answer = passing.s3.forward(passing.request)
    time.sleep(3 * PATIENCE)
    passing.answer(answer)


def _loses_its_answer(passing: Passing) -> None:
    passing.s3.forward(passing.request)
    passing.hang_up()


def _is_cut_off_going_up(passing: Passing) -> None:
    request = passing.request
    with passing.s3.way() as way:
        way.putrequest(request.method, request.path, skip_host=True, skip_accept_encoding=True)
        for name, value in request.headers.items():
            way.putheader(name, value)
        way.putheader("Content-Length", str(len(request.body)))
        way.endheaders(request.body[: len(request.body) // 2])
    passing.hang_up()


def _is_cut_off_coming_down(passing: Passing) -> None:
    whole = passing.s3.forward(passing.request)
    half = Answer(whole.status, whole.headers, whole.body[: len(whole.body) // 2])
    passing.answer(half, length=len(whole.body))
    passing.hang_up()


def _is_flipped_going_up(passing: Passing) -> None:
    told = passing.request
    passing.answer(passing.s3.forward(Request(told.method, told.path, told.headers, flipped(told.body))))


def _is_flipped_coming_down(passing: Passing) -> None:
    whole = passing.s3.forward(passing.request)
    passing.answer(Answer(whole.status, whole.headers, flipped(whole.body)))


FAULTS: dict[str, Callable[[Passing], None]] = {
    "fails": _fails,
    "asks for patience": _asks_for_patience,
    "is slow": _is_slow,
    "loses its answer": _loses_its_answer,
    "is cut off going up": _is_cut_off_going_up,
    "is cut off coming down": _is_cut_off_coming_down,
    "is flipped going up": _is_flipped_going_up,
    "is flipped coming down": _is_flipped_coming_down,
}


def flipped(body: bytes) -> bytes:
    """The same with one bit the other way."""
    changed = bytearray(body)
    changed[len(changed) // 2] ^= 1
    return bytes(changed)


@contextmanager
def faulty(real: str) -> Iterator[FaultyS3]:
    """A way to the S3 of this address on which nothing fails yet; closed at the end."""
    s3 = FaultyS3(real)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            with suppress(ConnectionError):  # who asked has lost patience
                super().handle_one_request()

        def __getattr__(self, name: str) -> Any:
            if name.startswith("do_"):
                return self._pass
            raise AttributeError(name)

        def _pass(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            kept = {name: value for name, value in self.headers.items() if name.lower() not in OF_ONE_HOP}
            passing = Passing(s3, Request(self.command, self.path, kept, body), self)
            does = s3.next_fault(self.command, self.path)
            FAULTS[does](passing) if does else passing.answer(s3.forward(passing.request))

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads, server.block_on_close = True, False
        s3.port = server.server_port
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        try:
            yield s3
        finally:
            server.shutdown()
