"""The command line: which commands there are, what each takes, and what is said when one cannot go on.

What a command does is in `commands/`, one small function for each.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sluice.errors import SluiceError, Transient
from sluice.local import venvs
from sluice.local.commands import developing, estate, machine, runs
from sluice.local.demo.options import add_options
from sluice.local.settings import USERS

SETTINGS = (
    "Settings, as variables of the environment: SLUICE_PORT, SLUICE_PG_PORT, SLUICE_S3_PORT, SLUICE_DYNAMODB_PORT (ports),"
    " SLUICE_WORKERS (how many have its tasks), SLUICE_REDIS_PORT and SLUICE_REDIS (what they need),"
    " SLUICE_STATE_DIR (where the data is), SLUICE_DAGS_DIR, SLUICE_PG_BIN. docs/howto/run-it-here.md explains each."
)
MIGRATION = "a file of include/estate/migrations, without .yaml"


def main(arguments: Sequence[str]) -> int:
    """Run one command; give the exit code."""
    chosen = _parser().parse_args(["--help"] if list(arguments) == ["help"] else arguments)
    try:
        return int(chosen.command(chosen))
    except (SluiceError, venvs.CannotInstall) as problem:
        again = " This command has ended: run it again." if isinstance(problem, Transient) else ""
        print(f"sluice: {problem}{again}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\nsluice: {chosen.name} was interrupted. {chosen.interrupted}".rstrip(), file=sys.stderr)
        return 130


Add = Callable[..., argparse.ArgumentParser]
"""Adds a command by its function, whose name and docstring are its name and help; `interrupted` is said after Ctrl-C."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./sluice", description="Sluice on this machine.")
    commands = parser.add_subparsers(required=True, metavar="command", dest="name")

    def add(command: Any, interrupted: str = "") -> argparse.ArgumentParser:
        name = command.__name__.replace("_", "-")
        made = commands.add_parser(name, help=command.__doc__, description=command.__doc__)
        made.set_defaults(command=command, interrupted=interrupted)
        return made

    add_options(add(developing.demo, "Run it again: it begins afresh. `./sluice status` says what still runs."))
    _add_machine(add)
    _add_runs(add)
    _add_estate(add)
    _add_developing(add)
    return parser


def _add_machine(add: Add) -> None:
    add(machine.up, "What has started keeps running: `./sluice up` goes on, `./sluice down` ends it.").epilog = SETTINGS
    add(machine.down, "Some of it may still run: `./sluice down` again.")
    standing = add(machine.status)
    standing.add_argument("page", nargs="?", help="a page of the console: estate, migrations, quality …")
    standing.add_argument("--json", action="store_true", help="as JSON, all pages or one")
    shell = add(machine.psql)
    shell.add_argument("store", nargs="?", choices=machine.STORES, default="certify")
    shell.add_argument("arguments", nargs=argparse.REMAINDER, help="for psql, such as -c 'SELECT 1'")


def _add_runs(add: Add) -> None:
    _add_dag_arguments(
        add(runs.run, "The run goes on in Airflow."), add(runs.backfill, "The backfill goes on in Airflow.")
    )
    asked = add(runs.questions)
    asked.add_argument("dag_id", nargs="?", help="of this DAG alone")
    asked.add_argument("--whole", action="store_true", help="with all of what each says")
    answered = add(runs.answer, "What was answered is answered: `./sluice questions` says what waits.")
    answered.add_argument("id", help="of a question, as ./sluice questions lists it")
    answered.add_argument("word", metavar="approve|reject")
    answered.add_argument(
        "--all", action="store_true", help="all that its run asks alike, once you say yes to the list"
    )
    answered.add_argument("--user", choices=USERS, default="admin", help="who answers (admin)")


def _add_estate(add: Add) -> None:
    add(estate.abort).add_argument("migration", help=MIGRATION)
    waiting = add(estate.quarantine)
    waiting.add_argument("migration", help=MIGRATION)
    waiting.add_argument("--most", type=int, default=50, help="so many at most")
    followed = add(estate.replicate, "Every place it reached is kept: replicate_changes goes on there.")
    followed.add_argument("migration", help=MIGRATION)
    followed.add_argument("--seconds", type=float, default=float("inf"), help="stop after so long")
    drafted = add(estate.init_migration)
    drafted.add_argument("table", metavar="STORE.SCHEMA.TABLE", help="a table of a store of include/estate/estate.yaml")
    drafted.add_argument("--into", required=True, metavar="SHAPE", help="monthly:COLUMN, hash:COLUMN:PARTS, plain …")
    foreseen = add(estate.simulate)
    foreseen.add_argument(
        "dataset", nargs="?", help="a file of include/estate/datasets, without .yaml; without it, all that are archived"
    )
    foreseen.add_argument("--svg", type=Path, metavar="FILE", help="also draw it here")
    add(estate.safety).add_argument(
        "store", nargs="?", help="of include/estate/estate.yaml; without it, all that are backed up"
    )
    add(estate.metrics)
    add(estate.runbooks).add_argument("folder", type=Path, help="where they are written; made where it is missing")


def _add_developing(add: Add) -> None:
    _add_test_arguments(add(developing.test))
    add(developing.lint)
    add(developing.docs)
    one = add(developing.bench)
    one.add_argument("benchmark", help="a file of benchmarks/, without .py")
    one.add_argument("--json", type=Path, metavar="FILE", help="also write the result here")


def _add_dag_arguments(run: argparse.ArgumentParser, backfill: argparse.ArgumentParser) -> None:
    for one in (run, backfill):
        one.add_argument("dag_id")
    run.add_argument("--conf", type=_parameters, default={}, metavar="JSON", help="the run's parameters")
    run.add_argument("--wait", action="store_true", help="until it is over; fail when it fails")
    backfill.add_argument(
        "--from", dest="start", type=_date, required=True, metavar="DATE", help="first window's start"
    )
    backfill.add_argument("--to", dest="end", type=_date, required=True, metavar="DATE", help="last window's start")
    backfill.add_argument(
        "--reprocess", choices=("none", "failed", "completed"), default="completed", help="windows to run again"
    )


def _add_test_arguments(parser: argparse.ArgumentParser) -> None:
    from sluice.local.rings import BEYOND, BUDGETS

    known = ", ".join((*BUDGETS, *BEYOND))

    def ring(name: str) -> str:
        if name not in BUDGETS | BEYOND:
            raise argparse.ArgumentTypeError(f"no ring {name!r}: choose from {known}")
        return name

    parser.add_argument(
        "rings", nargs="*", type=ring, metavar="ring", help=f"of {known}; without: {', '.join(BUDGETS)}"
    )
    parser.add_argument("--seed", metavar="N[:M]", help="random schedules of faults; with :M, schedule M of them alone")
    parser.add_argument("--minutes", type=float, metavar="M", help="begin schedules for so long (1)")
    parser.add_argument("--all", action="store_true", help="all rings, other versions of PostgreSQL, random schedules")


def _parameters(text: str) -> dict[str, Any]:
    """Read a run's parameters."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f'is no JSON ({error}): write \'{{"to_phase": "verified"}}\'') from None
    if not isinstance(found, dict):
        raise argparse.ArgumentTypeError('is no object: write \'{"to_phase": "verified"}\'')
    return found


def _date(text: str) -> datetime:
    """Read a date or a moment; without a zone it is UTC."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
