"""A small client for Airflow's REST API: what the command line and the demo ask of it, and no more.

>>> api = AirflowApi("http://127.0.0.1:8088", "admin", password)
>>> api.wait_run("migrate__user_sessions", api.trigger("migrate__user_sessions", {}))
'success'
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from graphlib import TopologicalSorter
from typing import Any
from urllib.parse import quote, urlencode

from sluice.errors import Terminal, Transient

FINISHED = frozenset({"success", "failed"})
# Airflow 3.3 shows a question while its task still runs, and takes the end of that task, which its scheduler hears of a
# second later, for a failure of the answered one. So an answer waits for the task to park, and two seconds more.
_STILL_ASKING = frozenset({"scheduled", "queued", "running"})
_PARKED = frozenset({"awaiting_input", "deferred"})
_SETTLING_SECONDS = 2
_LONGEST_ASKING = 300.0
SAY_EVERY = 5.0
_PAGE = 100


class Unreachable(Transient):
    """Airflow does not answer."""


class DatabaseAway(Unreachable):
    """Airflow answers, and has no database to ask."""


class Refused(Terminal):
    """Airflow answered that it will not do this."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class AskedNoMore(Terminal):
    """A question's task has ended, or was begun anew: an answer would reach nobody."""


@dataclass(frozen=True)
class TaskState:
    """Where one task of a run stands. `map_index` is -1 when the task is not mapped; `state` None before it is scheduled.

    `label` tells one of a mapped task's from the others: `lane 2`, a migration's name.
    """

    task_id: str
    map_index: int
    state: str | None
    tries: int
    label: str = ""


@dataclass(frozen=True)
class Approval:
    """A question that waits for a person. `id` is of this asking alone: who is asked again is asked another one."""

    id: str
    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    subject: str
    body: str
    options: tuple[str, ...]
    created_at: datetime


@dataclass(frozen=True)
class WindowRun:
    """One run of a DAG over one window of time, bounds in UTC."""

    run_id: str
    start: datetime | None
    end: datetime | None
    state: str


@dataclass
class AirflowApi:
    """Airflow at `base_url`. Without a user only `health()` works. Raises Unreachable or Refused."""

    base_url: str
    user: str = ""
    password: str = field(default="", repr=False)
    _token: str = field(default="", repr=False)

    def health(self) -> dict[str, dict[str, Any]]:
        """Give the state of each part of Airflow."""
        return dict(self._send("GET", "/api/v2/monitor/health"))

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None) -> str:
        """Start a run; give its id."""
        body = {"logical_date": None, "conf": dict(conf or {})}
        return str(self._call("POST", f"/dags/{quote(dag_id)}/dagRuns", body)["dag_run_id"])

    def run_state(self, dag_id: str, run_id: str) -> str:
        """Give `queued`, `running`, `success` or `failed`."""
        return str(self._call("GET", _run(dag_id, run_id))["state"])

    def wait_run(
        self, dag_id: str, run_id: str, *, seconds: float = 3600, look: Callable[[str], None] | None = None
    ) -> str:
        """Wait until a run is over; give its state. Meanwhile `look` is told its state every SAY_EVERY seconds.

        Raises Transient when it is not over in time, Terminal when Airflow finds its DAG no more.
        """
        deadline, looked = time.monotonic() + seconds, time.monotonic()
        while (state := self.run_state(dag_id, run_id)) not in FINISHED:
            if time.monotonic() > looked + SAY_EVERY:
                self._check_found(dag_id)
                if look:
                    look(state)
                looked = time.monotonic()
            if time.monotonic() > deadline:
                raise Transient(
                    f"Run {run_id} of {dag_id} is still {state} after {seconds:.0f} s: wait on, or look at it."
                )
            time.sleep(0.5)
        return state

    def running(self, dag_id: str) -> list[str]:
        """Give the ids of a DAG's runs that are running."""
        found = self._pages(f"/dags/{quote(dag_id)}/dagRuns?state=running", "dag_runs")
        return [str(run["dag_run_id"]) for run in found]

    def _check_found(self, dag_id: str) -> None:
        """Raise Terminal when the file of a DAG is gone: nobody would ever end its runs."""
        if self._call("GET", f"/dags/{quote(dag_id)}")["is_stale"]:
            raise Terminal(
                f"Airflow finds {dag_id} no more, so its runs stand still: is its file of include/estate/ gone, renamed or"
                " unreadable? Put it back and they go on."
            )

    def fail_unfinished(self, dag_id: str) -> list[str]:
        """End the runs that are queued or running, as failed; give their ids."""
        found = self._pages(f"/dags/{quote(dag_id)}/dagRuns?state=running&state=queued", "dag_runs")
        runs = [str(run["dag_run_id"]) for run in found]
        for run in runs:
            self._call("PATCH", _run(dag_id, run), {"state": "failed"})
        return runs

    def tasks(self, dag_id: str, run_id: str) -> list[TaskState]:
        """Give the state of every task of a run."""
        found = self._pages(f"{_run(dag_id, run_id)}/taskInstances", "task_instances")
        return [
            TaskState(task["task_id"], task["map_index"], task["state"], task["try_number"], _label(task))
            for task in found
        ]

    def task_order(self, dag_id: str) -> list[str]:
        """Give the ids of a DAG's tasks, each behind those that it waits for."""
        tasks = self._call("GET", f"/dags/{quote(dag_id)}/tasks")["tasks"]
        return in_order({task["task_id"]: task["downstream_task_ids"] or () for task in tasks})

    def task_log(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1, attempt: int = 1) -> str:
        """Give what a task said in one of its tries, a line for each message."""
        query = urlencode({"map_index": map_index, "full_content": "true"})
        path = f"{_run(dag_id, run_id)}/taskInstances/{quote(task_id)}/logs/{attempt}?{query}"
        lines = self._call("GET", path)["content"]
        return "\n".join(line if isinstance(line, str) else _log_line(line) for line in lines)

    def approvals(self, dag_id: str = "~", run_id: str = "~") -> list[Approval]:
        """Give the questions of a run, or of all, that wait still: nobody has answered them, nor was their task ended."""
        found = self._pages(f"{_run(dag_id, run_id)}/hitlDetails?response_received=false", "hitl_details")
        return [_approval(one) for one in found if one["task_instance"]["state"] in _STILL_ASKING | _PARKED]

    def answer(self, dag_id: str, run_id: str, approval: Approval, choice: str) -> None:
        """Answer a question with one of its options, as soon as Airflow can bear the answer.

        Raises AskedNoMore, Refused where somebody has answered it or the user may not, Transient where its task does not rest.
        """
        task = f"{_run(dag_id, run_id)}/taskInstances/{quote(approval.task_id)}/{approval.map_index}"
        deadline = time.monotonic() + _LONGEST_ASKING
        while (found := self._call("GET", task))["state"] in _STILL_ASKING and time.monotonic() < deadline:
            time.sleep(0.2)
        if found["state"] in _STILL_ASKING:
            raise Transient(
                f"{approval.subject} The task that asks is still {found['state']}: `./sluice status`, then answer."
            )
        if found["state"] not in _PARKED or _id(found) != approval.id:
            raise AskedNoMore(
                f"{approval.subject} This is asked no more ({found['state'] or 'cleared'}). Nothing was answered."
            )
        time.sleep(_SETTLING_SECONDS)
        self._call("PATCH", f"{task}/hitlDetails", {"chosen_options": [choice], "params_input": {}})

    def create_backfill(
        self, dag_id: str, start: datetime, end: datetime, reprocess: str = "none", at_once: int = 10
    ) -> int:
        """Start a backfill over the windows from `start` to `end`, both included, so many at once; give its id.

        `reprocess`: which windows with a run already are run again: `none`, `failed` or `completed`.
        """
        body = {
            "dag_id": dag_id,
            "from_date": start.isoformat(),
            "to_date": end.isoformat(),
            "reprocess_behavior": reprocess,
            "max_active_runs": at_once,
        }
        return int(self._call("POST", "/backfills", body)["id"])

    def wait_backfill(self, dag_id: str, backfill_id: int, *, seconds: float = 24 * 3600) -> None:
        """Wait until every window of a backfill is over.

        Raises Transient when it is not over in time, Terminal when Airflow finds its DAG no more.
        """
        deadline, looked = time.monotonic() + seconds, time.monotonic()
        while self._call("GET", f"/backfills/{backfill_id}")["completed_at"] is None:
            if time.monotonic() > looked + SAY_EVERY:
                looked = time.monotonic()
                self._check_found(dag_id)
            if time.monotonic() > deadline:
                raise Transient(f"Backfill {backfill_id} is not over after {seconds:.0f} s: wait on, or look at it.")
            time.sleep(1)

    def runs(self, dag_id: str, start: datetime, end: datetime) -> list[WindowRun]:
        """Give the runs whose logical date lies from `start` to `end`, both included, oldest first."""
        bounds = {"logical_date_gte": start.isoformat(), "logical_date_lte": end.isoformat()}
        query = urlencode({**bounds, "order_by": "logical_date"})
        return [_window(run) for run in self._pages(f"/dags/{quote(dag_id)}/dagRuns?{query}", "dag_runs")]

    def dag_ids(self) -> list[str]:
        """Give the DAGs that there are, by name."""
        return sorted(str(dag["dag_id"]) for dag in self._pages("/dags?exclude_stale=true", "dags"))

    def dag_files(self) -> set[str]:
        """Give the files in which Airflow has found DAGs, by their path below the DAG folder."""
        return {dag["relative_fileloc"] for dag in self._pages("/dags?exclude_stale=true", "dags")}

    def import_errors(self) -> dict[str, str]:
        """Give the files that Airflow could not read, by their path below the DAG folder, and why."""
        errors = self._pages("/importErrors", "import_errors")
        return {error["filename"]: error["stack_trace"] for error in errors}

    def connections(self) -> set[str]:
        """Give the ids of the connections that Airflow itself keeps: those of its environment are not among them."""
        return {connection["connection_id"] for connection in self._pages("/connections", "connections")}

    def set_pool(self, name: str, slots: int, description: str) -> None:
        """Make a pool, or give it these slots."""
        body = {"name": name, "slots": slots, "description": description, "include_deferred": False}
        try:
            self._call("PATCH", f"/pools/{quote(name)}", body)
        except Refused as refusal:
            if refusal.status != 404:
                raise
            self._call("POST", "/pools", body)

    def _pages(self, path: str, items: str) -> Iterator[dict[str, Any]]:
        """Give everything of a list, a page at a time."""
        joint, offset = "&" if "?" in path else "?", 0
        while page := self._call("GET", f"{path}{joint}limit={_PAGE}&offset={offset}")[items]:
            yield from page
            offset += len(page)
            if len(page) < _PAGE:
                return

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Send one request as our user, with a new token when there is none or the old one is too old."""
        try:
            return self._send(method, f"/api/v2{path}", body, self._token or self._login())
        except Refused as refusal:
            if refusal.status != 401:
                raise
            return self._send(method, f"/api/v2{path}", body, self._login())
        except Unreachable:
            self._check_database()
            raise

    def _check_database(self) -> None:
        """Raise DatabaseAway where Airflow says so of itself: its answers then are no more than "500"."""
        try:
            lost = self.health()["metadatabase"]["status"] != "healthy"
        except Unreachable:
            return
        if lost:
            raise DatabaseAway(
                "Airflow's database is away; the run goes on when it is back: ./sluice status says what died, ./sluice up"
                " starts it."
            )

    def _login(self) -> str:
        answer = self._send("POST", "/auth/token", {"username": self.user, "password": self.password})
        self._token = str(answer["access_token"])
        return self._token

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None = None, token: str = "") -> Any:
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base_url + path, data, headers, method=method)
        try:
            with _DIRECT.open(request, timeout=30) as answer:
                return json.loads(answer.read() or "null")
        except urllib.error.HTTPError as error:
            raise _refusal(method, path, error) from None
        except (urllib.error.URLError, OSError) as error:
            raise Unreachable(f"Airflow does not answer at {self.base_url} ({error}): `./sluice status`.") from None


# A proxy that the environment names cannot reach 127.0.0.1.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def in_order(downstream: Mapping[str, Iterable[str]]) -> list[str]:
    """Give the tasks of a graph, each behind those that it waits for."""
    before: dict[str, set[str]] = {task: set() for task in downstream}
    for task, following in downstream.items():
        for one in following:
            before[one].add(task)
    return list(TopologicalSorter(before).static_order())


def _label(task: Mapping[str, Any]) -> str:
    number = str(task["map_index"])
    named = str(task.get("rendered_map_index") or number)
    # Until a try went well Airflow has the number alone; what the task works at is among its fields from the first try on.
    fields = task.get("rendered_fields") or {} if named == number else {}
    return "" if task["map_index"] < 0 else str(fields.get("month", named))


def _run(dag_id: str, run_id: str) -> str:
    return f"/dags/{quote(dag_id)}/dagRuns/{quote(run_id)}"


def _refusal(method: str, path: str, error: urllib.error.HTTPError) -> Transient | Terminal:
    said = _detail(error.read().decode(errors="replace"))
    kind = f"Airflow answered {error.code} to {method} {path}: {said}"
    return Unreachable(kind) if error.code >= 500 else Refused(error.code, kind)


def _detail(body: str) -> str:
    """What Airflow says is wrong: its first paragraph, without the schema that follows."""
    try:
        said = json.loads(body)["detail"]
    except (ValueError, KeyError, TypeError):
        said = body
    return str(said).split("\n\n")[0][:500]


def _approval(detail: Mapping[str, Any]) -> Approval:
    task = detail["task_instance"]
    return Approval(
        id=_id(task),
        dag_id=task["dag_id"],
        run_id=task["dag_run_id"],
        task_id=task["task_id"],
        map_index=task["map_index"],
        subject=detail["subject"],
        body=detail["body"] or "",
        options=tuple(detail["options"]),
        created_at=datetime.fromisoformat(detail["created_at"]),
    )


def _id(task: Mapping[str, Any]) -> str:
    # The end of the task's own: its beginning is the time, which those of one run have in common.
    return str(task["id"])[-8:]


def _window(run: Mapping[str, Any]) -> WindowRun:
    start, end = (
        datetime.fromisoformat(run[bound]) if run[bound] else None
        for bound in ("data_interval_start", "data_interval_end")
    )
    return WindowRun(run["dag_run_id"], start, end, run["state"])


def _log_line(line: Mapping[str, Any]) -> str:
    # What was raised, without its frames: the message is what a person needs.
    raised = "".join(f"\n{error['exc_type']}: {error['exc_value']}" for error in line.get("error_detail") or ())
    return f"{line.get('timestamp') or ''} {line.get('event', '')}{raised}".strip()
