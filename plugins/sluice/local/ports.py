"""Ports on 127.0.0.1: is it free, who has it, give me one."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from sluice.errors import Terminal


class Asked(NamedTuple):
    """A port that somebody wants, what for, and the setting that chooses another."""

    port: int
    purpose: str
    setting: str


def free_port() -> int:
    """Give a port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_taken(port: int) -> bool:
    """Tell whether we could not listen on `port`."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def require_free(asked: Sequence[Asked]) -> None:
    """Raise Terminal, naming each port that is a stranger's, who has it, and one way out for all of them."""
    taken = [one for one in asked if is_taken(one.port)]
    if taken:
        lines = [
            f"Port {one.port} (for {one.purpose}) is taken by {owner(one.port) or 'a process of another user'}."
            for one in taken
        ]
        others = " ".join(f"{one.setting}={one.port + 1000}" for one in taken)
        raise Terminal("\n".join([*lines, f"End that, or choose other ports: {others} ./sluice up"]))


def owner(port: int) -> str | None:
    """Give `pid 123 (name)` of the process that listens on `port`, as far as /proc shows it to us."""
    inodes = {f"socket:[{inode}]" for table in ("tcp", "tcp6") for inode in _listening(table, port)}
    for handle in Path("/proc").glob("[0-9]*/fd/*") if inodes else ():
        try:
            if str(handle.readlink()) in inodes:
                process = handle.parents[1]
                return f"pid {process.name} ({(process / 'comm').read_text().strip()})"
        except OSError:
            continue  # gone meanwhile, or not ours to see
    return None


def _listening(table: str, port: int) -> list[str]:
    path = Path("/proc/net") / table
    rows = [line.split() for line in path.read_text().splitlines()[1:]] if path.exists() else []
    return [row[9] for row in rows if row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == port]
