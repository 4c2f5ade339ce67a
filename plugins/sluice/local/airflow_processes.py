"""Airflow's four processes, and its workers where there are any: their files, their start and how to tell that they are well.

None of them serves logs (`--skip-serve-logs`): that server listens on every interface, and here the API server reads
the log files itself.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version

from sluice.errors import Terminal
from sluice.local import workers
from sluice.local.airflow_api import AirflowApi, Unreachable
from sluice.local.environment import airflow_home, passwords_file
from sluice.local.processes import Process, end
from sluice.local.settings import USERS, Settings, load, write_private
from sluice.local.waiting import wait_for
from sluice.stores.cluster import tail

COMMANDS = {
    "api-server": (),
    "scheduler": ("--skip-serve-logs",),
    "dag-processor": (),
    "triggerer": ("--skip-serve-logs",),
}
_HEARTBEATS = {
    "scheduler": "latest_scheduler_heartbeat",
    "dag_processor": "latest_dag_processor_heartbeat",
    "triggerer": "latest_triggerer_heartbeat",
}
_PRELOAD = '''\
"""Written by ./sluice. Tasks are forked, and so is each reading of a DAG file: what those who fork have imported is there."""
import sys
from contextlib import suppress
from importlib import import_module
from pkgutil import walk_packages

if sys.argv[1:2] in (["scheduler"], ["celery"], ["dag-processor"]):
    import sluice.flow

    found = walk_packages(sluice.flow.__path__, "sluice.flow.", onerror=lambda name: None)
    for module in found:
        with suppress(Exception):  # what cannot be imported, the DAG files tell
            import_module(module.name)
if sys.argv[1:2] in (["scheduler"], ["celery"]):
    import boto3  # noqa: F401
    import great_expectations  # noqa: F401
'''
_READS = "Filling up the DagBag from "
"""How each reading of a DAG file begins in that file's log."""


def processes(settings: Settings) -> list[Process]:
    """Give Airflow's processes, the API server first and the workers last."""
    run, logs = settings.state_dir / "run", settings.state_dir / "logs"
    return [Process(name, run / f"{name}.pid", logs / f"{name}.log") for name in (*COMMANDS, *workers.names(settings))]


def process(settings: Settings, name: str) -> Process:
    """Give one of them by its name."""
    return next(one for one in processes(settings) if one.name == name)


def prepare(settings: Settings) -> None:
    """Write Airflow's files, and bring its database to its version: once for each version."""
    home = airflow_home(settings)
    (home / "config").mkdir(parents=True, exist_ok=True)
    (home / "config" / "airflow_local_settings.py").write_text(_PRELOAD)
    write_private(passwords_file(settings), json.dumps({user: settings.password(user) for user in USERS}))
    migrated, wanted = home / "migrated-to", version("apache-airflow")
    if not (migrated.exists() and migrated.read_text() == wanted):
        _migrate(settings)
        migrated.write_text(wanted)


def start(settings: Settings) -> list[Process]:
    """Start those that do not run, wait until all are well, and give those that were started.

    What a dead one has left running is ended first: each task of it is tried again.
    """
    end([process(settings, name) for name in workers.names(settings)[settings.workers :]], grace=0)
    dead = [one for one in processes(settings) if one.pid() is None]
    # The tasks of a dead scheduler go on, but nobody would hear how they end, and `down` would know none of them any more.
    end(dead, grace=0)
    began = datetime.now(UTC)
    for one in dead:
        one.start(*_how(one.name, settings))
    wait_for("Airflow", lambda: is_well(settings, since=began if dead else None), processes(settings), seconds=180)
    return dead


def stop(settings: Settings) -> None:
    """End all of them and every task; the API server last, so that the others can still say goodbye to it.

    Asked politely, Airflow waits for running tasks as long as they take. Every task here may be killed and run again,
    so nobody has to wait for them.
    """
    server, *others = processes(settings)
    end(others, grace=5)
    end([server], grace=2)


def is_well(settings: Settings, since: datetime | None = None) -> bool:
    """Tell whether every part reports health, by a heartbeat after `since`: an old one may be a predecessor's."""
    try:
        health = AirflowApi(settings.airflow_url).health()
    except Unreachable:
        return False
    beating = all(
        health[part]["status"] == "healthy" and (since is None or _time(health[part][beat]) >= since)
        for part, beat in _HEARTBEATS.items()
    )
    return beating and workers.are_well(settings)


def unparsed(settings: Settings, api: AirflowApi) -> set[str]:
    """Give the DAG files that Airflow has neither read nor refused yet, by their path below the DAG folder.

    Not every file has a DAG for every estate, and Airflow keeps nothing of one that has none. One that it reads for the
    second time it has read.
    """
    wanted = {
        str(path.relative_to(settings.dags_dir))
        for path in settings.dags_dir.rglob("*.py")
        if _looks_like_dags(path.read_text(errors="replace"))
    }
    left = wanted - api.dag_files() - set(api.import_errors())
    return {file for file in left if _times_read(settings, file) < 2}


def create_pools(api: AirflowApi, slots: Iterable[tuple[str, int]]) -> None:
    """Make one pool for each store, `store_<name>`, so that all runs together ask no more of it than it bears."""
    for store, count in slots:
        api.set_pool(f"store_{store}", count, f"Tasks at work on the store {store} at one time.")


def _how(name: str, settings: Settings) -> tuple[list[str], dict[str, str]]:
    """Give a process's command and its environment."""
    airflow, environment = [sys.executable, "-m", "airflow"], settings.environment()
    if name in COMMANDS:
        return [*airflow, name, *COMMANDS[name]], environment
    return [*airflow, *workers.command(name)], environment | workers.own(name)


def _migrate(settings: Settings) -> None:
    log = settings.state_dir / "logs" / "migrate.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        command = [sys.executable, "-m", "airflow", "db", "migrate"]
        done = subprocess.run(command, env=settings.environment(), stdout=output, stderr=subprocess.STDOUT, cwd="/")
    if done.returncode != 0:
        raise Terminal(f"`airflow db migrate` failed. The end of {log}:\n{tail(log)}")


def _times_read(settings: Settings, file: str) -> int:
    """Count the readings of a DAG file that today's processor has begun, by the log that it keeps of each file."""
    try:
        began = process(settings, "dag-processor").record.stat().st_mtime
    except FileNotFoundError:
        return 0  # it died this moment
    logs = (airflow_home(settings) / "logs" / "dag_processor").glob(f"[0-9]*/dags-folder/{file}.log")
    lines = [json.loads(line) for log in logs for line in log.read_text().split("\n")[:-1] if _READS in line]
    return sum(_time(line["timestamp"]).timestamp() >= began for line in lines)


def _looks_like_dags(source: str) -> bool:
    """Tell what Airflow itself will try to read (its safe mode)."""
    return "dag" in source.lower() and "airflow" in source.lower()


def _time(stamp: str | None) -> datetime:
    return datetime.fromisoformat(stamp) if stamp else datetime.min.replace(tzinfo=UTC)


def use_connections() -> None:
    """Have Airflow's hooks find its connections in this process: ours, and those that were exported where `up` ran.

    A shell of the bad day is seldom the one in which Airflow was started.
    """
    settings = load()
    started = process(settings, "scheduler").environment()
    exported = {name: value for name, value in started.items() if name.startswith("AIRFLOW_CONN_")}
    os.environ.update({**exported, **settings.environment()})
