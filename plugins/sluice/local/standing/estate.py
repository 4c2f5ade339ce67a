"""The estate at a terminal: each store in a line, what is wrong with it, and who does not look."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.table import Table

from sluice.local.standing.words import minute, table
from sluice.overview.states import SIGNS
from sluice.safety.words import lasts

if TYPE_CHECKING:
    from sluice.overview.estate.incidents import Open
    from sluice.overview.estate.page import Card, EstateNow


def tables(it: EstateNow) -> Iterator[Table]:
    """Lay it out: the stores with something wrong first."""
    heads = (
        "",
        "store",
        "answers",
        "lose (RPO)",
        "back in (RTO)",
        "proven (UTC)",
        "whole backup",
        "full",
        "partitions",
    )
    shown = table(it.headline, *heads)
    for one in it.cards:
        shown.add_row(*_row(one))
    yield shown
    if wrong := [*it.incidents, *(each for one in it.cards for each in one.incidents)]:
        yield _incidents(wrong)
    if said := [(one.name, line) for one in it.cards for line in _warnings(one)]:
        beside = table("What is not as promised, or not known", "store", "what")
        for row in said:
            beside.add_row(*row)
        yield beside
    if it.silent:
        silent = table("Nobody looks", "DAG", "last sign (UTC)", "so nobody knows")
        for watcher in it.silent:
            silent.add_row(watcher.dag_id, minute(watcher.last), watcher.told)
        yield silent
    if it.waiting:
        waiting = table("Questions that wait for a person", "DAG", "what", "since (UTC)", "answer at")
        for each in it.waiting:
            waiting.add_row(each.dag_id, each.subject, minute(each.since), each.link)
        yield waiting


def _row(one: Card) -> tuple[str, ...]:
    safe, numbers = one.safety, one.numbers
    goals = one.goals
    return (
        SIGNS[one.state],
        one.name,
        numbers.answers.words if numbers.answers else "not measured",
        f"{safe.lose} ({lasts(goals.losing_at_most)})"
        if safe and goals
        else ""
        if one.is_backed_up
        else "not backed up",
        f"{safe.back} ({lasts(goals.back_within)})" if safe and goals else "",
        minute(safe.found.proven_at) if safe else "",
        minute(safe.whole) if safe else minute(one.own.at) if one.own else "",
        one.full.words if one.full else "",
        numbers.headroom.words if numbers.headroom else "",
    )


def _incidents(found: list[Open]) -> Table:
    shown = table("Open incidents", "", "#", "store", "since (UTC)", "what", "do first", "told")
    for one in found:
        shown.add_row(
            one.severity, str(one.id), one.store or "the estate", minute(one.since), one.text, one.do, one.whom
        )
    return shown


def _warnings(one: Card) -> Iterator[str]:
    if one.safety_failed:
        yield one.safety_failed
    if one.safety:
        yield from one.safety.found.warnings
        yield from (f"not seen since {minute(one.safety.looked)}: {why}" for why in (one.safety.failed,) if why)
    if one.numbers.late and one.numbers.late.state == "bad":
        yield one.numbers.late.words
    if one.is_unprotected:
        key = "backup:" if one.goals else "airflow:"
        yield f"not backed up: add `{key}` in include/estate/estate.yaml"
