"""How large the demo is, as the command line says it."""

from __future__ import annotations

import argparse
from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """Rows, writes a second, seconds of quiet, writes after the cutover, what stays running, and whether others' tables go."""

    rows: int
    rate: float
    quiet_seconds: float
    after: int
    keep: bool
    fresh: bool


def add_options(parser: argparse.ArgumentParser) -> None:
    """Teach the demo's command its options."""
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of user_sessions (audit_log: a fifth)")
    parser.add_argument("--rate", type=float, default=200.0, help="writes a second that the application asks for")
    parser.add_argument("--quiet-seconds", type=float, default=60.0, help="control time before anything is moved")
    parser.add_argument("--after", type=int, default=10_000, help="writes between the cutover and cutting back")
    parser.add_argument("--keep", action="store_true", help="leave everything running afterwards")
    parser.add_argument("--fresh", action="store_true", help="drop other tables of the sample's database, too")


def chosen_options(chosen: argparse.Namespace) -> Options:
    """Read what was chosen."""
    return Options(chosen.rows, chosen.rate, chosen.quiet_seconds, chosen.after, chosen.keep, chosen.fresh)
