"""Makes docs/reference/dags.md of the DAGs as Airflow reads them: when each runs, and what its form asks.

One section a file: of a file that makes one DAG for each store or migration, the parameters of all of them are put together, and
those that only some have say which. `ESTATE` has a store of every sort, named after it. What each DAG is for, and what to do
when it is red, its own page in Airflow says. `python -m sluice.local.reference` writes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluice.flow.forms import GOALS

if TYPE_CHECKING:
    from airflow.sdk import DAG
    from airflow.sdk.definitions.param import Param

PAGE = Path("docs/reference/dags.md")
ROOMS = ("migration", "backfill", "validation", "upkeep", "safety", "insight")
"""The tags that say where a DAG belongs, in the order of the page; each has one of them."""
TITLES = {
    "migration": "Move",
    "backfill": "Move",
    "validation": "Prove",
    "upkeep": "Keep",
    "safety": "Back up, restore, fail over",
    "insight": "Know",
}
ESTATE = """
  physical: {engine: postgres, connection: a, rto: 1h, rpo: 5m, backup: {by: physical, connection: a}}
  logical: {engine: postgres, connection: a, rto: 1h, rpo: 1d, backup: {by: logical, connection: a}}
  pgbackrest: {engine: postgres, connection: a, rto: 1h, rpo: 5m, backup: {by: pgbackrest, connection: a, stanza: a}}
  neon: {engine: postgres, connection: a, rto: 1h, rpo: 1d, backup: {by: neon, connection: a, service: neon, project: a}}
  rds:
    engine: postgres
    connection: a
    rto: 1h
    rpo: 1h
    backup: {by: rds, connection: a, service: aws, instance: a, region: eu-west-1}
  documents: {engine: dynamodb, connection: a, rto: 1h, rpo: 5m, backup: {by: documents, connection: a, tables: [abc]}}
  service: {engine: dynamodb, connection: a, rto: 1h, rpo: 1h, backup: {by: service, connection: a, tables: [abc]}}
"""
"""What is added to the sample's stores, so that every DAG that there can be is there."""
HEAD = """<!-- Made of dags/ by `python -m sluice.local.reference`. -->

# Every DAG, and what it asks

`NAME` is a store's or a migration's: there is one DAG for each. Times are UTC; of a store's backups and drills they are those of
its file (`at`, `drill_at`), here without any. What a DAG is for in full, what it can never do, and what red means stands in
Airflow, on the DAG's own page. Trigger it there, or from a shell:

```sh
./sluice run restore_archive --conf '{"dataset": "orders", "month": "2025-04", "days": 14}' --wait
```
"""
DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")


def dags_page(dags: Sequence[DAG]) -> str:
    """Give the page as Markdown, of all DAGs of the project's files."""
    ordered = sorted(dags, key=lambda dag: (ROOMS.index(_room(dag)), dag.fileloc, dag.dag_id))
    titled = groupby(ordered, key=lambda dag: TITLES[_room(dag)])
    return "\n".join((HEAD, *(_section(title, list(found)) for title, found in titled)))


def _section(title: str, dags: Sequence[DAG]) -> str:
    families = groupby(dags, key=lambda dag: dag.fileloc)
    return "\n".join((f"## {title}\n", *(_family(list(family)) for _, family in families)))


def _room(dag: DAG) -> str:
    (found,) = (tag for tag in ROOMS if tag in dag.tags)
    return found


def _family(dags: Sequence[DAG]) -> str:
    first = dags[0]
    name = re.sub(r"(?<=__)\w+$", "NAME", first.dag_id)
    told = (first.doc_md or "").strip().partition("\n\n")[0].replace("\n", " ")
    whens = {_when(dag.schedule) for dag in dags}
    facts = f"`dags/{Path(first.fileloc).name}` · tag `{_room(first)}` · {whens.pop() if len(whens) == 1 else 'as the file says'}"
    return "\n".join((f"### `{name}`\n", f"{told}\n", f"{facts}\n", *_form(dags)))


def _form(dags: Sequence[DAG]) -> Iterator[str]:
    asked: dict[str, list[DAG]] = {}
    for dag in dags:
        for name in dag.params:
            asked.setdefault(name, []).append(dag)
    if not asked:
        yield "It asks nothing.\n"
        return
    yield "| parameter | allowed | without it | |\n|---|---|---|---|"
    for name, having in asked.items():
        some = [dag.dag_id.rpartition("__")[2] for dag in having] if len(having) < len(dags) else []
        yield _row(name, [dag.params.get_param(name) for dag in having], some)
    yield ""


def _row(name: str, params: Sequence[Param], some: Sequence[str]) -> str:
    param = max(params, key=lambda one: len(one.schema.get("enum", ())))
    told = f"**{param.schema['title']}.** {param.description or ''}".strip()
    differs = any(one.schema.get("enum") != param.schema.get("enum") for one in params)
    told += " Which of these there are, the store's form says." if differs else ""
    only = f" Of {', '.join(f'`{one}`' for one in some)} alone." if some else ""
    cells = (f"`{name}`", _allowed(param.schema), _default(param), told + only)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|').replace('<', '&lt;') for cell in cells)} |"


def _allowed(schema: Mapping[str, Any]) -> str:
    if schema.get("enum"):
        return "a phase, or `onward`" if schema["enum"] == GOALS else ", ".join(f"`{one}`" for one in schema["enum"])
    (kind,) = [one for one in _types(schema) if one != "null"]
    if "minimum" in schema and "maximum" in schema:
        return f"{kind}, {schema['minimum']:,} to {schema['maximum']:,}"
    return (
        f"text like `{schema['pattern']}`"
        if "pattern" in schema
        else {"string": "text", "boolean": "yes or no"}.get(kind, kind)
    )


def _types(schema: Mapping[str, Any]) -> list[str]:
    kinds = schema.get("type", "string")
    return [kinds] if isinstance(kinds, str) else list(kinds)


def _default(param: Param) -> str:
    if not param.has_value:
        return "none" if "null" in _types(param.schema) else "**required**"
    value = param.value
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _when(schedule: Any) -> str:
    """Say a schedule in words; a cron that is none of these is told as it is."""
    if schedule is None:
        return "when it is triggered"
    if schedule == "@continuous":
        return "always: each run as the one before it ends"
    cron = str(schedule.expression)
    if found := re.fullmatch(r"\*/(\d+) \* \* \* \*", cron):
        return f"every {found[1]} minutes"
    if found := re.fullmatch(r"(\d+) \* \* \* \*", cron):
        return f"every hour, {int(found[1])} minutes past"
    if found := re.fullmatch(r"(\d+) (\d+) (1|\*) \* (\d|\*)", cron):
        day = (
            "on the first of each month"
            if found[3] == "1"
            else f"each {DAYS[int(found[4])]}"
            if found[4] != "*"
            else "every day"
        )
        return f"{day}, {int(found[2]):02}:{int(found[1]):02}"
    return f"`{cron}`"
