"""A Redis for tests of workers: what SLUICE_REDIS names, the system's, or Debian's packages, unpacked and not installed.

`python -m tests.redis_server` fetches those, and `./sluice test --all` too.
"""

from __future__ import annotations

import os
import shlex

import pytest
from sluice.errors import Terminal
from sluice.local.broker import program

from tests.zoo.sources import CACHE, debian

LIBRARIES = ("libatomic1", "libjemalloc2", "liblzf1")
"""What its program wants that a small system has not."""
FETCHED = CACHE / "redis-server"


def redis_server() -> str:
    """Give a Redis's program; where there is none, the test is skipped, and says why."""
    try:
        return program()
    except Terminal:
        if os.environ.get("SLUICE_FETCH"):
            return fetch()
        if not FETCHED.exists():
            pytest.skip("there is no redis-server: apt-get install it, or python -m tests.redis_server fetches one")
        return str(FETCHED)


def fetch() -> str:
    """Unpack Debian's, with its libraries, and give what runs it."""
    folders = [str(folder) for package in LIBRARIES for folder in debian(package).glob("usr/lib/*-linux-*")]
    # One program under several names: it goes by the one that it is called by.
    binary = debian("redis-tools") / "usr/bin/redis-check-rdb"
    called = f'exec -a redis-server {shlex.quote(str(binary))} "$@"'
    FETCHED.write_text(f"#!/bin/bash\nexport LD_LIBRARY_PATH={shlex.quote(':'.join(folders))}\n{called}\n")
    FETCHED.chmod(0o755)
    return str(FETCHED)


if __name__ == "__main__":
    print(fetch())
