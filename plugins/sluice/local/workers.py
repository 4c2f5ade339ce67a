"""Celery's workers of this machine, in place of the scheduler's own: how many, how they are set, whether they are well.

Each calls itself `worker-1`, `worker-2`, …, in Celery and as the host of a task, so that one sees who had which task.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from sluice.local import venvs
from sluice.local.broker import Broker, program
from sluice.local.settings import Settings

LOCK = venvs.ROOT / "requirements-celery.txt"
PARALLELISM = 8
"""Tasks at one time, all workers together."""
_NAME = "SLUICE_WORKER"
_DAY = 24 * 60 * 60


def install() -> None:
    """Have what only workers need. Raises CannotInstall, and Terminal where there is no Redis."""
    program()
    venvs.ensure(venvs.VENV, LOCK)


def broker(settings: Settings) -> Broker:
    """Give our Redis."""
    return Broker(settings.state_dir / "redis", settings.ports.broker, settings.secrets["broker"])


def names(settings: Settings) -> list[str]:
    """Give the workers that there are: those asked for, and those of an earlier `up` that nobody ended."""
    records = (settings.state_dir / "run").glob("worker-*.pid")
    kept = max((int(record.stem.removeprefix("worker-")) for record in records), default=0)
    return [f"worker-{number}" for number in range(1, max(settings.workers, kept) + 1)]


def command(name: str) -> list[str]:
    """Give a worker's command, after `airflow`."""
    return ["celery", "worker", "--celery-hostname", name, "--skip-serve-logs"]


def own(name: str) -> dict[str, str]:
    """Give what a worker has in its environment beyond the others'."""
    return {_NAME: name, "AIRFLOW__CORE__HOSTNAME_CALLABLE": f"{__name__}.host"}


def host() -> str:
    """Give the name under which Airflow notes a task's host: on one machine, the machine's own would tell nothing."""
    return os.environ[_NAME]


def options(settings: Settings, metadata: str) -> dict[str, str]:
    """Give Airflow's settings for workers, none where there are none. `metadata` is the address of Airflow's database."""
    if not settings.workers:
        return {}
    return {
        "CORE__EXECUTOR": "CeleryExecutor",
        "CELERY__BROKER_URL": broker(settings).url,
        "CELERY__RESULT_BACKEND": f"db+{metadata}",
        "CELERY__WORKER_CONCURRENCY": str(concurrency(settings.workers)),
        # Redis hands out a task again that nobody has ended by then. A task of a dead worker is missed by its heartbeat, in
        # seconds; this is for longer than any task takes, or it would be handed out while it still runs.
        "CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": str(_DAY),
    }


def concurrency(workers: int) -> int:
    """Give how many tasks each takes at one time: when one dies, the others have room for all.

    So no task waits in the queue for long: one that waits ten minutes is taken for lost, and handed out again.
    """
    return -(-PARALLELISM // max(1, workers - 1))


def are_well(settings: Settings) -> bool:
    """Tell whether every worker answers through the queue."""
    if not settings.workers:
        return True
    from celery import Celery
    from kombu.exceptions import OperationalError

    with Celery(broker=broker(settings).url, set_as_current=False) as asking:
        try:
            answers: list[Mapping[str, object]] = asking.control.ping(timeout=1)
        except OperationalError:
            return False
    return set(names(settings)) <= {node.partition("@")[2] for answer in answers for node in answer}
