"""A run as a person waits for it: whom it waits for, what each task did, where it led, and what comes next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from difflib import get_close_matches
from typing import Any

from sluice.errors import Terminal
from sluice.local.airflow_api import AirflowApi, Refused, TaskState, WindowRun
from sluice.local.settings import Settings
from sluice.local.tables import table

FAMILY = "migrate__"
NEXT = {
    "verified": {"Cut over, with your yes": "cut_over"},
    "shadowing": {"Cut over, with your yes": "cut_over"},
    "cut_over": {"Go back, with every write since": "verified", "Be done with the old table": "retired"},
    "retired": {},
}
"""What a person may want next, by phase, and where to go for it."""
ONWARD = {"Copy and compare": "verified"}
PLANS = (
    "preflight.plan_way",
    "keep.make_partitions",
    "list_months",
    "configure_vault",
    "take_backup",
    "plan_promotion",
    "each.plan_scaling",
    "take_back",
)
"""Tasks whose log is the answer to a dry run."""
ANSWERS = ("restore_month", "restore_store", "verify_point", "each.simulate_scaling")
"""Tasks whose log is the answer to a run: what is back, where, and until when; how one comes back."""
BRANCH = "each."
"""What the tasks of a DAG begin with that there are once for each month."""
ARCHIVE = "archive_retention"
"""The DAG whose months have a ledger in their store."""
DIFFERENCES = ("rows_missing", "rows_extra", "rows_different")


@contextmanager
def naming_others(client: AirflowApi, dag_id: str) -> Iterator[None]:
    """Turn "not found" into the DAGs that there are. Raises Terminal."""
    try:
        yield
    except Refused as refusal:
        if refusal.status != 404:
            raise
        known = client.dag_ids()
        near = get_close_matches(dag_id, known, n=1)
        family = dag_id.partition("__")[0] + "__"
        meant = f": did you mean {near[0]}?" if near else "."
        raise Terminal(
            f"Airflow has no DAG {dag_id}{meant} There are: {', '.join([d for d in known if d.startswith(family)] or known)}."
            " What a file of include/estate was given becomes one within about ten seconds; what is wrong in it, ./sluice status"
            " says."
        ) from None


def wait(
    client: AirflowApi, settings: Settings, dag_id: str, run_id: str, look: Callable[[str], None], *, dry_run: bool
) -> bool:
    """Wait until a run is over, and print what it did; tell whether all went well. Meanwhile `look` is told its state."""
    state = client.wait_run(dag_id, run_id, look=look)
    tasks = _sorted(client, dag_id, client.tasks(dag_id, run_id))
    telling = {*ANSWERS, *(PLANS if dry_run else ())}
    for planned in (t for t in tasks if t.task_id in telling and t.state in ("success", "skipped")):
        # The last try: an earlier one may have met a lock.
        print(own_words(client.task_log(dag_id, run_id, planned.task_id, planned.map_index, planned.tries)))
    of_months = _months_told(tasks) if dag_id == ARCHIVE else ""
    done = [t for t in tasks if t.state not in ("skipped", "upstream_failed") and not (of_months and _is_told(t))]
    print(table(("task", "one of several", "state", "tries"), [(t.task_id, t.label, t.state, t.tries) for t in done]))
    if of_months:
        print(f"\n{of_months}")
    tell_red(client, dag_id, run_id)
    print(f"\n{dag_id}: {state}")
    if state == "success" and dag_id.startswith(FAMILY):
        from sluice.local.migrations import where_it_led

        name = dag_id.removeprefix(FAMILY)
        print(standing(name, *where_it_led(settings, name, run_id), dry_run=dry_run))
    return state == "success"


def _months_told(tasks: Sequence[TaskState]) -> str:
    from sluice.local.months import months_table

    listed = [t.label for t in tasks if t.task_id == "list_months" and t.state == "success"]
    return months_table(listed, {t.label for t in tasks if t.task_id.startswith(BRANCH)})


def _is_told(task: TaskState) -> bool:
    """Tell whether the table of months says all there is to say of a task."""
    return task.task_id.startswith(BRANCH) and task.state == "success"


def standing(name: str, phase: str, facts: Mapping[str, Any], *, dry_run: bool) -> str:
    """Say where a migration stands after a run, what was compared on the way, and what may be typed next."""
    lines = [f"{name} is {phase}."]
    if "rows_compared" in facts:
        differ = sum(facts.get(how, 0) for how in DIFFERENCES)
        lines[0] += f" Last comparison: {facts['rows_compared']:,} rows compared, {differ:,} differ."
    if dry_run:
        lines.append("A dry run: nothing was changed.")
    for what, to_phase in NEXT.get(phase, ONWARD).items():
        waited = " --wait" if to_phase == "verified" else ""  # the others ask a person on the way
        lines.append(f"""{what}: ./sluice run {FAMILY}{name} --conf '{{"to_phase": "{to_phase}"}}'{waited}""")
    return "\n".join(lines)


def window_left_out(runs: Sequence[WindowRun], last: datetime) -> str:
    """Say that the window of `last`, a window's start as it was asked for, has no run: it is not over. Empty where it has one."""
    end = runs[-1].end if runs else None
    if end is None or end > last:
        return ""
    return f"Left out: the window from {end:%Y-%m-%d %H:%M} UTC, which is not over. It can be asked for once it is."


def tell_red(client: AirflowApi, dag_id: str, run_id: str) -> None:
    """Print what each failed task of a run said at its end."""
    for red in (task for task in client.tasks(dag_id, run_id) if task.state == "failed"):
        log = client.task_log(dag_id, run_id, red.task_id, red.map_index, red.tries)
        print(f"\n{red.task_id} said at the end:\n{own_words(log)[-6000:]}")


def _sorted(client: AirflowApi, dag_id: str, tasks: list[TaskState]) -> list[TaskState]:
    """In the graph's order; what an older form of the DAG had comes last."""
    places = {task_id: place for place, task_id in enumerate(client.task_order(dag_id))}
    return sorted(tasks, key=lambda task: (places.get(task.task_id, len(places)), task.map_index))


def own_words(log: str) -> str:
    """Give a task's log without what Airflow says of itself before and after: whole groups of lines.

    A group that does not end is kept: there Airflow broke off, and its words are the reason.
    """
    said: list[str] = []
    group: list[str] = []
    for line in log.splitlines():
        if "::endgroup::" in line:
            group = []
        elif "::group::" in line:
            said += group[1:]
            group = [line]
        elif group:
            group.append(line)
        else:
            said.append(line)
    return "\n".join(said + group[1:])
