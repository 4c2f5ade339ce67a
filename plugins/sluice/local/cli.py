"""The command line: one small function for each command, each giving its exit code."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sluice.errors import SluiceError, Terminal, Transient
from sluice.local import venvs
from sluice.local.demo.options import add_options, chosen_options
from sluice.local.settings import USERS
from sluice.local.tables import table

SETTINGS = (
    "Settings, as variables of the environment: SLUICE_PORT, SLUICE_PG_PORT, SLUICE_S3_PORT, SLUICE_DYNAMODB_PORT (ports),"
    " SLUICE_STATE_DIR (where the data is), SLUICE_DAGS_DIR, SLUICE_PG_BIN. docs/howto/run-it-here.md explains each."
)
_STORES = {"certify": "certify", "ledger": "sluice", "airflow": "airflow"}


def main(arguments: Sequence[str]) -> int:
    """Run one command; give the exit code."""
    chosen = _parser().parse_args(arguments)
    try:
        return int(chosen.command(chosen))
    except (SluiceError, venvs.CannotInstall) as problem:
        again = " This command has ended: run it again." if isinstance(problem, Transient) else ""
        print(f"sluice: {problem}{again}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\nsluice: {chosen.name} was interrupted. {chosen.interrupted}".rstrip(), file=sys.stderr)
        return 130


def up(chosen: argparse.Namespace) -> int:
    """Start PostgreSQL, S3, DynamoDB and Airflow, and say where."""
    from sluice.local import machine

    settings = machine.up()
    print(f"Airflow   {settings.airflow_url}")
    for user in USERS:
        print(f"          {user:9} {settings.password(user)}")
    print(f"S3        {settings.vault_url}        connection s3_vault")
    print(f"DynamoDB  {settings.documents_url}        connection dynamodb_tyler")
    if not _tell_mistakes():
        for connection, store in machine.lacking_connections(settings).items():
            print(
                f"Lacking   connection {connection} of store {store}: what needs it fails. Add it (Admin → Connections), or"
                f" export AIRFLOW_CONN_{connection.upper()}=… , ./sluice down and ./sluice up"
            )
    print(f"Stop      ./sluice down        Look  ./sluice status        SQL  ./sluice psql [{'|'.join(_STORES)}]")
    return 0


def down(chosen: argparse.Namespace) -> int:
    """End every process; data stays."""
    from sluice.local import machine

    settings = machine.down()
    print(f"Everything is down. Its data stays in {settings.state_dir}.")
    return 0


def status(chosen: argparse.Namespace) -> int:
    """Say what runs, what died, and what the dead said last. Exit code 0 when all of it runs, and the estate has no mistake."""
    from sluice.local import machine
    from sluice.stores.cluster import tail

    parts = machine.status()
    rows = [(part.name, _state(part), part.pid or "", part.log) for part in parts]
    print(table(("part", "state", "pid", "log"), rows))
    dead = [part for part in parts if part.pid is None and part.died]
    for part in dead:
        print(f"\n{part.name} died. The end of {part.log}:\n{tail(part.log)}")
    if dead:
        print("\n`./sluice up` starts what is dead and leaves the rest alone.")
    if parts[0].pid:  # PostgreSQL, which has the ledger
        _tell_migrations()
    mistaken = _tell_mistakes()
    return 0 if all(part.pid for part in parts) and not mistaken else 1


def _tell_migrations() -> None:
    from sluice.local.migrations import standing_table
    from sluice.local.settings import load

    if told := standing_table(load()):
        print(f"\n{told}")


def run(chosen: argparse.Namespace) -> int:
    """Start one run of a DAG, and wait for it when asked to."""
    from sluice.local import runs
    from sluice.local.progress import Watch

    client, settings = _client()
    with runs.naming_others(client, chosen.dag_id):
        run_id = client.trigger(chosen.dag_id, chosen.conf)
    print(address := f"{settings.airflow_url}/dags/{chosen.dag_id}/runs/{run_id}", flush=True)
    if not chosen.wait:
        return 0
    watch = Watch(client, settings, chosen.dag_id, run_id, say=lambda told: print(f"  {told}", flush=True))
    dry_run = bool(chosen.conf.get("dry_run"))
    try:
        return 0 if runs.wait(client, settings, chosen.dag_id, run_id, watch.look, dry_run=dry_run) else 1
    except KeyboardInterrupt:
        chosen.interrupted = "\n  ".join([f"{chosen.interrupted} {address}", *watch.waits])
        raise


def questions(chosen: argparse.Namespace) -> int:
    """List the questions that wait for a person, and how each is answered."""
    from sluice.local.questions import list_questions

    print(list_questions(_client()[0], chosen.dag_id, whole=chosen.whole))
    return 0


def answer(chosen: argparse.Namespace) -> int:
    """Answer a question that waits, or all that its run asks alike. Airflow keeps who answered."""
    from sluice.local import questions as asked

    client = _client(chosen.user)[0]
    took = asked.answer(client, chosen.id, chosen.word, every=chosen.all, agreed=_agreed, say=print)
    return 0 if took else 1


def backfill(chosen: argparse.Namespace) -> int:
    """Run a DAG over past windows, wait, and show each."""
    from sluice.local import runs as told

    client, settings = _client()
    with told.naming_others(client, chosen.dag_id):
        number = client.create_backfill(chosen.dag_id, chosen.start, chosen.end, chosen.reprocess)
    print(f"Backfill {number} of {chosen.dag_id}: {settings.airflow_url}/dags/{chosen.dag_id}/backfills")
    client.wait_backfill(chosen.dag_id, number)
    runs = client.runs(chosen.dag_id, chosen.start, chosen.end)
    print(table(("from", "to", "state", "run"), [(r.start or "", r.end or "", r.state, r.run_id) for r in runs]))
    if left_out := told.window_left_out(runs, chosen.end):
        print(left_out)
    if reds := [one for one in runs if one.state == "failed"]:
        told.tell_red(client, chosen.dag_id, reds[0].run_id)
        print(f"\n{len(reds)} of {len(runs)} windows failed; this is the first of them, {reds[0].run_id}.")
    if chosen.dag_id.startswith("backfill_window__"):
        from sluice.local.migrations import windows_table

        print(f"\n{windows_table(settings, chosen.dag_id.removeprefix('backfill_window__'))}")
    return 0 if runs and all(one.state == "success" for one in runs) else 1


def test(chosen: argparse.Namespace) -> int:
    """Run rings of tests, random schedules of faults, or everything there is."""
    from sluice.local import rings

    venvs.ensure_project(development=True)
    if chosen.all:
        return 0 if rings.run_all(rings.seed_or_any(chosen.seed), chosen.minutes or rings.MINUTES) else 1
    if chosen.seed is not None or chosen.minutes is not None:
        if chosen.rings not in ([], ["chaos"]):
            raise Terminal("--seed and --minutes are of the ring chaos: ./sluice test chaos --seed 7 --minutes 5")
        return 0 if rings.run_random(rings.seed_or_any(chosen.seed), chosen.minutes or 1.0) else 1
    return 0 if rings.run_rings(chosen.rings or tuple(rings.BUDGETS)) else 1


def lint(chosen: argparse.Namespace) -> int:
    """Check style, layout, types and the estate's files; say everything that is wrong, not only the first."""
    venvs.ensure_project(development=True)
    tools = (("ruff", "check"), ("ruff", "format", "--check"), ("mypy",))
    codes = [subprocess.run([sys.executable, "-m", *tool], cwd=venvs.ROOT).returncode for tool in tools]
    return max(*codes, int(_tell_mistakes()))


def bench(chosen: argparse.Namespace) -> int:
    """Run one benchmark."""
    from sluice.local.benches import run_bench

    print(run_bench(chosen.benchmark, chosen.json))
    return 0


def psql(chosen: argparse.Namespace) -> int:
    """Become psql in one of the databases, as the role that Sluice works as there."""
    from psycopg.conninfo import conninfo_to_dict

    from sluice.local.settings import load
    from sluice.stores.binaries import binaries

    told = conninfo_to_dict(load().dsn(_STORES[chosen.store]))
    names = {"host": "PGHOST", "port": "PGPORT", "dbname": "PGDATABASE", "user": "PGUSER", "password": "PGPASSWORD"}
    # In the environment, not in the arguments: those anyone on the machine can read.
    environment = {**os.environ, **{names[key]: str(value) for key, value in told.items()}}
    os.execve(binaries() / "psql", ["psql", *chosen.arguments], environment)


def abort(chosen: argparse.Namespace) -> int:
    """Take a migration back from anywhere before its cutover; needs no scheduler."""
    from sluice.local.abort import abort_migration

    print(abort_migration(chosen.migration))
    return 0


def quarantine(chosen: argparse.Namespace) -> int:
    """List what waits in quarantine of a migration: keys, and why."""
    from sluice.local.quarantine import list_quarantine

    print(list_quarantine(chosen.migration, chosen.most))
    return 0


def replicate(chosen: argparse.Namespace) -> int:
    """Deliver the changes of a migration on DynamoDB until it is stopped, with a lag below a second."""
    from sluice.local import replicate as replicating

    replicating.replicate(chosen.migration, chosen.seconds)
    return 0


def simulate(chosen: argparse.Namespace) -> int:
    """Foresee two years of what the archive would do to a table: what goes, what is held, what stays. Changes nothing."""
    from sluice.local import simulate as foreseeing

    print(foreseeing.simulate(chosen.dataset, chosen.svg))
    return 0


def safety(chosen: argparse.Namespace) -> int:
    """Say what would be, if a store died now; of one alone also what is kept. Exit code 0 when all is as it was promised."""
    from sluice.local import safety as asked

    found = asked.exposures(chosen.store)
    print(asked.told(found))
    if chosen.store and (lines := asked.kept(chosen.store)):
        print(f"\n{asked.kept_told(lines)}")
    return 1 if any(one.warnings for one in found) else 0


def runbooks(chosen: argparse.Namespace) -> int:
    """Write what to do when a region is gone, data is wrong, a store is slow or somebody was in: with this estate's own names."""
    from sluice.local.safety import write_runbooks

    print("\n".join(str(path) for path in write_runbooks(chosen.folder)))
    return 0


def init_migration(chosen: argparse.Namespace) -> int:
    """Write a migration's YAML from what the catalogue says of a table, and say what preflight thinks of it."""
    from sluice.local import init_migration as drafts

    path, found = drafts.init_migration(venvs.ROOT, chosen.table, chosen.into, drafts.airflow_connection)
    for finding in found:
        print(f"  - {finding}")
    said, code = drafts.closing(str(path.relative_to(venvs.ROOT)), path.stem, found)
    print(f"\n{said}")
    return code


def demo(chosen: argparse.Namespace) -> int:
    """Show what Sluice does, on this machine, with live writers."""
    from sluice.local.demo.command import main as show

    return show(chosen_options(chosen))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./sluice", description="Sluice on this machine.")
    commands = parser.add_subparsers(required=True, metavar="command", dest="name")

    def add(command: Any, interrupted: str = "") -> argparse.ArgumentParser:
        name = command.__name__.replace("_", "-")
        made = commands.add_parser(name, help=command.__doc__, description=command.__doc__)
        made.set_defaults(command=command, interrupted=interrupted)
        return made

    add_options(add(demo, "Run it again: it begins afresh. `./sluice status` says what still runs."))
    add(up, "What has started keeps running: `./sluice up` goes on, `./sluice down` ends it.").epilog = SETTINGS
    add(down, "Some of it may still run: `./sluice down` again.")
    add(status)
    _add_dag_arguments(add(run, "The run goes on in Airflow."), add(backfill, "The backfill goes on in Airflow."))
    asked = add(questions)
    asked.add_argument("dag_id", nargs="?", help="of this DAG alone")
    asked.add_argument("--whole", action="store_true", help="with all of what each says")
    answered = add(answer, "What was answered is answered: `./sluice questions` says what waits.")
    answered.add_argument("id", help="of a question, as ./sluice questions lists it")
    answered.add_argument("word", metavar="approve|reject")
    answered.add_argument(
        "--all", action="store_true", help="all that its run asks alike, once you say yes to the list"
    )
    answered.add_argument("--user", choices=USERS, default="admin", help="who answers (admin)")
    add(abort).add_argument("migration", help="a file of include/estate/migrations, without .yaml")
    waiting = add(quarantine)
    waiting.add_argument("migration", help="a file of include/estate/migrations, without .yaml")
    waiting.add_argument("--most", type=int, default=50, help="so many at most")
    followed = add(replicate, "Every place it reached is kept: replicate_changes goes on there.")
    followed.add_argument("migration", help="a file of include/estate/migrations, without .yaml")
    followed.add_argument("--seconds", type=float, default=float("inf"), help="stop after so long")
    foreseen = add(simulate)
    foreseen.add_argument(
        "dataset", nargs="?", help="a file of include/estate/datasets, without .yaml; without it, all that are archived"
    )
    foreseen.add_argument("--svg", type=Path, metavar="FILE", help="also draw it here")
    add(safety).add_argument(
        "store", nargs="?", help="of include/estate/estate.yaml; without it, all that are backed up"
    )
    add(runbooks).add_argument("folder", type=Path, help="where they are written; made where it is missing")
    drafted = add(init_migration)
    drafted.add_argument("table", metavar="STORE.SCHEMA.TABLE", help="a table of a store of include/estate/estate.yaml")
    drafted.add_argument("--into", required=True, metavar="SHAPE", help="monthly:COLUMN, hash:COLUMN:PARTS, plain …")
    _add_test_arguments(add(test))
    add(lint)
    one = add(bench)
    one.add_argument("benchmark", help="a file of benchmarks/, without .py")
    one.add_argument("--json", type=Path, metavar="FILE", help="also write the result here")
    shell = add(psql)
    shell.add_argument("store", nargs="?", choices=_STORES, default="certify")
    shell.add_argument("arguments", nargs=argparse.REMAINDER, help="for psql, such as -c 'SELECT 1'")
    return parser


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


def _agreed(question: str) -> bool:
    """Ask at the terminal; where nobody sits at one, nobody has agreed."""
    try:
        return input(question).strip().casefold() == "yes"
    except EOFError:
        print()
        return False


def _client(user: str = "admin") -> tuple[Any, Any]:
    from sluice.local import machine
    from sluice.local.settings import load

    settings = load()
    return machine.api(settings, user), settings


def _tell_mistakes() -> bool:
    """Print what is wrong in the estate's files; tell whether anything is."""
    from sluice.estate import EstateErrors, read_estate

    wrong: list[object] = []
    for read in (read_estate, _read_rules):
        try:
            read(venvs.ROOT)
        except EstateErrors as found:
            wrong += [mistake for mistake in found.mistakes if mistake not in wrong]
    if wrong:
        print(
            "\nMistakes in the estate's files (a broken one stands still until it is mended; of two for one table none begins):"
        )
        print("\n".join(f"  {mistake}" for mistake in wrong))
    return bool(wrong)


def _read_rules(root: Path) -> object:
    from sluice.estate import read_stores
    from sluice.insight.health.rules import read_rules

    return read_rules(root, read_stores(root).stores)


def _state(part: Any) -> str:
    return "runs" if part.pid else "died" if part.died else "is down"


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
