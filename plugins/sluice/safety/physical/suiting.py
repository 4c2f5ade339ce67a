"""What a server's own settings ask for, and the machine of its copy does not have: then the copy goes without.

It was another machine that they were written for. A copy that stands without a library, or with less memory, is mended by one
line of its settings; one that does not start is nothing.
"""

from __future__ import annotations

import logging
import os
import subprocess
from contextlib import suppress
from pathlib import Path

from sluice.safety.physical.scratch import NotRecovered, Scratch
from sluice.stores.binaries import client

log = logging.getLogger(__name__)

LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Where a container says how much memory it may have."""
AT_MOST, INSTEAD = 1 / 2, 1 / 8
"""How much of the machine's memory a copy may take as shared_buffers, and what it gets that asks for more."""


def suited(scratch: Scratch) -> dict[str, str]:
    """Give what to set in place of what this machine cannot give; each is warned of. The server must stand still.

    Raises NotRecovered.
    """
    return {**_less_memory(scratch), **_without_libraries(scratch)}


def told(scratch: Scratch, setting: str) -> str:
    """Say what a setting is, by all files that a copy has. Raises NotRecovered."""
    done = _asked(scratch, "-C", setting)
    if done.returncode:
        raise NotRecovered(f"The settings of {scratch.data} cannot be read: {done.stderr.strip()[-300:]}")
    return done.stdout.strip()


def memory() -> int:
    """Give how many bytes of memory this machine, or this container, has."""
    found = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for limit in LIMITS:
        with suppress(OSError, ValueError):  # not there, or `max`
            found = min(found, int(limit.read_text()))
    return found


def _less_memory(scratch: Scratch) -> dict[str, str]:
    block, has = int(told(scratch, "block_size")), memory()
    asks = int(told(scratch, "shared_buffers")) * block
    if asks <= has * AT_MOST:
        return {}
    gets = int(has * INSTEAD) >> 20
    log.warning(
        "%s: shared_buffers is %s MB and not %s MB as it was: this machine has %s MB of memory. A larger one can have more: the"
        " last lines of postgresql.auto.conf say it.",
        scratch.data,
        f"{gets:,}",
        f"{asks >> 20:,}",
        f"{has >> 20:,}",
    )
    return {"shared_buffers": f"{gets}MB"}


def _without_libraries(scratch: Scratch) -> dict[str, str]:
    """Leave out what cannot be loaded here. The server itself is asked, of each: it knows where it looks, and what is too old."""
    wanted = [name for one in told(scratch, "shared_preload_libraries").split(",") if (name := one.strip().strip('"'))]
    # What can only be said once libraries are loaded has them loaded; nothing is started.
    tried = {
        name: _asked(scratch, "-c", f'shared_preload_libraries="{name}"', "-C", "shared_memory_size") for name in wanted
    }
    fails = {name: _reason(done.stderr) for name, done in tried.items() if done.returncode}
    for name, why in fails.items():
        log.warning(
            "%s: %s of shared_preload_libraries is left out, as it cannot be loaded on this machine: %s. What needs it does not"
            " work in this copy: install it, put it back in postgresql.auto.conf, and start the copy anew.",
            scratch.data,
            name,
            why,
        )
    stays = ", ".join(f'"{name}"' for name in wanted if name not in fails)
    return {"shared_preload_libraries": stays} if fails else {}


def _reason(said: str) -> str:
    """Give the line that says why, without what stands before it."""
    fatal = [line.split("FATAL:", 1)[1].strip() for line in said.splitlines() if "FATAL:" in line]
    return fatal[-1] if fatal else said.strip()[-300:]


def _asked(scratch: Scratch, *how: str) -> subprocess.CompletedProcess[str]:
    command = [*scratch.identity.prefix, str(client("postgres")), "-D", str(scratch.data), *how]
    environment = {**os.environ, "TZ": "UTC", "LC_ALL": "C.UTF-8"}
    return subprocess.run(
        command, capture_output=True, text=True, cwd="/", env=environment, **scratch.identity.arguments
    )
