"""A run while somebody waits for it: how far its parts are, what is tried again and why, and whom it waits for."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from sluice.local import airflow_processes
from sluice.local.airflow_api import AirflowApi, Approval, TaskState
from sluice.local.runs import BRANCH, own_words
from sluice.local.settings import Settings

ENDED = frozenset({"success", "skipped", "upstream_failed", "removed"})
NOT_BEGUN = frozenset({None, "scheduled", "queued"})
WORDS = {
    "done": "{} done",
    "at work": "{} at work",
    "asks": "{} for a person to answer",
    "again": "{} to be tried again",
    "failed": "{} failed",
    "to come": "{} to come",
}
"""How many of them are where, in the order of telling."""
OF_DRILLS, MOMENT, MONTH = "restore_drill__", "moment", "month"
"""A run's parts are months, but for a drill's, which are moments."""
NO_SCHEDULER = "no scheduler runs, so nothing goes on: ./sluice up"
SURE_AFTER = 2
"""So many parts are done before it is said how long the others take."""

MOST_REASONS = 3
"""Of so many tasks it is told why they are tried again."""


@dataclass
class Watch:
    """What is told of one run, each thing once, for as long as it stays the same."""

    client: AirflowApi
    settings: Settings
    dag_id: str
    run_id: str
    say: Callable[[str], None]
    _said: dict[str, str] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)
    _why: dict[tuple[str, int, int], str] = field(default_factory=dict)
    _began: tuple[float, int] | None = None
    """When parts were seen first, and how many were done then."""

    @property
    def waits(self) -> list[str]:
        """What it waits for, as it was told last."""
        return [text for text in self._said.values() if text]

    def look(self, state: str) -> None:
        """Look once, and tell what has changed."""
        scheduler = airflow_processes.process(self.settings, "scheduler")
        self._tell("scheduler", "" if scheduler.pid() else NO_SCHEDULER)
        if state == "queued":
            runs = self.client.running(self.dag_id)
            asked = [one for run in runs for one in self.client.approvals(self.dag_id, run)]
            self._tell("queued", queued(runs))
        else:
            self._tell("queued", "")
            self._tell_tasks(self.client.tasks(self.dag_id, self.run_id))
            asked = self.client.approvals(self.dag_id, self.run_id)
        self._tell("person", waits_for(self.dag_id, asked))

    def _tell_tasks(self, tasks: Sequence[TaskState]) -> None:
        counts = standings(tasks)
        if counts:
            self._began = self._began or (time.monotonic(), counts["done"])
            begun, before = self._began
            what = MOMENT if self.dag_id.startswith(OF_DRILLS) else MONTH
            self._tell(
                "parts", counted(counts, what), remaining(counts, counts["done"] - before, time.monotonic() - begun)
            )
        again = [task for task in tasks if task.state == "up_for_retry"]
        reasons = [self._reason(task) for task in again[:MOST_REASONS]]
        self._said["again"] = "\n  ".join(reasons)
        for text in dict.fromkeys(reasons):
            if text not in self._told:  # a second try that fails alike is no news
                self._told.add(text)
                self.say(text)

    def _reason(self, task: TaskState) -> str:
        """Why a task failed that is tried again; its log is read once."""
        place = (task.task_id, task.map_index, task.tries)
        if place not in self._why:
            log = self.client.task_log(self.dag_id, self.run_id, *place)
            self._why[place] = reason(own_words(log))
        of = f" of {task.label}" if task.label else ""
        return f"{task.task_id}{of} is tried again by itself: {self._why[place]}"

    def _tell(self, what: str, text: str, beside: str = "") -> None:
        before = self._said.get(what, "")
        self._said[what] = text
        if text != before:
            self.say(f"{text}{beside}" if text else "goes on")


def standings(tasks: Iterable[TaskState]) -> Counter[str]:
    """Count the parts of a run by where they stand, in the words of WORDS. Nothing where it has none. Pure."""
    branches = sorted(
        (t for t in tasks if t.task_id.startswith(BRANCH) and t.map_index >= 0), key=lambda t: t.map_index
    )
    return Counter(
        standing([task.state for task in of]) for _, of in groupby(branches, key=lambda task: task.map_index)
    )


def standing(states: Iterable[str | None]) -> str:
    """Say where a part stands by the states of its tasks. Pure."""
    found = set(states)
    for state, word in {
        "failed": "failed",
        "up_for_retry": "again",
        "awaiting_input": "asks",
        "deferred": "asks",
    }.items():
        if state in found:
            return word
    return "done" if found <= ENDED else "to come" if found <= NOT_BEGUN else "at work"


def counted(counts: Mapping[str, int], what: str) -> str:
    """Say how many parts are where, each `what`. Pure."""
    total = sum(counts.values())
    told = [words.format(counts[what]) for what, words in WORDS.items() if counts.get(what)]
    return f"{total} {what}{'s' if total > 1 else ''}: {', '.join(told)}"


def remaining(counts: Mapping[str, int], done: int, seconds: float) -> str:
    """Say how long the parts take that are not done, at the pace of the `done` ones in so many seconds. Pure."""
    left = sum(counts.get(what, 0) for what in ("at work", "again", "to come"))
    if not left or done < SURE_AFTER:
        return ""
    minutes = left * seconds / done / 60
    return f"; about {max(round(minutes), 1)} min more"


def waits_for(dag_id: str, asked: Sequence[Approval]) -> str:
    """Say whom a run waits for, and what to type; nothing where nobody is asked. Pure."""
    if not asked:
        return ""
    first = asked[0]
    if len(asked) == 1:
        return f"waits for a person: {first.subject} ./sluice answer {first.id} approve, or reject"
    return f"{len(asked)} questions wait for a person, {first.subject} the first: ./sluice questions {dag_id}"


def queued(behind: Sequence[str]) -> str:
    """Say why a run has not begun. Pure."""
    return f"queued behind {', '.join(behind)}" if behind else "queued: Airflow has yet to begin it"


def reason(words: str) -> str:
    """Give what was raised last by a task's own words: its type and its first line. Pure."""
    raised = re.findall(r"^[A-Z]\w+: .+", words, re.M)
    return raised[-1] if raised else "its log says why"
