"""A stand-in for Neon, as no Neon runs here: its API's answers as they were published, and behind a branch a real database.

The shapes are Neon's own: of the requests that its Python client has recorded (github.com/neondatabase/neon-api-python,
tests/cassettes/test_integration, January 2025: a project, its branches, operations, a connection's URI), of the examples in its
OpenAPI description (as in github.com/kislerdm/neon-sdk-go, openAPIDefinition.json, October 2025: a branch's parents, what a
delete answers, errors), and of its guide "Branching with the Neon API" (what making a branch answers). Account and owner are
left out.

What it does is no more than a test needs. Its history is made of copies of the database at moments that it is told to remember.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier

PROJECT, TOKEN = "long-forest-06846227", "napi_not_to_be_told"
RETENTION = 86_400
PAGE = 2
"""So many branches are on one page at most, whatever was asked for."""
ROOT = {
    "id": "br-floral-wind-a5090hvr", "project_id": PROJECT, "name": "main", "current_state": "ready",
    "state_changed_at": "2025-01-16T21:01:59Z", "creation_source": "console", "primary": True, "default": True,
    "protected": False, "cpu_used_sec": 0, "compute_time_seconds": 0, "active_time_seconds": 0, "written_data_bytes": 0,
    "data_transfer_bytes": 0, "created_at": "2025-01-16T21:01:59Z", "updated_at": "2025-01-16T21:01:59Z",
}  # fmt: skip
OWN = {
    "data_storage_bytes_hour": 0, "data_transfer_bytes": 0, "written_data_bytes": 0, "compute_time_seconds": 0,
    "active_time_seconds": 0, "cpu_used_sec": 0, "id": PROJECT, "platform_id": "aws", "region_id": "aws-us-east-2",
    "name": "shop", "provisioner": "k8s-neonvm",
    "default_endpoint_settings": {
        "autoscaling_limit_min_cu": 0.25, "autoscaling_limit_max_cu": 0.25, "suspend_timeout_seconds": 0,
    },
    "settings": {
        "allowed_ips": {"ips": [], "protected_branches_only": False}, "enable_logical_replication": False,
        "block_public_connections": False, "block_vpc_connections": False,
    },
    "pg_version": 17, "proxy_host": "us-east-2.aws.neon.tech", "branch_logical_size_limit": 512,
    "branch_logical_size_limit_bytes": 536870912, "store_passwords": True, "creation_source": "console",
    "history_retention_seconds": RETENTION, "created_at": "2025-01-16T21:01:59Z", "updated_at": "2025-01-16T21:01:59Z",
    "synthetic_storage_size": 0, "consumption_period_start": "2025-01-01T00:00:00Z",
    "consumption_period_end": "2025-02-01T00:00:00Z",
}  # fmt: skip


@dataclass
class StandIn:
    """What stands in for Neon's control plane."""

    admin: str
    """The address of the server that everything stands on."""
    database: str
    branches: dict[str, dict[str, Any]] = field(default_factory=lambda: {ROOT["id"]: dict(ROOT)})  # type: ignore[dict-item]
    operations: dict[str, dict[str, Any]] = field(default_factory=dict)
    history: list[tuple[datetime, str, str]] = field(default_factory=list)
    """Moment, position in the log, and the copy that was made then."""
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    """What is answered first, to whatever is asked."""
    asked: list[str] = field(default_factory=list)
    fails: str | None = None
    """The action that does not come to an end well."""
    late: bool = False
    """Whether branches are of another moment than was asked for."""
    url: str = ""

    def remember(self) -> tuple[datetime, str]:
        """Keep the database as it is; nobody may be connected to it. Gives the moment, and the position."""
        with psycopg.connect(self.admin, autocommit=True) as c:
            copy = f"{self.database}_{len(self.history)}"
            names = {"copy": Identifier(copy), "database": Identifier(self.database)}
            c.execute(SQL("CREATE DATABASE {copy} TEMPLATE {database}").format(**names))
            found = c.execute("SELECT clock_timestamp(), pg_current_wal_insert_lsn()::text").fetchone()
        assert found
        self.history.append((found[0], found[1], copy))
        return found[0], found[1]

    def forget(self) -> None:
        """Take everything away that it has made."""
        with psycopg.connect(self.admin, autocommit=True) as c:
            for name in [copy for *_, copy in self.history] + [*self.branches]:
                c.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))

    def answer(self, method: str, path: str, query: dict[str, str], body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Answer one request below the project."""
        match [method, *path.strip("/").split("/")]:
            case ["GET", ""]:
                return 200, {"project": OWN}
            case ["GET", "branches"]:
                return 200, self._page(query)
            case ["POST", "branches"]:
                return 201, self._make(body)
            case ["GET", "branches", branch] if branch in self.branches:
                return 200, {"branch": self.branches[branch], "annotation": {}}
            case ["DELETE", "branches", branch]:
                return self._delete(branch)
            case ["GET", "operations", one] if one in self.operations:
                self._go_on(one)
                return 200, {"operation": self.operations[one]}
            case ["GET", "connection_uri"] if query["branch_id"] in self.branches:
                told = conninfo_to_dict(self.admin)
                secret = quote(str(told["password"]))
                where = f"{told['host']}:{told['port']}/{query['branch_id']}"
                return 200, {"uri": f"postgresql://{query['role_name']}:{secret}@{where}?sslmode=prefer"}
        return 404, {"request_id": "8861a536", "code": "", "message": f"{path} not found"}

    def _page(self, query: dict[str, str]) -> dict[str, Any]:
        listed = sorted(self.branches.values(), key=lambda one: one["id"])
        rest = [one for one in listed if one["id"] > query.get("cursor", "")][: min(PAGE, int(query["limit"]))]
        # There is a next page behind the last one too.
        then = {"next": rest[-1]["id"], "sort_by": "updated_at", "sort_order": "DESC"} if rest else {}
        return {"branches": rest, "annotations": {}, "pagination": then}

    def _make(self, body: dict[str, Any]) -> dict[str, Any]:
        asked, made = body["branch"], f"br-{uuid.uuid4().hex[:12]}"
        assert body["endpoints"] == [{"type": "read_write"}]
        moment = datetime.fromisoformat(asked["parent_timestamp"]) if "parent_timestamp" in asked else datetime.now(UTC)
        at, position, copy = [
            one for one in self.history if one[0] <= moment and asked.get("parent_lsn", one[1]) == one[1]
        ][-1]
        with psycopg.connect(self.admin, autocommit=True) as c:
            c.execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(made), Identifier(copy)))
        told = {
            "parent_id": asked["parent_id"],
            "name": asked["name"],
            "primary": False,
            "default": False,
            "parent_lsn": position,
        }
        if "parent_timestamp" in asked:
            told["parent_timestamp"] = f"{(at if self.late else moment):%Y-%m-%dT%H:%M:%SZ}"
        self.branches[made] = {**ROOT, **told, "id": made, "created_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}
        branch = {**self.branches[made], "current_state": "init", "pending_state": "ready"}
        begun = [self._begin(made, "create_branch", "running"), self._begin(made, "start_compute", "scheduling")]
        return {"branch": branch, "endpoints": [], "operations": begun, "roles": [], "databases": []}

    def _delete(self, branch: str) -> tuple[int, dict[str, Any]]:
        if branch not in self.branches:
            return 204, {}
        if self.branches[branch]["default"]:
            return 422, {"request_id": "8861a536", "code": "", "message": "cannot delete default branch"}
        told = self.branches.pop(branch)
        with psycopg.connect(self.admin, autocommit=True) as c:
            c.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(branch)))
        begun = [
            self._begin(branch, "suspend_compute", "running"),
            self._begin(branch, "delete_timeline", "scheduling"),
        ]
        return 200, {"branch": told, "operations": begun}

    def _begin(self, branch: str, action: str, status: str) -> dict[str, Any]:
        made = {"id": str(uuid.uuid4()), "project_id": PROJECT, "branch_id": branch, "action": action, "status": status,
                "failures_count": 0, "created_at": "2025-01-16T21:02:00Z", "updated_at": "2025-01-16T21:02:00Z",
                "total_duration_ms": 0}  # fmt: skip
        self.operations[made["id"]] = made  # type: ignore[index]
        return dict(made)

    def _go_on(self, one: str) -> None:
        """Let an operation take a step on its way."""
        was = self.operations[one]
        then = {"scheduling": "running", "running": "finished"}.get(was["status"], was["status"])
        bad = then == "finished" and was["action"] == self.fails
        self.operations[one] = {**was, "status": "failed", "error": "no room"} if bad else {**was, "status": then}


@contextmanager
def standing_in(admin: str, database: str) -> Iterator[StandIn]:
    """Let it answer for as long as the block lasts."""
    neon = StandIn(admin, database)

    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            where = urlsplit(self.path)
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "{}")
            neon.asked.append(f"{self.command} {where.path}")
            inside, _, path = where.path.removeprefix("/api/v2/projects/").partition("/")
            headers: dict[str, str] = {}
            if self.headers["Authorization"] != f"Bearer {TOKEN}":
                code, told = (
                    401,
                    {"request_id": "x", "code": "", "message": "supplied credentials do not pass authentication"},
                )
            elif neon.answers:
                code, headers = neon.answers.pop(0)
                told = {"request_id": "x", "code": "", "message": "project already has running operations"}
            elif inside != PROJECT:
                code, told = 404, {"request_id": "x", "code": "", "message": "project not found"}
            else:
                query = {name: found[-1] for name, found in parse_qs(where.query).items()}
                code, told = neon.answer(self.command, path, query, body)
            self.send_response(code)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if code != 204:
                self.wfile.write(json.dumps(told).encode())

        do_GET = do_POST = do_DELETE = _do

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    neon.url = f"http://127.0.0.1:{http.server_port}/api/v2"
    try:
        yield neon
    finally:
        http.shutdown()
        http.server_close()
        neon.forget()
