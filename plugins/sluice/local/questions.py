"""Questions that wait for a person, at a terminal: which there are, and the answer to one, or to all that a run asks alike.

It is Airflow that is answered, through its API, as one of its users: who answered is kept with the answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches

from sluice.errors import Terminal
from sluice.flow.question_address import question_address
from sluice.local.airflow_api import AirflowApi, Approval, AskedNoMore, Refused

WIDEST, MOST_LINES = 110, 4
"""How much of a question's body is shown, unless all of it is asked for."""
TAKEN = (403, 409)
"""Airflow's codes for an answer that somebody may not give, and for one that was given already."""


class NoQuestion(Terminal):
    """No question that waits is called so, or it does not allow this answer."""


def list_questions(client: AirflowApi, dag_id: str | None, *, whole: bool) -> str:
    """Lay out the questions of a DAG that wait, or of all, the oldest first. Raises NoQuestion where there is no such DAG."""
    asked = _asked(client, dag_id or "~")
    if asked:
        return told(asked, client.base_url, datetime.now(UTC), whole=whole)
    if dag_id and dag_id not in (known := client.dag_ids()):
        near = get_close_matches(dag_id, known, n=1)
        raise NoQuestion(f"Airflow has no DAG {dag_id}{f': did you mean {near[0]}?' if near else '.'}")
    return "No question waits."


def answer(
    client: AirflowApi, which: str, word: str, *, every: bool, agreed: Callable[[str], bool], say: Callable[[str], None]
) -> bool:
    """Answer a question; with `every`, all that its run asks alike, once `agreed` to their list. Tell whether all took it.

    Raises NoQuestion, AskedNoMore, Refused where the one that was asked for does not take it.
    """
    asked = _asked(client, "~")
    chosen = find(asked, which)
    choice = option(chosen, word)
    if not every:
        client.answer(chosen.dag_id, chosen.run_id, chosen, choice)
        say(f"{client.user} has answered {choice}: {chosen.subject}")
        return True
    alike = [one for one in asked if _place(one) == _place(chosen)]
    listed = "\n".join(f"  {one.id}  {one.subject}" for one in alike)
    if not agreed(f"{chosen.dag_id}, run {chosen.run_id}:\n{listed}\n{choice} to all {len(alike)}? Type yes: "):
        say("Nothing was answered.")
        return False
    return all([_answered(client, one, choice, say) for one in alike])


def told(asked: Sequence[Approval], address: str, now: datetime, *, whole: bool) -> str:
    """Lay out questions for a person, and how each is answered. Pure."""
    parts = [_one(question, address, now, whole) for question in asked]
    first = asked[0].id
    more = f"\nAll that one run asks alike: ./sluice answer {first} approve --all" if len(asked) > 1 else ""
    return "\n\n".join([
        f"{len(asked)} questions wait." if len(asked) > 1 else "One question waits.",
        *parts,
        f"Answer: ./sluice answer {first} approve, or reject{more}",
    ])  # fmt: skip


def find(asked: Sequence[Approval], which: str) -> Approval:
    """Give the question of an id, or of the end of one. Raises NoQuestion."""
    found = [one for one in asked if which and one.id.endswith(which.lower())]
    if len(found) == 1:
        return found[0]
    why = "several questions end so" if found else "no question that waits is called so"
    raise NoQuestion(f"{which}: {why}. ./sluice questions lists them. Nothing was answered.")


def option(question: Approval, word: str) -> str:
    """Give the option that a word means, whatever its capitals. Raises NoQuestion."""
    for one in question.options:
        if one.casefold() == word.casefold():
            return one
    raise NoQuestion(f"{question.subject} takes {' or '.join(question.options).lower()}, and not {word}.")


def _asked(client: AirflowApi, dag_id: str) -> list[Approval]:
    return sorted(client.approvals(dag_id), key=lambda one: (one.created_at, one.id))


def _place(question: Approval) -> tuple[str, str, str]:
    return question.dag_id, question.run_id, question.task_id


def _answered(client: AirflowApi, question: Approval, choice: str, say: Callable[[str], None]) -> bool:
    """Answer one of several: what it does not take is told, and stops no other."""
    try:
        client.answer(question.dag_id, question.run_id, question, choice)
    except (AskedNoMore, Refused) as why:
        if isinstance(why, Refused) and why.status not in TAKEN:
            raise
        say(f"NOT answered: {question.subject} {why}")
        return False
    say(f"{client.user} has answered {choice}: {question.subject}")
    return True


def _one(question: Approval, address: str, now: datetime, whole: bool) -> str:
    waits = int((now - question.created_at).total_seconds() // 60)
    lines = [line for line in _plain(question.body).splitlines() if line.strip()]
    shown = lines if whole else [_short(line) for line in lines[:MOST_LINES]]
    rest = [f"… and {len(lines) - len(shown)} more: --whole"] if len(shown) < len(lines) else []
    head = f"{question.dag_id}, run {question.run_id}, since {question.created_at:%Y-%m-%d %H:%M} UTC ({waits} min)"
    return "\n          ".join(
        [f"{question.id}  {question.subject}", head, *shown, *rest, question_address(question, address)]
    )


def _plain(markdown: str) -> str:
    """A body without what stands for bold, code and links."""
    bare = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", markdown)
    return re.sub(r"\*\*|`|\\(?=[|`\\*_\[\]<>])|^- ", "", bare, flags=re.M)


def _short(line: str) -> str:
    return line if len(line) <= WIDEST else f"{line[: WIDEST - 1]}…"
