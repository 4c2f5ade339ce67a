"""How large the demo is, as the command line says it."""

from __future__ import annotations

import argparse
from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """Story, rows or items, writes a second, seconds of quiet, writes after the cutover, what stays, if others' tables go."""

    story: str
    size: int
    rate: float
    quiet_seconds: float
    after: int
    keep: bool
    fresh: bool


USUAL = {
    "postgres": {"size": 1_000_000, "rate": 200.0, "quiet_seconds": 60.0, "after": 10_000},
    "upkeep": {"size": 5_000_000, "rate": 40.0, "quiet_seconds": 20.0, "after": 2_000},
    "safety": {"size": 5_400_000, "rate": 40.0, "quiet_seconds": 10.0, "after": 2_000},
    "insight": {"size": 16, "rate": 0.0, "quiet_seconds": 0.0, "after": 0},
    "dynamodb": {"size": 200_000, "rate": 20.0, "quiet_seconds": 10.0, "after": 5_000},
}
"""The stories, and what each does unless told."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Teach the demo's command its options."""
    told = (
        "; unless told {postgres}; {upkeep} of upkeep, {safety} of safety, {dynamodb} of dynamodb, {insight} of insight"
    )

    def usually(name: str) -> str:
        return told.format(**{story: f"{values[name]:,.0f}" for story, values in USUAL.items()})

    parser.add_argument(
        "story",
        nargs="?",
        choices=USUAL,
        default="postgres",
        help="which tables are moved, kept, brought back or foreseen",
    )
    parser.add_argument(
        "--rows",
        "--items",
        "--reports",
        dest="size",
        type=int,
        help="rows of user_sessions (audit_log: a fifth), of audit_log, items of five legacy tables, or weekly reports"
        + usually("size"),
    )
    parser.add_argument("--rate", type=float, help=f"writes a second that the application asks for{usually('rate')}")
    parser.add_argument(
        "--quiet-seconds", type=float, help=f"control time before anything is moved{usually('quiet_seconds')}"
    )
    parser.add_argument(
        "--after", type=int, help=f"writes between the cutover and cutting back, or at the end{usually('after')}"
    )
    parser.add_argument("--keep", action="store_true", help="leave everything running afterwards")
    parser.add_argument("--fresh", action="store_true", help="drop other tables of the sample's database, too")


def chosen_options(chosen: argparse.Namespace) -> Options:
    """Read what was chosen."""
    told = {name: value for name in USUAL[chosen.story] if (value := getattr(chosen, name)) is not None}
    return Options(story=chosen.story, keep=chosen.keep, fresh=chosen.fresh, **{**USUAL[chosen.story], **told})
