"""Commands on Airflow: start runs, answer what they ask, run past windows again. Each gives its exit code."""

from __future__ import annotations

import argparse
from typing import Any

from sluice.local.tables import table


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
