"""Where the console lies for a browser: below Airflow's own address, which need not be the root of its host."""

from __future__ import annotations

from functools import cache
from urllib.parse import urlsplit


def below_airflow(path: str) -> str:
    """Give a path below Airflow's own address (`[api] base_url`)."""
    return _root() + path


@cache
def _root() -> str:
    from airflow.configuration import conf

    address: str = conf.get("api", "base_url", fallback="") or ""
    return urlsplit(address).path.rstrip("/")
