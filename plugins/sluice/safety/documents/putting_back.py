"""What a restore leaves out of a table's settings is put back: planned, printable, and done in an order that harms nothing.

What a drill must not do to those who live is planned as well, and left: named, with the reason.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sluice.safety.documents.scratch import table_under
from sluice.safety.documents.settings import Entry, Settings, read_settings, unnamed
from sluice.safety.documents.tables import Clients, Tables
from sluice.safety.driver import Tell
from sluice.stores.aws import code_of
from sluice.stores.dynamodb.applying import TableNotReady
from sluice.stores.dynamodb.backups import UNKNOWN
from sluice.stores.dynamodb.client import speaking

LEFT_IN_A_DRILL = {
    "kinesis destination": "a copy would tell its changes to those who read the original's",
    "replica": "a copy in other regions costs what the original does",
    "alarm actions": "nobody is to be called for a copy: its alarms are there, and their actions are off",
}
LEFT = {
    "replica": "whether it is global again is a person's choice: add the regions when it has taken the original's place"
}


@dataclass(frozen=True)
class Step:
    """One call that puts something back."""

    kind: str
    service: str
    """Of `Clients`."""
    call: str
    parameters: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.kind}: {self.call} {json.dumps(dict(self.parameters), default=str, ensure_ascii=False)}"


@dataclass(frozen=True)
class PutBack:
    """What is put back, in order, and what is not."""

    steps: tuple[Step, ...]
    left: tuple[str, ...]
    """Each with its reason."""


def plan_put_back(was: Settings, copy: Settings, *, drill: bool) -> PutBack:
    """Compare, and give what the copy lacks. Pure. `drill`: nothing is done that reaches beyond the copy."""
    refused = LEFT_IN_A_DRILL if drill else LEFT
    steps: list[Step] = []
    left = [f"{kind}: {refused[kind]}" for kind in refused if was.of(kind)]
    for kind, make in _HOW.items():
        there = {json.dumps(unnamed(one, copy.table, copy.arn), sort_keys=True) for one in copy.of(kind)}
        wanted = [
            one for one in was.of(kind) if json.dumps(unnamed(one, was.table, was.arn), sort_keys=True) not in there
        ]
        if wanted and kind not in refused:
            steps += (make(renamed(one, was, copy), copy, drill) for one in wanted)
    if drill and was.of("alarm"):
        left.append(f"alarm actions: {LEFT_IN_A_DRILL['alarm actions']}")
    return PutBack(tuple(steps), tuple(left))


def put_back(clients: Clients, table: str, plan: PutBack, seconds: float = 600) -> None:
    """Do it. Safe to repeat: what is there by then is not planned. Raises TableNotReady, DynamoRefused, AccessDenied."""
    for step in plan.steps:
        with speaking(f"put back ({step.kind}) on", table):
            try:
                getattr(getattr(clients, step.service), step.call)(**step.parameters)
            except Exception as error:
                if code_of(error) not in UNKNOWN:
                    raise
        if step.call == "update_table":
            wait_until_active(clients.dynamodb, table, seconds)


def put_back_all(tables: Tables, name: str, was: Sequence[Settings], *, drill: bool, tell: Tell) -> PutBack:
    """Put back on every copy of a name what was set of its original; gives what was done, and what was left.

    Safe to repeat. Raises NotScratch, TableNotReady, DynamoRefused, AccessDenied.
    """
    steps, left = list[Step](), list[str]()
    for one in was:
        copy = table_under(name, one.table)
        plan = plan_put_back(one, read_settings(tables.clients, copy), drill=drill)
        put_back(tables.clients, copy, plan)
        for step in plan.steps:
            tell(f"{tables.store}: put back on {copy}: {step}")
        steps, left = [*steps, *plan.steps], [*left, *(f"{one.table} {reason}" for reason in plan.left)]
    return PutBack(tuple(steps), tuple(left))


def wait_until_active(client: Any, table: str, seconds: float = 600) -> None:
    """Wait until a table and its indexes are active. Raises TableNotReady."""
    deadline, pause = time.monotonic() + seconds, 0.05
    while True:
        with speaking("describe", table):
            told = client.describe_table(TableName=table)["Table"]
        indexes = [one.get("IndexStatus", "ACTIVE") for one in told.get("GlobalSecondaryIndexes") or []]
        if {told["TableStatus"], *indexes} == {"ACTIVE"}:
            return
        if time.monotonic() > deadline:
            raise TableNotReady(
                f"Table {table} is {told['TableStatus']} still. Run it again: what is done is left alone."
            )
        time.sleep(pause)
        pause = min(2 * pause, 5.0)


def renamed(value: Any, was: Settings, copy: Settings) -> Any:
    """Put the copy in the original's place, wherever that is named. Pure."""
    if isinstance(value, Mapping):
        return {name: renamed(one, was, copy) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [renamed(one, was, copy) for one in value]
    if not isinstance(value, str):
        return value
    text = value.replace(was.arn, copy.arn).replace(f"table/{was.table}", f"table/{copy.table}")
    if text.startswith(f"{was.table}/"):
        return f"{copy.table}/{text.removeprefix(f'{was.table}/')}"
    return copy.table if text == was.table else text


def settings_lines(settings: Settings, *, drill: bool) -> Iterator[tuple[str, str]]:
    """Give kind and text of all that an original and its copy must say alike."""
    for kind, text in settings.lines():
        if not (drill and kind in LEFT_IN_A_DRILL):
            yield kind, _without_actions(text) if drill and kind == "alarm" else text


def _without_actions(text: str) -> str:
    told = json.loads(text)
    told.pop("ActionsEnabled", None)
    return json.dumps(told, sort_keys=True, ensure_ascii=False)


def _updated(kind: str, parameters: Callable[[Entry], Entry]) -> Callable[[Entry, Settings, bool], Step]:
    return lambda entry, copy, drill: Step(
        kind, "dynamodb", "update_table", {"TableName": copy.table, **parameters(entry)}
    )


def _called(
    kind: str, service: str, call: str, parameters: Callable[[Entry, Settings, bool], Entry]
) -> Callable[[Entry, Settings, bool], Step]:
    return lambda entry, copy, drill: Step(kind, service, call, parameters(entry, copy, drill))


def _alarm(entry: Entry, copy: Settings, drill: bool) -> Entry:
    # Two alarms cannot have one name, and the original's may be there still.
    named = {**entry, "AlarmName": f"{copy.table}/{entry['AlarmName'].removeprefix(f'{copy.table}/')}"}
    return {**named, "ActionsEnabled": False} if drill else named


_HOW: Mapping[str, Callable[[Entry, Settings, bool], Step]] = {
    "stream": _updated("stream", lambda one: {"StreamSpecification": one}),
    "table class": _updated("table class", lambda one: one),
    "limit on demand": _updated("limit on demand", lambda one: {"OnDemandThroughput": one}),
    "history": _called(
        "history", "dynamodb", "update_continuous_backups",
        lambda one, copy, _: {"TableName": copy.table, "PointInTimeRecoverySpecification": one},
    ),
    "tag": _called("tag", "dynamodb", "tag_resource", lambda one, copy, _: {"ResourceArn": copy.arn, "Tags": [one]}),
    "resource policy": _called(
        "resource policy", "dynamodb", "put_resource_policy", lambda one, copy, _: {"ResourceArn": copy.arn, **one}
    ),
    "contributor insights": _called(
        "contributor insights", "dynamodb", "update_contributor_insights",
        lambda one, copy, _: {"TableName": copy.table, "ContributorInsightsAction": "ENABLE", **one},
    ),
    "kinesis destination": _called(
        "kinesis destination", "dynamodb", "enable_kinesis_streaming_destination",
        lambda one, copy, _: {
            "TableName": copy.table,
            "StreamArn": one["StreamArn"],
            **({"EnableKinesisStreamingConfiguration": rest} if (rest := _but(one, "StreamArn")) else {}),
        },
    ),
    "autoscaling target": _called("autoscaling target", "scaling", "register_scalable_target", lambda one, *_: one),
    "autoscaling policy": _called("autoscaling policy", "scaling", "put_scaling_policy", lambda one, *_: one),
    "autoscaling schedule": _called("autoscaling schedule", "scaling", "put_scheduled_action", lambda one, *_: one),
    "alarm": _called("alarm", "alarms", "put_metric_alarm", _alarm),
    "deletion protection": _updated("deletion protection", lambda one: one),
    # Last: from now on the service takes away what has expired.
    "time to live": _called(
        "time to live", "dynamodb", "update_time_to_live",
        lambda one, copy, _: {"TableName": copy.table, "TimeToLiveSpecification": {"Enabled": True, **one}},
    ),
}  # fmt: skip
"""How each kind is put back that a restore leaves out, in the order in which it is done. The others are passed to the restore."""


def _but(entry: Entry, name: str) -> Entry:
    return {one: value for one, value in entry.items() if one != name}
